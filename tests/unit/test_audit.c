/* SPDX-License-Identifier: Apache-2.0 */

/* The audit line, and a parser of it as a reader of the log would write it. */
#include "access/keys.h"
#include "base/log.h"
#include "cloudauthd/audit/audit.h"
#include "common/text.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

static char line[AUDIT_LINE_MAX];
static char logged[AUDIT_LINE_MAX];
static int logged_priority;
static unsigned logged_lines;

/* Replaces base/log.c, which would send the line. */
void log_write(int priority, const char *text)
{
    snprintf(logged, sizeof logged, "%s", text);
    logged_priority = priority;
    logged_lines++;
}

void log_at(int level, const char *format, ...)
{
    (void)level;
    (void)format;
}

static const struct offered_key a_key;
#define PRINT "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct audit full(void)
{
    return (struct audit){.granted = true,
                          .account = "abcdefghij_stg",
                          .kind = "shell",
                          .project = "abcdefghij",
                          .environment = "staging",
                          .app = "",
                          .user = "alice",
                          .role = "contributor",
                          .offered = &a_key,
                          .from = "192.0.2.7",
                          .service = "sshd",
                          .reason = "granted",
                          .source = "api",
                          .age = 0};
}

static const char *format(const struct audit *audit)
{
    size_t n = audit_format(audit, line, sizeof line);

    assert_int_equal(n, strlen(line));
    return line;
}

static void test_grant(void **state)
{
    struct audit audit = full();

    (void)state;
    assert_string_equal(format(&audit),
                        "grant account=abcdefghij_stg kind=shell project=abcdefghij "
                        "environment=staging app= user=alice role=contributor key=" PRINT
                        " from=192.0.2.7 service=sshd reason=granted source=api age=0");
}

static void test_certificate(void **state)
{
    const struct offered_key offered = {.certified = true, .serial = UINT64_MAX};
    struct audit audit = full();
    char subject[AUDIT_SUBJECT_MAX];

    (void)state;
    audit.offered = &offered;
    assert_non_null(strstr(format(&audit),
                           " role=contributor key=" PRINT " cert=18446744073709551615 ca=" PRINT
                           " from=192.0.2.7 "));
    audit_format_subject(&audit, subject);
    assert_non_null(strstr(subject, " key=" PRINT " cert=18446744073709551615 ca=" PRINT));
}

static void test_refusal(void **state)
{
    struct audit audit = full();

    (void)state;
    audit.granted = false;
    audit.account = "abcdefghij-smith-a12b34c--mymagento--queue";
    audit.environment = "smith-a12b34c";
    audit.app = "mymagento";
    audit.worker = "queue";
    audit.from = "2001:db8::1";
    audit.reason = "role-too-low";
    audit.source = "cache";
    audit.age = 3599;
    assert_string_equal(format(&audit),
                        "refuse account=abcdefghij-smith-a12b34c--mymagento--queue kind=shell "
                        "project=abcdefghij environment=smith-a12b34c app=mymagento--queue "
                        "user=alice role=contributor key=" PRINT
                        " from=2001:db8::1 service=sshd reason=role-too-low source=cache age=3599");
}

static void test_unproved(void **state)
{
    struct audit audit = {.account = "abcdefghij",
                          .offered = &a_key,
                          .service = "sshd",
                          .reason = "key-unknown",
                          .source = "none",
                          .age = AUDIT_NO_AGE,
                          .unproved = true};

    (void)state;
    assert_string_equal(format(&audit),
                        "refuse account=abcdefghij kind= project= environment= app= "
                        "user= role= key=" PRINT " from= service=sshd "
                        "reason=key-unknown source=none age= proof=none");
}

static void test_detail(void **state)
{
    struct audit audit = {.account = "abcdefghij",
                          .user = "bob",
                          .reason = "key-unknown",
                          .age = AUDIT_NO_AGE,
                          .unproved = true,
                          .detail = "key of bob: admin in staging"};

    (void)state;
    assert_string_equal(format(&audit),
                        "refuse account=abcdefghij kind= project= environment= app= user=bob role= "
                        "key= from= service= reason=key-unknown source= age= proof=none "
                        "detail=\"key of bob: admin in staging\"");
    audit.detail = "";
    assert_null(strstr(format(&audit), "detail"));
}

