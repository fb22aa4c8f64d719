/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Access documents of project abcdefghij, environment staging: bytes, and documents made by a
 * grammar, which are valid but for one odd member. A document that is taken must be whole: its keys
 * found, its strings terminated, its forwards fit for a key line; and what it grants
 * must be what it says.
 */
#include "access/fields.h"
#include "access/key_line.h"
#include "common/conf.h"
#include "common/wire.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#define LINES_SIZE 131072

static void check_forwards(const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        require(fields_forward(list[i]) || fields_forward_any(list[i]));
}

static void check_keys(const struct document *document)
{
    for (size_t i = 0; i < document->keys; i++) {
        const struct document_key *key = &document->key[i];
        const struct document_key *first = document_find_key(document, key->fingerprint, NULL);
        require(first != NULL && first <= key && strpbrk(key->base64, " \"\n") == NULL);
        require(memcmp(first->fingerprint, key->fingerprint, KEY_FINGERPRINT_SIZE) == 0);
        require(key->user >= document->user && key->user < document->user + document->users);
        require(strlen(key->title) <= DOCUMENT_STRING_MAX);
    }
}

static void check(const struct document *document)
{
    static const unsigned char none[KEY_FINGERPRINT_SIZE];

    require(strcmp(document->project, "abcdefghij") == 0);
    require(strcmp(document->environment, "staging") == 0);
    if (document->status == DOCUMENT_DELETED)
        return;
    require(document->home[0] == '/' && strpbrk(document->home, ":\n") == NULL);
    require(document->shell[0] == '/' && strpbrk(document->shell, ": \n") == NULL);
    require(strpbrk(document->gecos, ":\n") == NULL);
    check_forwards(document->forwarding.local, document->forwarding.locals);
    check_forwards(document->forwarding.remote, document->forwarding.remotes);
    check_keys(document);
    for (size_t i = 0; i < document->authorities; i++)
        require(document_find_authority(document, document->authority[i].fingerprint) != NULL ||
                document->users == 0);
    require(document_find_key(document, none, NULL) == NULL);
    require(document_find_authority(document, none) == NULL);
    for (size_t i = 0; i < document->apps; i++)
        require(document_find_app(document, document->app[i].name) == &document->app[i]);
    for (size_t i = 0; i < document->warnings && i < DOCUMENT_WARNINGS_MAX; i++)
        require(document->warning[i] != NULL && document->warning[i][0] != '\0');
}

/* ---- Logins ---- */

/* What sshd is given: each line is restricted, and has the key that was offered. */
static void check_lines(const struct document *document, const struct cloud_name *name,
                        const struct policy_verdict *verdict, const struct policy_visit *visit)
{
    static char lines[LINES_SIZE];
    struct cloud_text out;
    bool verify;

    cloud_text_start(&out, lines, 700); /* space for the first lines alone: it is said */
    (void)key_line_write(document, name, verdict, visit, &out);
    require(out.cut || strlen(lines) == out.used);
    cloud_text_start(&out, lines, sizeof lines);
    verify = key_line_write(document, name, verdict, visit, &out);
    if (out.cut)
        return; /* more people have the key than sshd is told */
    require(out.used > 0);
    for (char *line = lines, *end; line != NULL; line = end) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        require(strncmp(line, "restrict", 8) == 0 && strstr(line, verdict->key->base64) != NULL);
        require(!cloud_text_has_control(line));
        require((strstr(line, ",verify-required") != NULL) == verify);
        require(verdict->reason == POLICY_GRANTED || strstr(line, POLICY_NOLOGIN) != NULL);
    }
}

