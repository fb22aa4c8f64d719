/* SPDX-License-Identifier: Apache-2.0 */
#include "access/denials.h"
#include "access/key_line.h"
#include "access/messages.h"
#include "access/policy.h"
#include "tests/unit/sample_keys.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1800000000

#define NO_LIMITS                                                                                  \
    (struct document_limits)                                                                       \
    {                                                                                              \
        .not_before = DOCUMENT_NO_TIME, .expires_at = DOCUMENT_NO_TIME, .grant = ""                \
    }

static const struct policy_visit now_visit = {NOW, NOW, NULL, NULL};
static struct cloud_conf conf;
static struct document_user users[4];
static struct document_key keys[4];
static struct document_app apps[2];
static const char *local[] = {"database.internal:3306", "[::1]:6379"};
static const char *remote[] = {"localhost:9000"};
static struct document document;

/* Each test sets the role of alice that it needs. */
static int setup(void **state)
{
    struct cloud_conf_error error;

    (void)state;
    cloud_conf_defaults(&conf);
    conf.uid_min = 200000;
    conf.uid_max = 999999;
    assert_true(cloud_conf_line(&conf, "allow=*", 7, &error));
    strcpy(conf.host_id, "web1");
    users[0] = (struct document_user){"u-1",         "alice",  "", DOCUMENT_ROLE_CONTRIBUTOR,
                                      "contributor", NO_LIMITS};
    users[1] = (struct document_user){"u-2", "bob", "", DOCUMENT_ROLE_VIEWER, "viewer", NO_LIMITS};
    keys[0] = (struct document_key){.type = ED25519_TYPE,
                                    .base64 = ED25519_BASE64,
                                    .title = "laptop",
                                    .limits = NO_LIMITS,
                                    .user = &users[0]};
    memset(keys[0].fingerprint, 1, KEY_FINGERPRINT_SIZE);
    document = (struct document){.project = "abcdefghij",
                                 .environment = "staging",
                                 .status = DOCUMENT_ACTIVE,
                                 .title = "",
                                 .uid = 200002,
                                 .gid = 200002,
                                 .gecos = "",
                                 .home = "/app/x",
                                 .shell = "/bin/bash",
                                 .ssh = DOCUMENT_LEVEL_CONTRIBUTOR,
                                 .sftp = DOCUMENT_LEVEL_CONTRIBUTOR,
                                 .users = 2,
                                 .user = users,
                                 .keys = 1,
                                 .key = keys,
                                 .message = "",
                                 .max_stale = DOCUMENT_NO_BOUND};
    return 0;
}

static struct cloud_name named(const char *account)
{
    struct cloud_name name;

    assert_true(cloud_name_parse(&conf.grammar, account, &name));
    return name;
}

/* The verdict on a plain key. */
static struct policy_verdict judge_person(const struct document *of, const struct cloud_name *name,
                                          const unsigned char *fingerprint, const char *user_id,
                                          const struct policy_visit *visit)
{
    struct offered_key offered = {.certified = false};
    struct policy_visit with = *visit;

    memcpy(offered.fingerprint, fingerprint, sizeof offered.fingerprint);
    with.offered = &offered;
    return policy_person(of, name, user_id, &with);
}

static struct policy_verdict judge_login(const struct document *of, const struct cloud_name *name,
                                         const unsigned char *fingerprint,
                                         const struct policy_visit *visit)
{
    return judge_person(of, name, fingerprint, NULL, visit);
}

static enum policy_reason verdict_for(const char *account)
{
    struct cloud_name name = named(account);

    return judge_login(&document, &name, keys[0].fingerprint, &now_visit).reason;
}

static void test_status(void **state)
{
    static const enum policy_reason expected[] = {
        [DOCUMENT_STATUS_UNKNOWN] = POLICY_STATUS_UNKNOWN,
        [DOCUMENT_ACTIVE] = POLICY_GRANTED,
        [DOCUMENT_DIRTY] = POLICY_GRANTED,
        [DOCUMENT_INACTIVE] = POLICY_STATUS_INACTIVE,
        [DOCUMENT_PAUSED] = POLICY_STATUS_PAUSED,
        [DOCUMENT_DELETING] = POLICY_STATUS_DELETING,
    };

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        document.status = (enum document_status)i;
        assert_int_equal(verdict_for("abcdefghij_stg"), expected[i]);
    }
    document.status = (enum document_status)99;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_STATUS_UNKNOWN);
}

/* Every role against every level, on both kinds of account: only these may enter. */
static void test_roles(void **state)
{
    static const char *const granted_shell[] = {[DOCUMENT_LEVEL_NONE] = "",
                                                [DOCUMENT_LEVEL_VIEWER] = "vca",
                                                [DOCUMENT_LEVEL_CONTRIBUTOR] = "ca",
                                                [DOCUMENT_LEVEL_ADMIN] = "a"};
    static const char *const granted_sftp[] = {[DOCUMENT_LEVEL_NONE] = "",
                                               [DOCUMENT_LEVEL_VIEWER] = "svca",
                                               [DOCUMENT_LEVEL_CONTRIBUTOR] = "sca",
                                               [DOCUMENT_LEVEL_ADMIN] = "sa"};
    static const char letters[] = {[DOCUMENT_ROLE_UNKNOWN] = '?',
                                   [DOCUMENT_ROLE_SFTP] = 's',
                                   [DOCUMENT_ROLE_VIEWER] = 'v',
                                   [DOCUMENT_ROLE_CONTRIBUTOR] = 'c',
                                   [DOCUMENT_ROLE_ADMIN] = 'a'};

    (void)state;
    for (unsigned level = 0; level <= DOCUMENT_LEVEL_ADMIN; level++)
        for (unsigned role = 0; role <= DOCUMENT_ROLE_ADMIN; role++) {
            users[0].role = (enum document_role)role;
            document.ssh = (enum document_level)level;
            document.sftp = DOCUMENT_LEVEL_NONE;
            assert_int_equal(verdict_for("abcdefghij_stg") == POLICY_GRANTED,
                             strchr(granted_shell[level], letters[role]) != NULL);
            document.ssh = DOCUMENT_LEVEL_NONE;
            document.sftp = (enum document_level)level;
            assert_int_equal(verdict_for("abcdefghij_stg_sftp") == POLICY_GRANTED,
                             strchr(granted_sftp[level], letters[role]) != NULL);
        }
    document.ssh = (enum document_level)77;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_ACCESS_OFF);
}

static void test_expiry(void **state)
{
    (void)state;
    keys[0].limits.expires_at = NOW + 1;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_GRANTED);
    keys[0].limits.expires_at = NOW;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_KEY_EXPIRED);
    keys[0].limits.expires_at = -1;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_KEY_EXPIRED);
}

static void test_unknown_key(void **state)
{
    unsigned char other[KEY_FINGERPRINT_SIZE] = {9};
    struct cloud_name name = named("abcdefghij_stg");
    struct policy_verdict verdict = judge_login(&document, &name, other, &now_visit);

    (void)state;
    assert_int_equal(verdict.reason, POLICY_KEY_UNKNOWN);
    assert_null(verdict.key);
}