/* The line of a session that is over; a notice if cloudauthd ended it. */
static void test_session(void **state)
{
    struct audit audit = full();

    (void)state;
    audit.event = "end";
    audit.reason = "key-unknown";
    audit.session = "0123456789abcdef";
    audit.pid = 4711;
    assert_string_equal(format(&audit),
                        "end account=abcdefghij_stg kind=shell project=abcdefghij "
                        "environment=staging app= user=alice role=contributor key=" PRINT
                        " from=192.0.2.7 service=sshd reason=key-unknown source=api age=0 "
                        "pid=4711 session=0123456789abcdef");
    audit_write(&audit);
    assert_int_equal(logged_priority, LOG_AUTHPRIV | LOG_NOTICE);
    audit.event = "close";
    audit_write(&audit);
    assert_memory_equal(logged, "close account=", 14);
    assert_int_equal(logged_priority, LOG_AUTHPRIV | LOG_INFO);
}

static void test_nothing_known(void **state)
{
    struct audit audit = {.age = AUDIT_NO_AGE};

    (void)state;
    assert_string_equal(format(&audit), "refuse account= kind= project= environment= app= user= "
                                        "role= key= from= service= reason= source= age=");
}

static void test_written(void **state)
{
    struct audit audit = full();

    (void)state;
    logged_lines = 0;
    audit.user = "100%s %n";
    audit_write(&audit);
    assert_int_equal(logged_lines, 1);
    assert_int_equal(logged_priority, LOG_AUTHPRIV | LOG_INFO);
    assert_string_equal(logged, format(&audit));
    audit.granted = false;
    audit_write(&audit);
    assert_int_equal(logged_priority, LOG_AUTHPRIV | LOG_NOTICE);
}

/* ---- The parser ---- */

#define FIELDS 14

static const char *const names[FIELDS] = {"account", "kind",   "project", "environment", "app",
                                          "user",    "role",   "key",     "from",        "service",
                                          "reason",  "source", "age",     "proof"};

struct parsed {
    size_t n;
    char value[FIELDS][2048];
};

static unsigned hex_digit(char c)
{
    const char *at = strchr("0123456789abcdef", c);

    assert_true(c != '\0' && at != NULL);
    return (unsigned)(at - "0123456789abcdef") & 15;
}

/* Reads a value up to the next space, and removes quotes and escapes. */
static const char *read_value(const char *at, char *out)
{
    bool quoted = *at == '"';

    if (!quoted)
        while (*at != ' ' && *at != '\0')
            *out++ = *at++;
    else
        for (at++; *at != '"'; at++) {
            assert_int_not_equal(*at, '\0');
            if (*at != '\\') {
                *out++ = *at;
            } else if (*++at == 'x') {
                *out++ = (char)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
                at += 2;
            } else {
                *out++ = *at;
            }
        }
    *out = '\0';
    return at + quoted;
}

/* The line must have exactly the fields of the format, in their order. */
static struct parsed *parse(const char *at)
{
    static struct parsed parsed;

    parsed.n = 0;
    at += strcspn(at, " ");
    while (*at == ' ') {
        assert_true(parsed.n < FIELDS);
        size_t length = strlen(names[parsed.n]);
        assert_memory_equal(at + 1, names[parsed.n], length);
        assert_int_equal(at[1 + length], '=');
        at = read_value(at + 1 + length + 1, parsed.value[parsed.n++]);
    }
    assert_int_equal(*at, '\0');
    return &parsed;
}

/* Each member that a client or the API can fill, and its name in the line. */
static const struct {
    size_t offset, place;
} members[] = {
    {offsetof(struct audit, account), 0}, {offsetof(struct audit, kind), 1},
    {offsetof(struct audit, project), 2}, {offsetof(struct audit, environment), 3},
    {offsetof(struct audit, app), 4},     {offsetof(struct audit, user), 5},
    {offsetof(struct audit, role), 6},    {offsetof(struct audit, from), 8},
    {offsetof(struct audit, service), 9}, {offsetof(struct audit, reason), 10},
    {offsetof(struct audit, source), 11},
};

#define MEMBERS (sizeof members / sizeof members[0])

static void set(struct audit *audit, size_t member, const char *value)
{
    memcpy((char *)audit + members[member].offset, &value, sizeof value);
}

static void check_evil(size_t member, const char *evil)
{
    struct audit audit = full();

    set(&audit, member, evil);
    format(&audit);
    for (const char *at = line; *at != '\0'; at++)
        assert_in_range(*at, ' ', '~');
    const struct parsed *parsed = parse(line);
    assert_int_equal(parsed->n, FIELDS - 1);
    assert_string_equal(parsed->value[members[member].place], evil);
    if (members[member].place != 10)
        assert_string_equal(parsed->value[10], "granted");
    assert_string_equal(parsed->value[12], "0");
}