static void check_login(const struct document *document, const struct cloud_name *name,
                        const struct offered_key *offered)
{
    const struct policy_visit visit = {.now = 1790000000, .wall = 1790000000, .offered = offered};
    struct policy_verdict verdict = policy_login(document, name, &visit);
    struct policy_rule_verdict rule[POLICY_RULES];

    require(verdict.key == NULL || verdict.key->user != NULL);
    require(verdict.reason != POLICY_REFUSED);
    if (verdict.reason == POLICY_GRANTED) {
        require(document->status == DOCUMENT_ACTIVE || document->status == DOCUMENT_DIRTY);
        require(memcmp(verdict.key->fingerprint,
                       offered->certified ? offered->ca : offered->fingerprint,
                       KEY_FINGERPRINT_SIZE) == 0);
        require(verdict.key->user->role != DOCUMENT_ROLE_UNKNOWN);
        require(policy_level(document, name) != DOCUMENT_LEVEL_NONE);
        require(policy_app_exists(document, name));
        policy_rules(document, name, verdict.key, &visit, rule);
        for (size_t i = 0; i < POLICY_RULES; i++)
            require(rule[i].reason == POLICY_GRANTED);
    }
    if (verdict.key != NULL && policy_gets_line(document, name, &verdict, &visit))
        check_lines(document, name, &verdict, &visit);
}

static void check_app_logins(const struct document *document, struct cloud_name *name,
                             const struct offered_key *offered)
{
    char mounts[CLOUD_WIRE_MOUNTS_SIZE];

    check_login(document, name, offered);
    strcpy(name->app, "app");
    check_login(document, name, offered);
    name->app[0] = '\0';
    (void)policy_mounts(document, name, mounts, sizeof mounts);
}

static void check_logins(const struct document *document)
{
    static const char *const logins[] = {"abcdefghij_stg", "abcdefghij_stg_sftp"};
    static struct cloud_conf conf;
    struct cloud_conf_error error;
    struct cloud_name name;
    struct offered_key offered;
    const char *why;

    if (conf.uid_max == 0) {
        cloud_conf_defaults(&conf);
        require(cloud_conf_line(&conf, "allow = *", 9, &error));
    }
    for (size_t i = 0; i < document->keys && i < 4; i++) {
        const struct document_key *key = &document->key[i];
        require(offered_key_parse(key_bytes_of(key->type, strlen(key->type)),
                                  key_bytes_of(key->base64, strlen(key->base64)), NULL, &offered,
                                  &why));
        for (size_t n = 0; n < sizeof logins / sizeof logins[0]; n++) {
            require(cloud_name_parse(&conf.grammar, logins[n], &name));
            check_app_logins(document, &name, &offered);
        }
    }
    require(cloud_name_parse(&conf.grammar, logins[0], &name));
    for (size_t i = 0; i < document->authorities && document->users > 0; i++) {
        memset(&offered, 0, sizeof offered);
        memcpy(offered.ca, document->authority[i].fingerprint, sizeof offered.ca);
        offered.certified = true;
        offered.valid_before = INT64_MAX;
        strcpy(offered.key_id, document->user[i % document->users].id);
        strcpy(offered.principal, "principal");
        check_app_logins(document, &name, &offered);
    }
}