/* Two users with one key: the one who may enter counts. */
static void test_shared_key(void **state)
{
    struct cloud_name name = named("abcdefghij_stg");
    struct policy_verdict verdict;

    (void)state;
    keys[1] = keys[0];
    keys[0].user = &users[1];
    document.keys = 2;
    verdict = judge_login(&document, &name, keys[0].fingerprint, &now_visit);
    assert_int_equal(verdict.reason, POLICY_GRANTED);
    assert_ptr_equal(verdict.key->user, &users[0]);
    document.ssh = DOCUMENT_LEVEL_ADMIN;
    verdict = judge_login(&document, &name, keys[0].fingerprint, &now_visit);
    assert_int_equal(verdict.reason, POLICY_ROLE);
    assert_ptr_equal(verdict.key->user, &users[1]);
}

/* An expired key gets no line if its user has another key that may enter: clients offer in turn.
 */
static void test_better_key(void **state)
{
    struct cloud_name name = named("abcdefghij_stg");
    struct policy_verdict verdict;

    (void)state;
    keys[0].limits.expires_at = 1;
    verdict = judge_login(&document, &name, keys[0].fingerprint, &now_visit);
    assert_true(policy_gets_line(&document, &name, &verdict, &now_visit));
    keys[1] = keys[0];
    memset(keys[1].fingerprint, 2, KEY_FINGERPRINT_SIZE);
    document.keys = 2;
    assert_true(policy_gets_line(&document, &name, &verdict, &now_visit)); /* as expired */
    keys[1].limits.expires_at = DOCUMENT_NO_TIME;
    assert_false(policy_gets_line(&document, &name, &verdict, &now_visit));
    keys[1].user = &users[1];
    users[1].role = DOCUMENT_ROLE_ADMIN;
    assert_true(policy_gets_line(&document, &name, &verdict, &now_visit)); /* another user's key */
    keys[1].user = &users[0];
    document.ssh = DOCUMENT_LEVEL_ADMIN;
    verdict = judge_login(&document, &name, keys[0].fingerprint, &now_visit);
    assert_true(policy_gets_line(&document, &name, &verdict, &now_visit)); /* may not enter */
}

/* A refused user gets a line, so that PAM can say why, but not on an sFTP account. */
static void test_who_gets_a_line(void **state)
{
    unsigned char other[KEY_FINGERPRINT_SIZE] = {9};
    struct cloud_name shell = named("abcdefghij_stg"), sftp = named("abcdefghij_stg_sftp");
    struct policy_verdict verdict = judge_login(&document, &shell, other, &now_visit);

    (void)state;
    assert_false(policy_gets_line(&document, &shell, &verdict, &now_visit));
    verdict = judge_login(&document, &shell, keys[0].fingerprint, &now_visit);
    assert_true(policy_gets_line(&document, &shell, &verdict, &now_visit));
    verdict = judge_login(&document, &sftp, keys[0].fingerprint, &now_visit);
    assert_true(policy_gets_line(&document, &sftp, &verdict, &now_visit));
    document.status = DOCUMENT_PAUSED;
    verdict = judge_login(&document, &shell, keys[0].fingerprint, &now_visit);
    assert_true(policy_gets_line(&document, &shell, &verdict, &now_visit));
    verdict = judge_login(&document, &sftp, keys[0].fingerprint, &now_visit);
    assert_false(policy_gets_line(&document, &sftp, &verdict, &now_visit));
}

static void test_apps(void **state)
{
    struct document_forwarding forwarding = {0, 1, NULL, remote, false};
    struct cloud_name name;

    (void)state;
    document.environment = "smith-a12b34c";
    assert_int_equal(verdict_for("abcdefghij-smith-a12b34c--any"), POLICY_GRANTED);
    document.has_apps = true;
    assert_int_equal(verdict_for("abcdefghij-smith-a12b34c--any"), POLICY_APP_UNKNOWN);
    assert_int_equal(verdict_for("abcdefghij-smith-a12b34c"), POLICY_GRANTED);
    apps[0] = (struct document_app){"shop", "/app", true, DOCUMENT_LEVEL_ADMIN, &forwarding};
    apps[1] = (struct document_app){"blog", NULL, false, DOCUMENT_LEVEL_NONE, NULL};
    document.app = apps;
    document.apps = 2;
    assert_int_equal(verdict_for("abcdefghij-smith-a12b34c--shop"), POLICY_ROLE);
    assert_int_equal(verdict_for("abcdefghij-smith-a12b34c--blog--w"), POLICY_GRANTED);
    name = named("abcdefghij-smith-a12b34c--shop");
    assert_string_equal(policy_home(&document, &name), "/app");
    name = named("abcdefghij-smith-a12b34c--blog");
    assert_string_equal(policy_home(&document, &name), "/app/x");
    assert_string_equal(policy_shell(&document, &name), "/bin/bash");
    name = named("abcdefghij_stg_sftp");
    assert_string_equal(policy_home(&document, &name), "/");
    assert_string_equal(policy_shell(&document, &name), "/usr/sbin/nologin");
}

static void test_services(void **state)
{
    struct cloud_name name = named("abcdefghij_stg");

    (void)state;
    assert_int_equal(policy_service(&document, &name, "su", NOW), POLICY_GRANTED);
    document.status = DOCUMENT_PAUSED;
    assert_int_equal(policy_service(&document, &name, "su", NOW), POLICY_STATUS_PAUSED);
    assert_int_equal(policy_service(&document, &name, "sudo", NOW), POLICY_STATUS_PAUSED);
    assert_int_equal(policy_service(&document, &name, "cron", NOW), POLICY_GRANTED);
    document.status = DOCUMENT_INACTIVE;
    assert_int_equal(policy_service(&document, &name, "cron", NOW), POLICY_STATUS_INACTIVE);
    document.status = DOCUMENT_STATUS_UNKNOWN;
    assert_int_equal(policy_service(&document, &name, "cron", NOW), POLICY_STATUS_UNKNOWN);
}

static const char *line_for(const char *account)
{
    static char line[4096];
    struct cloud_name name = named(account);
    struct policy_verdict verdict = judge_login(&document, &name, keys[0].fingerprint, &now_visit);

    struct cloud_text text;

    cloud_text_start(&text, line, sizeof line);
    key_line_write(&document, &name, &verdict, &now_visit, &text);
    assert_false(text.cut);
    return line;
}

#define KEY_PART " " ED25519_TYPE " " ED25519_BASE64 " u-1"

/* Whether the line for the account permits the same with these forwards as it did before, which
 * the first call sets. */
static bool permits_same(const char *account, const struct document_forwarding *forwarding)
{
    static unsigned char before[DIGEST_SIZE];
    unsigned char after[DIGEST_SIZE];
    struct cloud_name name = named(account);
    bool same;

    document.forwarding = *forwarding;
    assert_true(key_line_grants(&document, &name, after));
    same = memcmp(before, after, sizeof before) == 0;
    memcpy(before, after, sizeof before);
    return same;
}