static void test_injection(void **state)
{
    static const char *const evil[] = {
        "alice reason=granted",
        "alice\" reason=granted \"",
        "\" reason=granted source=api age=0",
        "\\\" reason=granted",
        "\\",
        "\"",
        " ",
        "alice\ngrant account=root",
        "alice\r\ngrant",
        "\x1b]0;title\x07",
        "alice\x7f",
        "\xe2\x80\xa8line separator",
        "\xff\xfe",
        "=",
        "proof=none",
        "\\x0a",
    };

    (void)state;
    for (size_t member = 0; member < MEMBERS; member++)
        for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++)
            check_evil(member, evil[i]);
}

/* No value is so long that another one, or proof=none, does not fit. */
static void test_long_values(void **state)
{
    static char plain[4000], odd[4000];
    struct audit audit = full();

    (void)state;
    memset(plain, 'p', sizeof plain - 1);
    memset(odd, '\n', sizeof odd - 1);
    audit.unproved = true;
    for (size_t member = 0; member < MEMBERS; member++)
        if (members[member].place != 10)
            set(&audit, member, member % 2 == 0 ? plain : odd);
    const struct parsed *parsed = parse(format(&audit));
    assert_int_equal(parsed->n, FIELDS);
    assert_string_equal(parsed->value[0], "");
    assert_string_equal(parsed->value[7], PRINT);
    assert_string_equal(parsed->value[10], "granted");
    assert_string_equal(parsed->value[13], "none");
}

static void test_longest_values(void **state)
{
    static char most[CLOUD_TEXT_VALUE_MAX + 1];
    struct audit audit = full();

    (void)state;
    memset(most, 'm', sizeof most - 1);
    audit.worker = most;
    audit.unproved = true;
    for (size_t member = 0; member < MEMBERS; member++)
        set(&audit, member, most);
    const struct parsed *parsed = parse(format(&audit));
    assert_int_equal(parsed->n, FIELDS);
    assert_string_equal(parsed->value[11], most);
    assert_string_equal(parsed->value[13], "none");
}

/* With less space the line has the first fields of the complete one, within bounds. */
static void test_every_size(void **state)
{
    struct audit audit = full();
    char *out;

    (void)state;
    audit.user = "a \"b\"";
    for (size_t size = 1; size < 320; size++) {
        out = malloc(size);
        assert_non_null(out);
        size_t n = audit_format(&audit, out, size);
        assert_true(n < size);
        assert_int_equal(n, strlen(out));
        free(out);
    }
}

/* ---- Offers ---- */

static int64_t now = 1000000; /* never set back: the offers are kept from test to test */

/* Whether an offer gets a line: for abcdefghij, of production; for abcdefghij_stg, or
 * abcdefghij-ENVIRONMENT[--APP]; or for a name without a project. */
static bool offered(const char *account, unsigned key)
{
    unsigned char print[KEY_FINGERPRINT_SIZE] = {0};
    char environment[128] = "";
    const char *rest = strncmp(account, "abcdefghij", 10) == 0 ? account + 10 : NULL;
    const char *app = strstr(account, "--");

    if (rest != NULL && rest[0] == '-')
        snprintf(environment, sizeof environment, "%.*s", app == NULL ? 64 : (int)(app - rest - 1),
                 rest + 1);
    else if (rest != NULL)
        strcpy(environment, strncmp(rest, "_stg", 4) == 0 ? "staging" : "production");
    memcpy(print + 8, &key, sizeof key);
    const struct audit audit = {.account = account,
                                .project = rest == NULL ? "" : "abcdefghij",
                                .environment = environment};
    return audit_take_offer(&audit, print, now);
}

static int let_offers_pass(void **state)
{
    (void)state;
    now += 10 * 60000;
    return 0;
}

static void test_offer_once_a_minute(void **state)
{
    (void)state;
    assert_true(offered("abcdefghij", 1));
    assert_false(offered("abcdefghij", 1));
    now += 59999;
    assert_false(offered("abcdefghij", 1));
    now += 1; /* a minute after it was written, not after it was last offered */
    assert_true(offered("abcdefghij", 1));
    assert_false(offered("abcdefghij", 1));
}