/* Without memory there is no document. */
static void check_memory(const uint8_t *data, size_t size)
{
    struct document_problem problem;
    bool failed = true;

    for (unsigned n = 1; failed; n++) {
        fuzz_fail(n);
        struct document *document = document_parse(data, size, "abcdefghij", "staging", &problem);
        failed = fuzz_failed();
        require((document == NULL) == failed);
        require(!failed || strcmp(problem.text, "the document: out of memory") == 0);
        document_free(document);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct document_problem problem = {""};
    struct document *document = document_parse(data, size, "abcdefghij", "staging", &problem);
    struct document *own = document_parse(data, size, DOCUMENT_ANY, DOCUMENT_ANY, &problem);

    require(own != NULL || document == NULL);
    if (own != NULL)
        require(cloud_name_project_ok(own->project) && cloud_name_environment_ok(own->environment));
    if (document != NULL) {
        check(document);
        if (document->status != DOCUMENT_DELETED)
            check_logins(document);
        check_memory(data, size);
    }
    require(document_parse(data, DOCUMENT_SIZE_MAX + 1, "abcdefghij", "staging", &problem) == NULL);
    document_free(own);
    document_free(document);
    return 0;
}

/* ---- The grammar ---- */

/*
 * <name:value~value> is a member with one of the values, <:value~value> such an element. A value
 * may have choices within it.
 */
#define KEY1 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0NEGX2VINHJWVz5VCyd1iOPGncvy8oNOXuYVf6VT6M"
#define KEY2 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIABu12Mp6SIoQwcMDdPpG+R/9ZEWePNLDdciLV/2pT0G"
#define TIMES                                                                                      \
    "<not_before:null~\"2026-01-01T00:00:00Z\"~\"2036-01-01T00:00:00.5+14:00\">,"                  \
    "<expires_at:null~\"2036-12-31T23:59:60Z\"~\"2026-01-01T00:00:00Z\"~\"9999-12-31T23:59:59-"    \
    "23:59\">,<from:null~[]~[<:\"192.0.2.0/24\"~\"2001:db8::/32\"~\"192.0.2.1\">]>"
#define FORWARDS                                                                                   \
    "{<local:[]~[<:\"db.internal:3306\"~\"[::1]:80\"~\"localhost:*\"~\"1.2.3.4:65535\">]>,"        \
    "<remote:[]~[<:\"localhost:9000\"~\"127.0.0.1:*\">]>,<agent:true~false>}"
#define LEVELS                                                                                     \
    "{<ssh:\"viewer\"~\"contributor\"~\"admin\"~\"none\"~\"new\">,"                                \
    "<sftp:\"viewer\"~\"contributor\"~\"none\">,"                                                  \
    "<require:null~{}~{<amr:[\"mfa\"]~[\"pwd\",\"otp\"]>,<max_age:1~3600>}>}"
#define USER(id, key)                                                                              \
    "{<id:\"" id "\"~7>,<username:\"alice\"~\"b\">,<mail:\"a@example.com\"~null>,"                 \
    "<role:\"admin\"~\"contributor\"~\"viewer\"~\"sftp\"~\"new\">,<grant:null~\"contract\">"       \
    "," TIMES ",<ssh_keys:[]~[<:{<key_id:71~\"x\">,<title:\"laptop\">,<verify:true~false>," TIMES  \
    ",<value:\"" key "\"~\"" key " me@laptop\"~\"ssh-dss AAAA\">}>]>}"
static const char grammar[] =
    "{<version:1>,<project:\"abcdefghij\">,<environment:{<name:\"staging\">,<type:\"staging\">,"
    "<status:\"active\"~\"dirty\"~\"active\"~\"paused\"~\"inactive\"~\"deleting\"~\"new\"~"
    "\"deleted\">,<title:\"Staging\">}>,<account:{<uid:70002~2147483646>,<gid:70002>,"
    "<gecos:\"abcdefghij staging\">,<home:\"/app/abcdefghij_stg\">,<shell:\"/bin/bash\">}>,"
    "<access:" LEVELS ">,<session:null~{<max_seconds:60~43200>,<idle_seconds:null~3600>}>,"
    "<forwarding:null~" FORWARDS ">,<sftp:null~{<mounts:[<:{<path:\"pub/media\"~\"\"~\"a/../b\">,"
    "<writable:true~false>}>,<:{<path:\"pub\"~\"var/log\">}>]>}>,<apps:null~{}~{<app:{}~{<access:"
    "{<ssh:\"admin\"~\"none\">}>,<home:\"/app/x\">,<forwarding:" FORWARDS
    ">}>}>,<users:[]~[<:" USER("u-1", KEY1) ">]~[<:" USER("u-1", KEY1) ">,<:" USER(
        "u-2",
        KEY1) "~" USER("u-2",
                       KEY2) ">]>,<certificate_authorities:null~[<:{<title:\"ca\">,<value:\"" KEY2
                             "\">}>]>,"
                             "<message:null~\"Deploys are frozen.\">,<hosts:null~[]~[<:\"web1\">]>,"
                             "<issued_at:\"2026-11-22T10:00:00Z\">,<max_stale_seconds:0~3600~"
                             "4294967294>}";

struct maker {
    char *out;
    size_t used, size;
    uint32_t random;
    unsigned choices, odd; /* how many were met, and which of them is the odd one */
};

static uint32_t next(struct maker *maker, uint32_t below)
{
    maker->random = maker->random * 1664525u + 1013904223u;
    return (maker->random >> 8) % below;
}

static void put(struct maker *maker, const char *text, size_t n)
{
    if (n > maker->size - maker->used)
        n = maker->size - maker->used;
    memcpy(maker->out + maker->used, text, n);
    maker->used += n;
}

/* The end of the choice at `at`, or of one value of it. */
static const char *skip(const char *at, bool one)
{
    for (unsigned depth = 0;; at++) {
        if (depth == 0 && (*at == '>' || (one && *at == '~')))
            return at;
        depth += *at == '<';
        depth -= *at == '>';
    }
}

static void put_odd(struct maker *maker)
{
    static const char *const odd[] = {"null",
                                      "true",
                                      "0",
                                      "-1",
                                      "1.5",
                                      "1e400",
                                      "4294967296",
                                      "99999999999999999999",
                                      "\"\"",
                                      "\" \"",
                                      "[]",
                                      "{}",
                                      "[[]]",
                                      "[null]",
                                      "{\"\":0}",
                                      "\"\\u0000\"",
                                      "\"\\u001b[2J\"",
                                      "\"a\\nb\"",
                                      "\"\\\"\"",
                                      "\"\\ud800\"",
                                      "\"/\"",
                                      "\"../x\"",
                                      "\"root\"",
                                      "\"a,b\"",
                                      "\"*\"",
                                      "\"0.0.0.0/0\"",
                                      "\"0000-00-00T00:00:00Z\"",
                                      "\"\xff\"",
                                      "tru",
                                      "\"" KEY1 "\\n" KEY2 "\""};
    const char *text = odd[next(maker, sizeof odd / sizeof odd[0])];

    put(maker, text, strlen(text));
}

static void put_value(struct maker *maker, const char *from, const char *end);

/* One value of a choice's, which begin at `values`. */
static void put_one(struct maker *maker, const char *values, bool odd)
{
    uint32_t n = 1, wanted;
    const char *end;

    if (odd) {
        put_odd(maker);
        return;
    }
    for (end = skip(values, true); *end == '~'; end = skip(end + 1, true))
        n++;
    for (wanted = next(maker, n); wanted > 0; wanted--)
        values = skip(values, true) + 1;
    put_value(maker, values, skip(values, true));
}

/* Puts a member or an element: the odd one has another value, another name, or is there twice. */
static void put_choice(struct maker *maker, const char *at)
{
    const char *colon = strchr(at, ':');
    bool odd = maker->choices++ == maker->odd;
    uint32_t how = odd ? next(maker, 8) : 1;

    for (int times = how == 0 ? 2 : 1; times > 0; times--) {
        if (colon > at) {
            put(maker, "\"", 1);
            put(maker, at, (size_t)(colon - at) - (how == 2));
            put(maker, "\":", 2);
        }
        put_one(maker, colon + 1, how > 2);
        put(maker, ",", times == 2);
    }
}

static void put_value(struct maker *maker, const char *from, const char *end)
{
    for (; from < end; from++) {
        if (*from == '<') {
            put_choice(maker, from + 1);
            from = skip(from + 1, false);
        } else {
            put(maker, from, 1);
        }
    }
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
    struct maker maker = {.out = (char *)data, .size = room, .random = seed};

    if (next(&maker, 2) == 0)
        return LLVMFuzzerMutate(data, size, room);
    maker.odd = next(&maker, 120);
    put_value(&maker, grammar, grammar + sizeof grammar - 1);
    return maker.used;
}