/* What a line permits does not depend on the order of the document's lists, and on nothing but
 * them. */
static void test_key_line_grants(void **state)
{
    static const char *swapped[] = {"[::1]:6379", "database.internal:3306"};
    const struct document_forwarding none = {0}, agent = {.agent = true};
    const struct document_forwarding both = {2, 1, local, remote, false};
    const struct document_forwarding other_order = {2, 1, swapped, remote, false};
    const struct document_forwarding fewer = {1, 1, local, remote, false};
    const struct document_forwarding other = {1, 1, swapped, remote, false};
    const struct document_forwarding only_local = {2, 0, local, NULL, false};
    const struct document_forwarding only_remote = {0, 2, NULL, local, false};

    (void)state;
    assert_false(permits_same("abcdefghij_stg", &none));
    assert_true(permits_same("abcdefghij_stg", &none));
    assert_false(permits_same("abcdefghij_stg", &agent));
    assert_false(permits_same("abcdefghij_stg", &both));
    assert_true(permits_same("abcdefghij_stg", &other_order));
    assert_false(permits_same("abcdefghij_stg", &fewer));
    assert_false(permits_same("abcdefghij_stg", &other));
    assert_false(permits_same("abcdefghij_stg", &only_local));
    assert_false(permits_same("abcdefghij_stg", &only_remote));
    assert_string_equal(local[0], "database.internal:3306"); /* the document is as it was */
    assert_false(permits_same("abcdefghij_stg_sftp", &none));
    assert_true(permits_same("abcdefghij_stg_sftp", &both));
    apps[0] = (struct document_app){"shop", NULL, false, DOCUMENT_LEVEL_NONE, &agent};
    document.app = apps;
    document.apps = 1;
    document.has_apps = true;
    assert_false(permits_same("abcdefghij-smith-a12b34c--shop", &both));
    assert_true(permits_same("abcdefghij-smith-a12b34c--shop", &none));
    assert_true(permits_same("abcdefghij_stg", &agent));
}

static void test_key_lines(void **state)
{
    (void)state;
    assert_string_equal(line_for("abcdefghij_stg"), "restrict,pty" KEY_PART);
    assert_string_equal(line_for("abcdefghij_stg_sftp"), "restrict" KEY_PART);
    document.forwarding = (struct document_forwarding){2, 1, local, remote, true};
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,pty,agent-forwarding,port-forwarding,"
                        "permitopen=\"database.internal:3306\",permitopen=\"[::1]:6379\","
                        "permitlisten=\"localhost:9000\"" KEY_PART);
    assert_string_equal(line_for("abcdefghij_stg_sftp"), "restrict" KEY_PART);
    document.forwarding = (struct document_forwarding){1, 0, local, NULL, false};
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,pty,port-forwarding,permitopen=\"database.internal:3306\","
                        "permitlisten=\"none:1\"" KEY_PART);
    document.forwarding = (struct document_forwarding){0, 1, NULL, remote, false};
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,pty,port-forwarding,permitopen=\"none:1\","
                        "permitlisten=\"localhost:9000\"" KEY_PART);
    document.forwarding = (struct document_forwarding){0};
    document.shell = "/usr/sbin/nologin";
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,command=\"/usr/sbin/nologin\",pty" KEY_PART);
    assert_string_equal(line_for("abcdefghij_stg_sftp"), "restrict" KEY_PART);
    document.shell = "/bin/false";
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,command=\"/usr/sbin/nologin\",pty" KEY_PART);
    document.shell = "/bin/nologin/bash";
    assert_string_equal(line_for("abcdefghij_stg"), "restrict,pty" KEY_PART);
    document.shell = "/bin/bash";
    keys[0].limits.expires_at = 1893456000; /* 2030-01-01 */
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,pty,expiry-time=\"20300101000000Z\"" KEY_PART);
    keys[0].limits.expires_at = INT64_C(253402304400); /* 9999-12-31T23:59:59-01:00 and a second */
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,pty,expiry-time=\"99991231235959Z\"" KEY_PART);
}

static struct address_block block(const char *text)
{
    struct address_block out;

    assert_true(address_block_read(text, &out));
    return out;
}

static void limit(struct document_limits *limits, struct address_block *list, size_t n)
{
    limits->has_from = true;
    limits->from = list;
    limits->blocks = n;
}

static enum policy_reason verdict_from(const char *from)
{
    const struct policy_visit visit = {NOW, NOW, from, NULL};
    struct cloud_name name = named("abcdefghij_stg");

    return judge_login(&document, &name, keys[0].fingerprint, &visit).reason;
}

/* The key and the person both have to allow the address, and what is no address is none of them. */
static void test_from(void **state)
{
    struct address_block office[2] = {block("192.0.2.0/24"), block("2001:db8::/32")};
    struct address_block desk[1] = {block("192.0.2.128/25")};

    (void)state;
    assert_int_equal(verdict_from("anywhere.example.com"), POLICY_GRANTED);
    limit(&users[0].limits, office, 2);
    assert_int_equal(verdict_from(NULL), POLICY_GRANTED);
    assert_int_equal(verdict_from("192.0.2.7"), POLICY_GRANTED);
    assert_int_equal(verdict_from("::ffff:192.0.2.7"), POLICY_GRANTED);
    assert_int_equal(verdict_from("2001:db8::7"), POLICY_GRANTED);
    assert_int_equal(verdict_from("192.0.3.7"), POLICY_FROM);
    assert_int_equal(verdict_from("2001:db9::7"), POLICY_FROM);
    assert_int_equal(verdict_from("office.example.com"), POLICY_FROM);
    assert_int_equal(verdict_from("192.0.2.7.example.com"), POLICY_FROM);
    assert_int_equal(verdict_from(""), POLICY_FROM);
    limit(&keys[0].limits, desk, 1);
    assert_int_equal(verdict_from("192.0.2.7"), POLICY_FROM);
    assert_int_equal(verdict_from("192.0.2.200"), POLICY_GRANTED);
    users[0].limits = NO_LIMITS;
    assert_int_equal(verdict_from("192.0.2.7"), POLICY_FROM);
    keys[0].limits.blocks = 0;
    assert_int_equal(verdict_from("192.0.2.200"), POLICY_FROM);
}

static void require_mfa(void)
{
    document.require =
        (struct document_require){.given = true, .amrs = 1, .amr = {"mfa"}, .max_age = 3600};
}

#define NOLOGIN_LINE "restrict,command=\"/usr/sbin/nologin\"" KEY_PART