static void test_offers_apart(void **state)
{
    (void)state;
    assert_true(offered("abcdefghij", 1));
    assert_true(offered("abcdefghij", 2));
    assert_true(offered("abcdefghij_stg", 1));
    assert_false(offered("abcdefghij", 2));
    assert_false(offered("abcdefghij_stg", 1));
}

/* One line tells how many have none, a minute after the first of those. */
static void test_offer_flood(void **state)
{
    unsigned written = 0;

    (void)state;
    logged_lines = 0;
    for (unsigned key = 0; key < 1000; key++)
        written += offered("abcdefghij", key);
    assert_int_equal(written, AUDIT_OFFERS);
    assert_false(
        offered("abcdefghij", 0)); /* the first of them is not forgotten, nor counted again */
    assert_true(offered("abcdefghij_sftp", 5000)); /* another kind is not concerned */
    now += 59999;
    audit_tell_omitted(now);
    assert_int_equal(logged_lines, 0);
    now += 1;
    audit_tell_omitted(now);
    audit_tell_omitted(now);
    assert_int_equal(logged_lines, 1);
    assert_int_equal(logged_priority, LOG_AUTHPRIV | LOG_NOTICE);
    assert_string_equal(
        logged, "omit account=abcdefghij kind=shell project=abcdefghij environment=production "
                "app= user= role= key= from= service=sshd reason= source= age= proof=none "
                "detail=\"936 more refused offers of keys\"");
    assert_true(offered("abcdefghij", 0));
    audit_tell_omitted(INT64_MAX);
    assert_int_equal(logged_lines, 1);
}

/* Where a document lists no applications, each name of one exists: their offers share one bound. */
static void test_offers_of_applications(void **state)
{
    char account[64];
    unsigned written = 0;

    (void)state;
    logged_lines = 0;
    assert_true(offered("abcdefghij-main--one", 1));
    assert_true(offered("abcdefghij-main--two", 1)); /* a line for each name */
    assert_false(offered("abcdefghij-main--one", 1));
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(account, sizeof account, "abcdefghij-main--app%u", i);
        written += offered(account, 1);
    }
    assert_int_equal(written, AUDIT_OFFERS - 2);
    assert_true(offered("abcdefghij-other--one", 1));
    audit_tell_omitted(INT64_MAX);
    assert_int_equal(logged_lines, 1);
    assert_non_null(strstr(logged, "omit account=abcdefghij-main--app62 kind=shell "
                                   "project=abcdefghij environment=main app= "));
    assert_non_null(strstr(logged, "\"938 more refused offers of keys\""));
}

/* An account whose offers are forgotten for those of others, or at the end, has its line, too. */
static void test_omitted_then_forgotten(void **state)
{
    char account[32];

    (void)state;
    logged_lines = 0;
    for (unsigned key = 0; key < AUDIT_OFFERS + 7; key++)
        offered("abcdefghij", key);
    for (unsigned i = 0; i < AUDIT_ENVIRONMENTS; i++) {
        now++;
        snprintf(account, sizeof account, "abcdefghij-x%u", i);
        assert_true(offered(account, 1));
    }
    assert_int_equal(logged_lines, 1);
    assert_non_null(strstr(logged, "omit account=abcdefghij "));
    assert_non_null(strstr(logged, "\"7 more "));
    for (unsigned key = 0; key < AUDIT_OFFERS + 1; key++)
        offered("abcdefghij", key);
    audit_tell_omitted(INT64_MAX);
    assert_int_equal(logged_lines, 2);
    assert_non_null(strstr(logged, "\"1 more "));
}

static void test_offer_for_a_long_name(void **state)
{
    static char name[4000];

    (void)state;
    memset(name, 'n', sizeof name - 1);
    assert_false(offered(name, 1));
    name[128] = '\0';
    assert_true(offered(name, 1));
    assert_false(offered(name, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grant),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_unproved),
        cmocka_unit_test(test_detail),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_longest_values),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test_setup(test_offer_once_a_minute, let_offers_pass),
        cmocka_unit_test_setup(test_offers_apart, let_offers_pass),
        cmocka_unit_test_setup(test_offer_flood, let_offers_pass),
        cmocka_unit_test_setup(test_offers_of_applications, let_offers_pass),
        cmocka_unit_test_setup(test_omitted_then_forgotten, let_offers_pass),
        cmocka_unit_test_setup(test_offer_for_a_long_name, let_offers_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