static void test_from_lines(void **state)
{
    struct address_block office[2] = {block("192.0.2.0/24"), block("2001:db8::/32")};
    struct address_block desk[2] = {block("192.0.2.128/25"), block("198.51.100.0/24")};
    struct document_key both[2];

    (void)state;
    limit(&keys[0].limits, office, 2);
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,from=\"192.0.2.0/24,2001:db8::/32\",pty" KEY_PART
                        "\n" NOLOGIN_LINE);
    /* ForceCommand would override nologin. */
    assert_string_equal(line_for("abcdefghij_stg_sftp"),
                        "restrict,from=\"192.0.2.0/24,2001:db8::/32\"" KEY_PART);
    limit(&users[0].limits, desk, 2);
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,from=\"192.0.2.128/25\",pty" KEY_PART "\n" NOLOGIN_LINE);
    keys[0].verify = true;
    assert_string_equal(line_for("abcdefghij_stg_sftp"),
                        "restrict,verify-required,from=\"192.0.2.128/25\"" KEY_PART);
    keys[0].verify = false;
    users[0].limits.blocks = 0;
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,from=\"0.0.0.0/32\",pty" KEY_PART "\n" NOLOGIN_LINE);
    /* The next person with the key, and one who also has a key for everywhere. */
    users[0].limits.blocks = 2;
    users[1].role = DOCUMENT_ROLE_ADMIN;
    memcpy(both, keys, sizeof both);
    both[1] = both[0];
    both[1].limits = NO_LIMITS;
    both[1].user = &users[1];
    document.key = both;
    document.keys = 2;
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,from=\"192.0.2.128/25\",pty" KEY_PART
                        "\nrestrict,pty " ED25519_TYPE " " ED25519_BASE64 " u-2");
    users[0].limits = NO_LIMITS;
    both[1].user = &users[0];
    memset(both[1].fingerprint, 2, KEY_FINGERPRINT_SIZE);
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,from=\"192.0.2.0/24,2001:db8::/32\",pty" KEY_PART);
    /* Nor a key for elsewhere, which the client may offer next; the person's own `from` holds for
     * both keys. */
    limit(&both[1].limits, desk, 2);
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,from=\"192.0.2.0/24,2001:db8::/32\",pty" KEY_PART);
    users[0].limits = both[0].limits;
    both[0].limits = both[1].limits = NO_LIMITS;
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,from=\"192.0.2.0/24,2001:db8::/32\",pty" KEY_PART
                        "\n" NOLOGIN_LINE);
}

/* Where one of two people with a security key has to be verified, each line demands it, also that
 * with nologin, as PAM cannot know which one sshd took. */
static void test_verify_lines(void **state)
{
    struct address_block office[1] = {block("192.0.2.0/24")};
    struct document_key both[2] = {keys[0], keys[0]};

    (void)state;
    limit(&both[0].limits, office, 1);
    both[1].user = &users[1];
    both[1].verify = true;
    document.key = both;
    document.keys = 2;
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,from=\"192.0.2.0/24\",pty" KEY_PART "\n" NOLOGIN_LINE);
    users[1].role = DOCUMENT_ROLE_ADMIN;
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,verify-required,from=\"192.0.2.0/24\",pty" KEY_PART
                        "\nrestrict,verify-required,pty " ED25519_TYPE " " ED25519_BASE64 " u-2");
    document.keys = 1;
    both[0].verify = true;
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,verify-required,from=\"192.0.2.0/24\",pty" KEY_PART
                        "\nrestrict,verify-required,command=\"/usr/sbin/nologin\"" KEY_PART);
}

/* A key with `verify` enters by a line that demands it, and its open session goes on. */
static void test_unverified(void **state)
{
    struct offered_key offered = {.unverified = true}, open;
    const struct policy_visit visit = {NOW, NOW, NULL, &offered};
    const struct policy_visit session = {NOW, NOW, NULL, &open};
    struct cloud_name name = named("abcdefghij_stg");

    (void)state;
    memcpy(offered.fingerprint, keys[0].fingerprint, KEY_FINGERPRINT_SIZE);
    assert_int_equal(policy_login(&document, &name, &visit).reason, POLICY_GRANTED);
    keys[0].verify = true;
    assert_int_equal(policy_login(&document, &name, &visit).reason, POLICY_NO_KEY_LINE);
    require_mfa();
    assert_int_equal(policy_login(&document, &name, &visit).reason, POLICY_NO_KEY_LINE);
    open = policy_session_key(&conf, &offered);
    assert_int_equal(policy_person(&document, &name, "u-1", &session).reason, POLICY_GRANTED);
    offered.unverified = false;
    assert_int_equal(policy_login(&document, &name, &visit).reason, POLICY_GRANTED);
}

/* No more lines are made than for 16 people with one key. */
static void test_shared_from(void **state)
{
    static char buffer[16384];
    struct address_block office[1] = {block("192.0.2.0/24")};
    struct cloud_name name = named("abcdefghij_stg");
    struct document_key many[17];
    struct cloud_text text;

    (void)state;
    limit(&keys[0].limits, office, 1);
    for (size_t i = 0; i < 17; i++)
        many[i] = keys[0];
    document.key = many;
    for (document.keys = 16; document.keys <= 17; document.keys++) {
        struct policy_verdict verdict =
            judge_login(&document, &name, keys[0].fingerprint, &now_visit);

        cloud_text_start(&text, buffer, sizeof buffer);
        key_line_write(&document, &name, &verdict, &now_visit, &text);
        assert_int_equal(text.cut, document.keys > 16);
    }
}

/* The window of the key and that of the person: both must be open. */
static void test_windows(void **state)
{
    struct document_limits *limits[] = {&keys[0].limits, &users[0].limits};
    const enum policy_reason expired[] = {POLICY_KEY_EXPIRED, POLICY_PERSON_EXPIRED};
    const struct policy_visit was_ahead = {NOW + 9, NOW, NULL, NULL}; /* its clock */
    struct cloud_name name = named("abcdefghij_stg");

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        limits[i]->not_before = NOW;
        limits[i]->expires_at = NOW + 1;
        assert_int_equal(verdict_from(NULL), POLICY_GRANTED);
        assert_int_equal(policy_ends(&keys[0], NULL), NOW + 1);
        limits[i]->expires_at = NOW;
        assert_int_equal(verdict_from(NULL), expired[i]);
        assert_string_equal(line_for("abcdefghij_stg"), NOLOGIN_LINE);
        *limits[i] = NO_LIMITS;
        limits[i]->not_before = NOW + 1;
        assert_int_equal(verdict_from(NULL), POLICY_TOO_EARLY);
        assert_int_equal(judge_login(&document, &name, keys[0].fingerprint, &was_ahead).reason,
                         POLICY_TOO_EARLY);
        *limits[i] = NO_LIMITS;
    }
    keys[0].limits.expires_at = NOW + 9;
    users[0].limits.expires_at = NOW + 7;
    assert_int_equal(policy_ends(&keys[0], NULL), NOW + 7);
    keys[0].limits.expires_at = NOW + 5;
    assert_int_equal(policy_ends(&keys[0], NULL), NOW + 5);
}

/* The line of a refused user lets the key prove itself and allows nothing. */
static void test_refused_line(void **state)
{
    (void)state;
    document.forwarding = (struct document_forwarding){2, 1, local, remote, true};
    document.status = DOCUMENT_PAUSED;
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,command=\"/usr/sbin/nologin\"" KEY_PART);
    document.status = DOCUMENT_ACTIVE;
    keys[0].limits.expires_at = 1;
    assert_string_equal(line_for("abcdefghij_stg"),
                        "restrict,command=\"/usr/sbin/nologin\"" KEY_PART);
}

static void test_line_that_does_not_fit(void **state)
{
    struct cloud_name name = named("abcdefghij_stg");
    struct policy_verdict verdict = judge_login(&document, &name, keys[0].fingerprint, &now_visit);
    size_t needed = strlen(line_for("abcdefghij_stg")) + 1;
    struct cloud_text text;
    char line[256];

    (void)state;
    for (size_t size = 1; size <= needed; size++) {
        cloud_text_start(&text, line, size);
        key_line_write(&document, &name, &verdict, &now_visit, &text);
        assert_int_equal(text.cut, size < needed);
    }
}

static void assert_message(enum policy_reason reason, const char *account, const char *expected)
{
    struct cloud_name name = named(account);
    char message[512];

    messages_for_client(
        &(const struct message){reason, &document, &name, account, &keys[0], NULL, NULL}, message,
        sizeof message);
    assert_string_equal(message, expected);
}

static void assert_detail(enum policy_reason reason, const char *expected)
{
    struct cloud_name name = named("abcdefghij_stg");
    char detail[256];

    messages_detail(&(const struct message){reason, &document, &name, "", &keys[0], NULL, NULL},
                    detail, sizeof detail);
    assert_string_equal(detail, expected);
}

static void test_details(void **state)
{
    struct cloud_name name = named("abcdefghij_stg");
    char detail[256];

    (void)state;
    assert_detail(POLICY_ROLE, "key of alice: role contributor, needs contributor");
    document.ssh = DOCUMENT_LEVEL_ADMIN;
    assert_detail(POLICY_ROLE, "key of alice: role contributor, needs admin");
    users[0].role_text = "sftp";
    assert_detail(POLICY_ROLE_SFTP_ONLY, "key of alice: role sftp, needs admin");
    assert_detail(POLICY_STATUS_PAUSED, "");
    messages_detail(&(const struct message){POLICY_ROLE, NULL, &name, "", &keys[0], NULL, NULL},
                    detail, sizeof detail);
    assert_string_equal(detail, "");
    struct message message = {.reason = POLICY_KEY_UNKNOWN, .name = &name};
    messages_detail_elsewhere(&message, keys[0].user, "production", detail, sizeof detail);
    assert_string_equal(detail, "key of alice: sftp in production, not known in staging");
    message.offered = &(const struct offered_key){.certified = true, .serial = 7, .key_id = "u-9"};
    messages_detail_elsewhere(&message, keys[0].user, "production", detail, sizeof detail);
    assert_string_equal(detail, "certificate 7 of alice: sftp in production, not known in staging");
    messages_detail(&message, detail, sizeof detail);
    assert_string_equal(detail, "");
    message.reason = POLICY_AUTHORITY_UNKNOWN;
    messages_detail_elsewhere(&message, keys[0].user, "production", detail, sizeof detail);
    assert_string_equal(detail, "certificate 7 of alice: sftp in production, by an authority that "
                                "is not accepted in staging");
    message.reason = POLICY_CERTIFICATE_UNKNOWN;
    messages_detail(&message, detail, sizeof detail);
    assert_string_equal(detail, "certificate 7 for u-9, not known in staging");
}

/* Judges one user: another user with the same key does not count. */
static void test_person(void **state)
{
    struct cloud_name name = named("abcdefghij_stg");
    struct document_key both[2] = {keys[0], keys[0]};
    struct policy_verdict verdict;

    (void)state;
    users[1].role = DOCUMENT_ROLE_ADMIN;
    both[1].user = &users[1];
    document.key = both;
    document.keys = 2;
    verdict = judge_person(&document, &name, both[0].fingerprint, "u-2", &now_visit);
    assert_int_equal(verdict.reason, POLICY_GRANTED);
    assert_ptr_equal(verdict.key, &both[1]);
    users[1].role = DOCUMENT_ROLE_VIEWER;
    verdict = judge_person(&document, &name, both[0].fingerprint, "u-2", &now_visit);
    assert_int_equal(verdict.reason, POLICY_ROLE);
    verdict = judge_person(&document, &name, both[0].fingerprint, "u-3", &now_visit);
    assert_int_equal(verdict.reason, POLICY_KEY_UNKNOWN);
    assert_null(verdict.key);
    document.key = keys;
    document.keys = 1;
}

/* policy_login applies each rule that policy_rules lists; denials come first. */
static void test_rules(void **state)
{
    struct denial_list *list = calloc(1, sizeof *list + sizeof list->denial[0]);
    struct denials denials = {list, false};
    struct policy_rule_verdict rules[POLICY_RULES];
    struct cloud_name name = named("abcdefghij_stg");
    const char *why, line[] = "user\talice\t1800000100\t0\t";

    (void)state;
    assert_non_null(list);
    document.denials = &denials;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_GRANTED);
    assert_true(denials_parse(line, strlen(line), &list->denial[0], &why));
    list->n = 1;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_DENIED);
    assert_int_equal(policy_service(&document, &name, "su", NOW), POLICY_GRANTED);
    document.status = DOCUMENT_PAUSED;
    keys[0].limits.expires_at = NOW;
    users[0].role = DOCUMENT_ROLE_UNKNOWN;
    policy_rules(&document, &name, &keys[0], &now_visit, rules);
    assert_int_equal(rules[1].reason, POLICY_DENIED);
    assert_int_equal(rules[2].reason, POLICY_STATUS_PAUSED);
    assert_int_equal(rules[3].reason, POLICY_KEY_EXPIRED);
    assert_int_equal(rules[6].reason, POLICY_ROLE);
    policy_rules(&document, &name, &keys[0],
                 &(const struct policy_visit){NOW, NOW + 100, NULL, NULL}, rules);
    assert_int_equal(rules[1].reason, POLICY_GRANTED);
    /* An environment is denied to cron as well, and a damaged list denies all. */
    list->denial[0] = (struct denial){.kind = DENIAL_ENVIRONMENT, .subject = "abcdefghij/staging"};
    assert_int_equal(policy_service(&document, &name, "cron", NOW), POLICY_DENIED);
    list->n = 0;
    assert_int_equal(policy_service(&document, &name, "cron", NOW), POLICY_GRANTED);
    denials.damaged = true;
    assert_int_equal(policy_service(&document, &name, "cron", NOW), POLICY_DENIED);
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_DENIED);
    free(list);
}

static void test_messages(void **state)
{
    (void)state;
    assert_message(POLICY_STATUS_PAUSED, "abcdefghij_stg", "environment staging is paused");
    document.message = "Deploys are frozen until Monday.";
    assert_message(POLICY_STATUS_INACTIVE, "abcdefghij_stg",
                   "environment staging is inactive: Deploys are frozen until Monday.");
    assert_message(POLICY_ROLE, "abcdefghij_stg", "your role contributor may not use SSH here");
    assert_message(POLICY_ROLE, "abcdefghij_stg_sftp",
                   "your role contributor may not use sFTP here");
    users[0].role = DOCUMENT_ROLE_SFTP;
    users[0].role_text = "sftp";
    assert_message(POLICY_ROLE_SFTP_ONLY, "abcdefghij_stg",
                   "your role sftp may not use SSH here; use abcdefghij_stg_sftp");
    assert_message(POLICY_ACCESS_OFF, "abcdefghij_stg",
                   "SSH is off for environment staging; use abcdefghij_stg_sftp");
    document.sftp = DOCUMENT_LEVEL_NONE;
    assert_message(POLICY_ACCESS_OFF, "abcdefghij_stg", "SSH is off for environment staging");
    keys[0].limits.expires_at = 1893456000;
    assert_message(POLICY_KEY_EXPIRED, "abcdefghij_stg",
                   "your key laptop expired on 2030-01-01 00:00 UTC");
    users[0].limits.expires_at = 1893456000;
    assert_message(POLICY_PERSON_EXPIRED, "abcdefghij_stg",
                   "your access ended on 2030-01-01 00:00 UTC");
    users[0].limits.not_before = 1893456060;
    assert_message(POLICY_TOO_EARLY, "abcdefghij_stg",
                   "your access begins on 2030-01-01 00:01 UTC");
    assert_message(POLICY_FROM, "abcdefghij_stg", "you may not enter from here with this key");
    assert_message(POLICY_ABSENT, "abcdefghij_stg", "this environment no longer exists");
    assert_message(POLICY_REFUSED, "abcdefghij_stg", "you may not enter here");
}

static void test_tokens(void **state)
{
    (void)state;
    for (int i = 0; i < POLICY_REASONS; i++) {
        assert_non_null(policy_token((enum policy_reason)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(policy_token((enum policy_reason)i),
                                    policy_token((enum policy_reason)j));
    }
    assert_string_equal(policy_token(POLICY_REASONS), "refused");
}

static void assert_usable(struct bindings *owners, const struct local_ids *db, bool usable,
                          const char *says)
{
    char why[256] = "";

    assert_int_equal(
        policy_usable(&(const struct policy_host){&conf, db, owners}, &document, why, sizeof why),
        usable);
    if (strstr(why, says) == NULL)
        fail_msg("said: %s", why);
}

static void test_usable(void **state)
{
    struct bindings *owners = bindings_new();
    struct local_ids *db = local_ids_new();
    struct binding claim = {"zzzdefghij", "production", 200050, 200051};

    (void)state;
    assert_true(local_ids_refresh(db));
    assert_usable(owners, db, true, "");
    document.home = "/etc/systemd/system/ssh.service.d";
    assert_usable(owners, db, false, "account.home: this host's homes does not allow /etc/sys");
    document.home = "/app/x/y";
    assert_usable(owners, db, false, "account.home: ");
    document.home = "/app/x";
    document.uid = 0;
    assert_usable(owners, db, false, "range");
    document.uid = 199999;
    assert_usable(owners, db, false, "range");
    document.uid = 1000000;
    assert_usable(owners, db, false, "range");
    document.uid = 200002;
    document.gid = 0;
    assert_usable(owners, db, false, "range");
    document.gid = conf.ssh_gid;
    assert_usable(owners, db, false, "range");

    document.gid = 200002;
    write_file("subuid", "ada:100000:65536\nbob:200002:1\n");
    assert_true(local_ids_refresh(db));
    assert_usable(owners, db, false, "subordinate id");
    write_file("subuid", "bob:200003:1\nbob:200001:1\n");
    write_file("subgid", "bob:200002:65536");
    assert_true(local_ids_refresh(db));
    assert_usable(owners, db, false, "subordinate id");
    assert_int_equal(unlink("subgid"), 0);
    assert_int_equal(symlink("subgid", "subgid"), 0);
    assert_true(local_ids_refresh(db));
    assert_usable(owners, db, false, "subordinate id"); /* it cannot be read */
    assert_int_equal(unlink("subgid"), 0);
    assert_true(local_ids_refresh(db));
    assert_usable(owners, db, true, "");

    bindings_claim(owners, &claim);
    document.uid = 200050;
    assert_usable(owners, db, false, "uid 200050 belongs to environment production");
    document.uid = 200002;
    document.gid = 200051;
    assert_usable(owners, db, false, "gid 200051 belongs to");
    document.gid = 200002;
    claim = (struct binding){document.project, document.environment, 200002, 200002};
    bindings_claim(owners, &claim);
    assert_usable(owners, db, true, "");
    /* A bound environment goes on: its files are that uid's already. */
    write_file("subuid", "bob:200002:1\n");
    assert_true(local_ids_refresh(db));
    assert_usable(owners, db, true, "");
    assert_int_equal(unlink("subuid"), 0);
    assert_true(local_ids_refresh(db));
    document.uid = 200003;
    assert_usable(owners, db, false, "uid:gid changed from 200002:200002 to 200003:200002");
    document.uid = 200002;
    document.environment = "develop";
    assert_usable(owners, db, false, "no login name");
    bindings_free(owners);
    local_ids_free(db);
}

static void test_hosts(void **state)
{
    const char *hosts[] = {"web2", "web1"};

    (void)state;
    assert_true(policy_for_host(&conf, &document));
    document.has_hosts = true;
    assert_false(policy_for_host(&conf, &document));
    document.host = hosts;
    document.hosts = 1;
    assert_false(policy_for_host(&conf, &document));
    document.hosts = 2;
    assert_true(policy_for_host(&conf, &document));
}

/* ---- Certificates ---- */

/* A certificate for alice by the authority, as the parser gives it. */
static struct offered_key certificate_of_alice(void)
{
    struct offered_key offered = {.certified = true,
                                  .fingerprint = "a key",
                                  .ca = "the authority",
                                  .serial = 7,
                                  .valid_after = NOW - 60,
                                  .valid_before = NOW + 60,
                                  .key_id = "u-1",
                                  .principal = "alice"};

    return offered;
}

static struct document_key authority = {
    .type = ED25519_TYPE, .base64 = ED25519_BASE64, .title = "", .fingerprint = "the authority"};
static struct document_key certified[4];

static void accept_authority(void)
{
    authority.limits = NO_LIMITS;
    document.authorities = 1;
    document.authority = &authority;
    for (size_t i = 0; i < 4; i++) {
        certified[i] = authority;
        certified[i].user = &users[i];
    }
    document.certified = certified;
}

static struct policy_verdict judge_certificate(const struct offered_key *offered,
                                               const char *account)
{
    const struct policy_visit visit = {NOW, NOW, NULL, offered};
    struct cloud_name name = named(account);
    struct policy_verdict verdict = policy_login(&document, &name, &visit);

    if (verdict.reason == POLICY_GRANTED)
        assert_true(policy_gets_line(&document, &name, &verdict, &visit));
    return verdict;
}

static void assert_certificate(const struct offered_key *offered, enum policy_reason reason)
{
    assert_int_equal(judge_certificate(offered, "abcdefghij_stg").reason, reason);
}

static void test_certificate(void **state)
{
    struct offered_key offered = certificate_of_alice();

    (void)state;
    assert_certificate(&offered, POLICY_AUTHORITY_UNKNOWN);
    accept_authority();
    assert_certificate(&offered, POLICY_GRANTED);
    assert_ptr_equal(judge_certificate(&offered, "abcdefghij_stg").key->user, &users[0]);
    assert_int_equal(judge_certificate(&offered, "abcdefghij_sftp").reason, POLICY_GRANTED);
    offered.ca[0] ^= 1;
    assert_certificate(&offered, POLICY_AUTHORITY_UNKNOWN);
    /* The key of a person, or an authority offered as a key, does not count as the other. */
    memcpy(offered.ca, keys[0].fingerprint, sizeof offered.ca);
    assert_certificate(&offered, POLICY_AUTHORITY_UNKNOWN);
    offered = certificate_of_alice();
    memcpy(offered.fingerprint, authority.fingerprint, sizeof offered.fingerprint);
    offered.certified = false;
    assert_certificate(&offered, POLICY_KEY_UNKNOWN);
    offered = certificate_of_alice();
    strcpy(offered.key_id, "u-9");
    assert_certificate(&offered, POLICY_CERTIFICATE_UNKNOWN);
    strcpy(offered.key_id, "");
    assert_certificate(&offered, POLICY_CERTIFICATE_UNKNOWN);
    offered = certificate_of_alice();
    users[0].role = DOCUMENT_ROLE_VIEWER;
    assert_certificate(&offered, POLICY_ROLE);
}

/* What is wrong with the certificate itself gets no line, so that the client goes on to its key,
 * also where nothing else would let the person in. */
static void test_certificate_faults(void **state)
{
    static const enum policy_reason reasons[] = {
        POLICY_CERTIFICATE_UNUSABLE, POLICY_CERTIFICATE_EARLY, POLICY_CERTIFICATE_EXPIRED};
    struct cloud_name name = named("abcdefghij_stg");

    (void)state;
    accept_authority();
    for (size_t i = 0; i < 3; i++) {
        struct offered_key offered = certificate_of_alice();
        const struct policy_visit visit = {NOW + (i == 1), NOW, NULL, &offered}; /* was ahead */
        offered.fault = i == 0 ? "it is bad" : NULL;
        offered.valid_after += i == 1 ? 61 : 0;
        offered.valid_before -= i == 2 ? 60 : 0;
        document.status = DOCUMENT_PAUSED; /* a reason that a key gets a line for */
        struct policy_verdict verdict = policy_login(&document, &name, &visit);
        assert_int_equal(verdict.reason, reasons[i]);
        assert_false(policy_gets_line(&document, &name, &verdict, &visit));
        document.status = DOCUMENT_ACTIVE;
        assert_certificate(&offered, reasons[i]);
    }
}

static void test_certificate_line(void **state)
{
    struct offered_key offered = certificate_of_alice();
    const struct policy_visit visit = {NOW, NOW, NULL, &offered};
    struct cloud_name name = named("abcdefghij");
    struct policy_verdict verdict;
    struct cloud_text text;
    char line[1024];

    (void)state;
    accept_authority();
    document.forwarding = (struct document_forwarding){0};
    for (int i = 0; i < 2; i++) {
        verdict = policy_login(&document, &name, &visit);
        cloud_text_start(&text, line, sizeof line);
        key_line_write(&document, &name, &verdict, &visit, &text);
        assert_string_equal(
            line, i == 0 ? "restrict,pty,cert-authority,principals=\"alice\" " ED25519_TYPE
                           " " ED25519_BASE64 " u-1"
                         : "restrict,command=\"/usr/sbin/nologin\",cert-authority,"
                           "principals=\"alice\" " ED25519_TYPE " " ED25519_BASE64 " u-1");
        document.status = DOCUMENT_PAUSED;
    }
}

/* Two entries with the id of the certificate: each has its line, as each is judged by its own. */
static void test_certificate_id_twice(void **state)
{
    struct offered_key offered = certificate_of_alice();
    struct policy_visit visit = {NOW, NOW, NULL, &offered};
    struct address_block office[1] = {block("192.0.2.0/24")};
    struct cloud_name name = named("abcdefghij");
    struct policy_verdict verdict;
    struct cloud_text text;
    char line[1024];

    (void)state;
    accept_authority();
    document.forwarding = (struct document_forwarding){0};
    users[2] = users[0];
    limit(&users[0].limits, office, 1);
    document.users = 3;
    verdict = policy_login(&document, &name, &visit);
    cloud_text_start(&text, line, sizeof line);
    key_line_write(&document, &name, &verdict, &visit, &text);
    assert_string_equal(line, "restrict,from=\"192.0.2.0/24\",pty,cert-authority,principals="
                              "\"alice\" " ED25519_TYPE " " ED25519_BASE64 " u-1\n"
                              "restrict,pty,cert-authority,principals=\"alice\" " ED25519_TYPE
                              " " ED25519_BASE64 " u-1");
    visit.from = "198.51.100.7";
    assert_ptr_equal(policy_login(&document, &name, &visit).key, &certified[2]);
}

/* An open session outlives its certificate, unless the setting says no. */
static void test_certificate_session(void **state)
{
    struct offered_key offered = certificate_of_alice(), open;
    struct policy_visit visit = {NOW + 60, NOW + 60, NULL, &open};
    struct cloud_name name = named("abcdefghij_stg");

    (void)state;
    accept_authority();
    conf.session_outlives_certificate = true;
    open = policy_session_key(&conf, &offered);
    assert_int_equal(policy_person(&document, &name, "u-1", &visit).reason, POLICY_GRANTED);
    assert_int_equal(policy_ends(&certified[0], &open), 0);
    conf.session_outlives_certificate = false;
    open = policy_session_key(&conf, &offered);
    assert_int_equal(policy_person(&document, &name, "u-1", &visit).reason,
                     POLICY_CERTIFICATE_EXPIRED);
    assert_int_equal(policy_ends(&certified[0], &open), NOW + 60);
    certified[0].limits.expires_at = NOW + 30;
    assert_int_equal(policy_ends(&certified[0], &open), NOW + 30);
}

static void test_require(void **state)
{
    struct offered_key offered = certificate_of_alice(), open;
    struct cloud_name name = named("abcdefghij_stg");
    const struct policy_visit visit = {NOW, NOW, NULL, &open};

    (void)state;
    accept_authority();
    require_mfa();
    assert_certificate(&offered, POLICY_MFA);
    offered.claims = (struct certificate_claims){NOW - 3600, 1, {"pwd"}};
    assert_certificate(&offered, POLICY_MFA);
    offered.claims = (struct certificate_claims){NOW - 3600, 2, {"pwd", "mfa"}};
    assert_certificate(&offered, POLICY_GRANTED);
    offered.claims.auth_time--;
    assert_certificate(&offered, POLICY_MFA);
    open = policy_session_key(&conf, &offered);
    assert_int_equal(policy_person(&document, &name, "u-1", &visit).reason, POLICY_GRANTED);
    document.require.max_age = DOCUMENT_NO_BOUND;
    assert_certificate(&offered, POLICY_GRANTED);
    offered.claims.auth_time = 0;
    assert_certificate(&offered, POLICY_MFA);
    offered.claims.auth_time = NOW + CERTIFICATE_EARLY;
    assert_certificate(&offered, POLICY_GRANTED);
    offered.claims.auth_time++;
    assert_certificate(&offered, POLICY_MFA);
    offered.claims.auth_time = NOW;
    document.require.amr[document.require.amrs++] = "hwk"; /* all of them */
    assert_certificate(&offered, POLICY_MFA);
    document.require = (struct document_require){.unread = true};
    assert_certificate(&offered, POLICY_ACCESS_OFF);
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_ACCESS_OFF);
}

/* A key alone is no MFA, and its line runs nothing; one that verifies the person is. */
static void test_require_key(void **state)
{
    struct offered_key offered = certificate_of_alice();
    const struct policy_visit visit = {NOW, NOW, NULL, &offered};
    struct cloud_name name = named("abcdefghij_stg");
    struct policy_verdict verdict = {POLICY_MFA, &keys[0]};

    (void)state;
    require_mfa();
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_MFA);
    assert_true(policy_gets_line(&document, &name, &verdict, &now_visit));
    accept_authority(); /* ssh(1) offers a certificate after the key */
    assert_false(policy_gets_line(&document, &name, &verdict, &now_visit));
    users[0].limits.expires_at = 1; /* for certificates, too */
    assert_true(policy_gets_line(&document, &name, &verdict, &now_visit));
    users[0].limits = NO_LIMITS;
    keys[0].verify = true;
    document.require.max_age = 0;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_GRANTED);
    document.require.amr[0] = "sso";
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_MFA);
    require_mfa();
    verdict = policy_login(&document, &name, &visit);
    assert_int_equal(verdict.reason, POLICY_MFA);
    assert_false(policy_gets_line(&document, &name, &verdict, &visit)); /* the key is next */
    users[0].role = DOCUMENT_ROLE_VIEWER;
    assert_int_equal(verdict_for("abcdefghij_stg"), POLICY_ROLE);
}

static void assert_shown(const char *expected)
{
    struct cloud_name name = named("abcdefghij_stg");
    char text[512];

    messages_for_pam(&(const struct message){POLICY_MFA, &document, &name, "abcdefghij_stg",
                                             &keys[0], NULL, NULL},
                     text, sizeof text);
    assert_int_equal(strncmp(text, "Error: Access denied\nParameters: ", 33), 0);
    assert_int_equal(strncmp(text + 33, expected, strlen(expected)), 0);
    assert_int_equal(strncmp(text + 33 + strlen(expected), "\nlog in again", 13), 0);
}

static void test_require_message(void **state)
{
    (void)state;
    require_mfa();
    assert_shown("{\"amr\":[\"mfa\"],\"max_age\":3600}");
    document.require.amr[document.require.amrs++] = "hwk";
    document.require.max_age = DOCUMENT_NO_BOUND;
    assert_shown("{\"amr\":[\"mfa\",\"hwk\"]}");
    document.require.amrs = 0;
    document.require.max_age = 0;
    assert_shown("{\"max_age\":0}");
}

static void test_certificate_denied(void **state)
{
    static struct denial_list *list;
    static struct denials denials;
    struct offered_key offered = certificate_of_alice(), other = offered;

    (void)state;
    accept_authority();
    other.serial = 8;
    list = calloc(1, sizeof *list + sizeof list->denial[0]);
    assert_non_null(list);
    list->n = 1;
    denials.list = list;
    document.denials = &denials;
    list->denial[0] = (struct denial){.kind = DENIAL_CERTIFICATE, .serial = 7};
    memcpy(list->denial[0].fingerprint, authority.fingerprint, KEY_FINGERPRINT_SIZE);
    assert_certificate(&offered, POLICY_DENIED);
    assert_certificate(&other, POLICY_GRANTED);
    list->denial[0].kind = DENIAL_KEY; /* the authority's */
    assert_certificate(&other, POLICY_DENIED);
    memcpy(list->denial[0].fingerprint, offered.fingerprint, KEY_FINGERPRINT_SIZE);
    assert_certificate(&other, POLICY_DENIED); /* the certified key's */
    list->denial[0].fingerprint[0] ^= 1;
    assert_certificate(&other, POLICY_GRANTED);
    document.denials = NULL;
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_status, setup),
        cmocka_unit_test_setup(test_roles, setup),
        cmocka_unit_test_setup(test_expiry, setup),
        cmocka_unit_test_setup(test_unknown_key, setup),
        cmocka_unit_test_setup(test_shared_key, setup),
        cmocka_unit_test_setup(test_better_key, setup),
        cmocka_unit_test_setup(test_who_gets_a_line, setup),
        cmocka_unit_test_setup(test_apps, setup),
        cmocka_unit_test_setup(test_services, setup),
        cmocka_unit_test_setup(test_key_lines, setup),
        cmocka_unit_test_setup(test_key_line_grants, setup),
        cmocka_unit_test_setup(test_from, setup),
        cmocka_unit_test_setup(test_from_lines, setup),
        cmocka_unit_test_setup(test_verify_lines, setup),
        cmocka_unit_test_setup(test_unverified, setup),
        cmocka_unit_test_setup(test_shared_from, setup),
        cmocka_unit_test_setup(test_windows, setup),
        cmocka_unit_test_setup(test_refused_line, setup),
        cmocka_unit_test_setup(test_line_that_does_not_fit, setup),
        cmocka_unit_test_setup(test_details, setup),
        cmocka_unit_test_setup(test_person, setup),
        cmocka_unit_test_setup(test_rules, setup),
        cmocka_unit_test_setup(test_messages, setup),
        cmocka_unit_test_setup(test_tokens, setup),
        cmocka_unit_test_setup(test_certificate, setup),
        cmocka_unit_test_setup(test_certificate_faults, setup),
        cmocka_unit_test_setup(test_certificate_line, setup),
        cmocka_unit_test_setup(test_certificate_id_twice, setup),
        cmocka_unit_test_setup(test_certificate_session, setup),
        cmocka_unit_test_setup(test_require, setup),
        cmocka_unit_test_setup(test_require_key, setup),
        cmocka_unit_test_setup(test_require_message, setup),
        cmocka_unit_test_setup(test_certificate_denied, setup),
        cmocka_unit_test_setup(test_usable, setup),
        cmocka_unit_test_setup(test_hosts, setup),
    };

    return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
