/* SPDX-License-Identifier: Apache-2.0 */
#include "access/document.h"

#include "access/envelope.h"
#include "access/fields.h"
#include "access/json.h"
#include "tests/unit/sample_certificates.h"
#include "tests/unit/sample_keys.h"
#include "tests/unit/support.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROJECT     "abcdefghij"
#define ENVIRONMENT "staging"
#define KEY_VALUE   ED25519_TYPE " " ED25519_BASE64 " alice@laptop"
#define KEY_OBJECT                                                                                 \
    "{\"key_id\": 71, \"title\": \"laptop\", \"value\": \"" KEY_VALUE                              \
    "\", \"expires_at\": \"2027-01-01T00:00:00Z\"}"

/* The document of docs/api.md, with real keys, two apps, and nothing after its last brace. */
static const char sample[] =
    "{\n"
    "  \"version\": 1,\n"
    "  \"project\": \"abcdefghij\",\n"
    "  \"environment\": {\"name\": \"staging\", \"type\": \"staging\", \"status\": \"active\","
    " \"title\": \"Staging\"},\n"
    "  \"account\": {\"uid\": 200002, \"gid\": 200003, \"gecos\": \"abcdefghij staging\","
    " \"home\": \"/app/abcdefghij_stg\", \"shell\": \"/bin/bash\"},\n"
    "  \"access\": {\"ssh\": \"contributor\", \"sftp\": \"viewer\"},\n"
    "  \"forwarding\": {\n"
    "    \"local\":  [\"database.internal:3306\", \"redis.internal:6379\", \"localhost:15672\"],\n"
    "    \"remote\": [\"localhost:9000\"],\n"
    "    \"agent\":  false\n"
    "  },\n"
    "  \"sftp\": {\"mounts\": [{\"path\": \"pub/media\", \"writable\": true},"
    " {\"path\": \"var/log\", \"writable\": false}]},\n"
    "  \"users\": [\n"
    "    {\"id\": \"5f0c-uuid\", \"username\": \"alice\", \"mail\": \"alice@example.com\","
    " \"role\": \"contributor\",\n"
    "     \"ssh_keys\": [" KEY_OBJECT "]},\n"
    "    {\"id\": \"77aa\", \"username\": \"media-agency\", \"role\": \"sftp\", \"ssh_keys\": ["
    "{\"value\": \"" ECDSA_256_TYPE " " ECDSA_256_BASE64 "\"}, {\"value\": \"" KEY_VALUE "\"}]}\n"
    "  ],\n"
    "  \"message\": \"Deploys are frozen until Monday.\",\n"
    "  \"hosts\": [\"web1.abcdefghij.ent.example.cloud\"],\n"
    "  \"apps\": {\"mymagento\": {\"access\": {\"ssh\": \"admin\"}, \"home\": \"/app\","
    " \"forwarding\": {\"local\": [\"[::1]:80\"], \"agent\": true}}, \"worker_2\": {}},\n"
    "  \"issued_at\": \"2026-11-22T10:00:00Z\",\n"
    "  \"max_stale_seconds\": 3600\n"
    "}";

/* The smallest valid document. */
static const char least[] =
    "{\"version\": 1, \"project\": \"abcdefghij\","
    " \"environment\": {\"name\": \"staging\", \"status\": \"new\"},"
    " \"account\": {\"uid\": 5, \"gid\": 6, \"home\": \"/h\", \"shell\": \"/s\"}, \"users\": []}";

static struct document_problem problem;

/* Parsed with its end against a page that cannot be read. */
static struct document *parse(const char *body, size_t n)
{
    struct guarded copy = guarded_copy(body, n);

    assert_non_null(copy.at);
    memset(problem.text, 0, sizeof problem.text);
    struct document *document = document_parse(copy.at, n, PROJECT, ENVIRONMENT, &problem);
    guarded_free(&copy);
    assert_true((document == NULL) == (problem.text[0] != '\0'));
    return document;
}

/* text with the first occurrence of find replaced by put; to be freed. */
static char *replaced(const char *text, const char *find, const char *put)
{
    const char *at = strstr(text, find);
    size_t size = strlen(text) + strlen(put) + 1;
    char *out = malloc(size);

    if (at == NULL)
        fail_msg("\"%s\" is not in the sample", find);
    assert_non_null(out);
    (void)snprintf(out, size, "%.*s%s%s", (int)(at - text), text, put, at + strlen(find));
    return out;
}

static struct document *parse_with(const char *find, const char *put)
{
    char *body = replaced(sample, find, put);
    struct document *document = parse(body, strlen(body));

    free(body);
    return document;
}

static struct document *must_with(const char *find, const char *put)
{
    struct document *document = parse_with(find, put);

    if (document == NULL)
        fail_msg("%s -> %s: %s", find, put, problem.text);
    return document;
}

static void must_fail(const struct document *document, const char *what, const char *expected)
{
    if (document != NULL)
        fail_msg("taken: %.300s", what);
    if (strstr(problem.text, expected) == NULL)
        fail_msg("%.300s: expected \"%s\", got \"%s\"", what, expected, problem.text);
}

static void test_sample_account(void **state)
{
    struct document *document = must_with("}", "}");

    (void)state;
    assert_string_equal(document->project, "abcdefghij");
    assert_string_equal(document->environment, "staging");
    assert_int_equal(document->status, DOCUMENT_ACTIVE);
    assert_string_equal(document->status_text, "active");
    assert_string_equal(document->title, "Staging");
    assert_int_equal(document->uid, 200002);
    assert_int_equal(document->gid, 200003);
    assert_string_equal(document->gecos, "abcdefghij staging");
    assert_string_equal(document->home, "/app/abcdefghij_stg");
    assert_string_equal(document->shell, "/bin/bash");
    assert_int_equal(document->ssh, DOCUMENT_LEVEL_CONTRIBUTOR);
    assert_int_equal(document->sftp, DOCUMENT_LEVEL_VIEWER);
    assert_string_equal(document->message, "Deploys are frozen until Monday.");
    assert_int_equal(document->issued_at, 1795341600);
    assert_int_equal(document->max_stale, 3600);
    assert_int_equal(document->warnings, 0);
    assert_true(document->bytes > sizeof *document);
    assert_true(document->bytes < 65536);
    document_free(document);
}

static void test_sample_lists(void **state)
{
    struct document *document = must_with("}", "}");

    (void)state;
    assert_int_equal(document->forwarding.locals, 3);
    assert_string_equal(document->forwarding.local[0], "database.internal:3306");
    assert_string_equal(document->forwarding.local[1], "redis.internal:6379");
    assert_string_equal(document->forwarding.local[2], "localhost:15672");
    assert_int_equal(document->forwarding.remotes, 1);
    assert_string_equal(document->forwarding.remote[0], "localhost:9000");
    assert_false(document->forwarding.agent);
    assert_int_equal(document->mounts, 2);
    assert_string_equal(document->mount[0].path, "pub/media");
    assert_true(document->mount[0].writable);
    assert_string_equal(document->mount[1].path, "var/log");
    assert_false(document->mount[1].writable);
    assert_true(document->has_hosts);
    assert_int_equal(document->hosts, 1);
    assert_string_equal(document->host[0], "web1.abcdefghij.ent.example.cloud");
    assert_true(document->has_apps);
    assert_int_equal(document->apps, 2);
    const struct document_app *app = document_find_app(document, "mymagento");
    assert_ptr_equal(app, &document->app[0]);
    assert_string_equal(app->home, "/app");
    assert_true(app->has_level);
    assert_int_equal(app->ssh, DOCUMENT_LEVEL_ADMIN);
    assert_int_equal(app->forwarding->locals, 1);
    assert_string_equal(app->forwarding->local[0], "[::1]:80");
    assert_int_equal(app->forwarding->remotes, 0);
    assert_true(app->forwarding->agent);
    app = document_find_app(document, "worker_2");
    assert_ptr_equal(app, &document->app[1]);
    assert_null(app->home);
    assert_false(app->has_level);
    assert_null(app->forwarding);
    assert_null(document_find_app(document, "Mymagento"));
    assert_null(document_find_app(document, ""));
    document_free(document);
}

static void test_sample_users(void **state)
{
    struct document *document = must_with("}", "}");
    const struct document_user *alice = &document->user[0], *agency = &document->user[1];
    struct key laptop, ecdsa;
    const char *why;

    (void)state;
    assert_int_equal(document->users, 2);
    assert_string_equal(alice->id, "5f0c-uuid");
    assert_string_equal(alice->username, "alice");
    assert_string_equal(alice->mail, "alice@example.com");
    assert_int_equal(alice->role, DOCUMENT_ROLE_CONTRIBUTOR);
    assert_string_equal(alice->role_text, "contributor");
    assert_string_equal(agency->username, "media-agency");
    assert_string_equal(agency->mail, "");
    assert_int_equal(agency->role, DOCUMENT_ROLE_SFTP);
    assert_int_equal(document->keys, 3);
    assert_true(keys_parse_line(KEY_VALUE, &laptop, &why));
    const struct document_key *key = document_find_key(document, laptop.fingerprint, NULL);
    assert_non_null(key);
    assert_string_equal(key->type, ED25519_TYPE);
    assert_string_equal(key->base64, ED25519_BASE64);
    assert_string_equal(key->title, "laptop");
    assert_int_equal(key->limits.expires_at, 1798761600);
    assert_ptr_equal(key->user, alice);
    /* The agency has the same key, later in the document. */
    key = document_find_key(document, laptop.fingerprint, key);
    assert_non_null(key);
    assert_memory_equal(key->fingerprint, laptop.fingerprint, KEY_FINGERPRINT_SIZE);
    assert_ptr_equal(key->user, agency);
    assert_int_equal(key->limits.expires_at, DOCUMENT_NO_TIME);
    assert_string_equal(key->title, "");
    assert_null(document_find_key(document, laptop.fingerprint, key));
    assert_true(keys_parse_line(ECDSA_256_TYPE " " ECDSA_256_BASE64, &ecdsa, &why));
    key = document_find_key(document, ecdsa.fingerprint, NULL);
    assert_non_null(key);
    assert_string_equal(key->type, ECDSA_256_TYPE);
    assert_string_equal(key->base64, ECDSA_256_BASE64);
    assert_ptr_equal(key->user, agency);
    laptop.fingerprint[0] ^= 1;
    assert_null(document_find_key(document, laptop.fingerprint, NULL));
    document_free(document);
}

static void test_least(void **state)
{
    static const unsigned char nothing[KEY_FINGERPRINT_SIZE];
    struct document *document = parse(least, strlen(least));

    (void)state;
    assert_non_null(document);
    assert_int_equal(document->status, DOCUMENT_STATUS_UNKNOWN);
    assert_string_equal(document->status_text, "new");
    assert_string_equal(document->title, "");
    assert_string_equal(document->gecos, "");
    assert_string_equal(document->message, "");
    assert_int_equal(document->ssh, DOCUMENT_LEVEL_CONTRIBUTOR);
    assert_int_equal(document->sftp, DOCUMENT_LEVEL_CONTRIBUTOR);
    assert_int_equal(document->forwarding.locals, 0);
    assert_int_equal(document->forwarding.remotes, 0);
    assert_false(document->forwarding.agent);
    assert_int_equal(document->mounts, 0);
    assert_int_equal(document->users, 0);
    assert_int_equal(document->keys, 0);
    assert_null(document_find_key(document, nothing, NULL));
    assert_false(document->has_hosts);
    assert_false(document->has_apps);
    assert_int_equal(document->issued_at, DOCUMENT_NO_TIME);
    assert_int_equal(document->max_stale, DOCUMENT_NO_BOUND);
    document_free(document);
    document_free(NULL);
}

/* {text of the sample, its replacement, part of the problem} */
static const struct mutation {
    const char *find, *put, *expected;
} mutations[] = {
    /* required members */
    {"\"version\": 1", "\"Version\": 1", "version: missing"},
    {"\"version\": 1", "\"version\": 2", "version: not 1"},
    {"\"version\": 1", "\"version\": \"1\"", "version: not an integer"},
    {"\"project\": ", "\"Project\": ", "project: missing"},
    {"\"abcdefghij\"", "\"abcdefghijk\"", "project: not the one"},
    {"\"abcdefghij\"", "[]", "project: not a string"},
    {"\"environment\": {", "\"environment\": [], \"x\": {", "environment.name: missing"},
    {"\"environment\": {", "\"x\": {", "environment: missing"},
    {"\"name\": \"staging\"", "\"name\": \"production\"", "environment.name: not the one"},
    {"\"name\": \"staging\"", "\"name\": \"Staging\"", "environment.name: not the one"},
    {"\"name\": \"staging\"", "\"x\": 1", "environment.name: missing"},
    {"\"status\": \"active\"", "\"status\": true", "environment.status: not a string"},
    {"\"status\": \"active\"", "\"status\": null", "environment.status: missing"},
    {"\"account\": {", "\"account\": null, \"x\": {", "account: missing"},
    /* optional members of a wrong type, that decide too much to be left out */
    {"\"access\": {", "\"access\": 1, \"x\": {", "access: not an object"},
    {"\"ssh\": \"contributor\"", "\"ssh\": 1", "access.ssh: not a string"},
    {"\"sftp\": \"viewer\"", "\"sftp\": {}", "access.sftp: not a string"},
    {"\"hosts\": [", "\"hosts\": \"*\", \"x\": [", "hosts: not an array"},
    {"\"hosts\": [", "\"hosts\": [\"a\", 1, ", "hosts[1]: not a string"},
    {"\"2026-11-22T10:00:00Z\"", "1", "issued_at: not a string"},
    {"\"2026-11-22T10:00:00Z\"", "\"2026-11-22\"", "issued_at: not an RFC 3339"},
    /* the account */
    {"200002", "1.5", "account.uid: not an integer from 0 to 4294967295"},
    {"200002", "-1", "account.uid: not an integer from 0 to 4294967295"},
    {"200002", "4294967296", "account.uid: not an integer from 0 to 4294967295"},
    {"200002", "18446744073709551617", "account.uid: not an integer"},
    {"200002", "1e400", "account.uid: not an integer"},
    {"200002", "-1e400", "account.uid: not an integer"},
    {"200002", "\"5\"", "account.uid: not an integer"},
    {"200002", "true", "account.uid: not an integer"},
    {"200002", "null", "account.uid: missing"},
    {"200003", "4294967296", "account.gid: not an integer"},
    {"\"uid\"", "\"UID\"", "account.uid: missing"},
    {"/app/abcdefghij_stg", "", "account.home: not a plain"},
    {"/app/abcdefghij_stg", "/", "account.home: not a plain"},
    {"/app/abcdefghij_stg", "app", "account.home: not a plain"},
    {"/app/abcdefghij_stg", "../..", "account.home: not a plain"},
    {"/app/abcdefghij_stg", "/app/../etc", "account.home: not a plain"},
    {"/app/abcdefghij_stg", "/app:x", "account.home: not a plain"},
    {"/app/abcdefghij_stg", "/app\\n", "account.home: has a control character"},
    {"/bin/bash", "/bin/bash\\nroot::0:0::/:/bin/sh", "account.shell: has a control character"},
    {"/bin/bash", "/bin/ba sh", "account.shell: not a plain"},
    {"/bin/bash", "bash", "account.shell: not a plain"},
    {"media-agency", "a\\u0000b", "a NUL character"},
    /* a member that is given twice, null or spelled with an escape or not */
    {"\"version\": 1", "\"version\": 1, \"version\": 1", "version: given twice"},
    {"\"version\": 1", "\"version\": 1, \"ver\\u0073ion\": null", "version: given twice"},
    {"\"uid\": 200002", "\"uid\": null, \"uid\": 200002", "account.uid: given twice"},
    /* what some parsers take for JSON */
    {"{\n", "\xef\xbb{\n", "not JSON"},
    {"{\n", " \xef\xbb\xbf{\n", "not JSON"},
    {"{\n", "x{\n", "not JSON"},
    {"{\n", "/**/{\n", "not JSON"},
    {"{\n", "\f{\n", "not JSON"},
    {"{\n", "[{\n", "not JSON"},
    {"3600\n}", "3600\n}}", "bytes follow"},
    {"3600\n}", "3600\n} 1", "bytes follow"},
    {"3600\n}", "3600,\n}", "not JSON"},
    {"3600", "03600", "not JSON"},
    {"3600", "+3600", "not JSON"},
    {"3600", "3600.", "not JSON"},
    {"3600", ".5", "not JSON"},
    {"3600", "36e", "not JSON"},
    {"3600", "36e+", "not JSON"},
    {"3600", "-", "not JSON"},
    {"3600", "0x10", "not JSON"},
    {"3600", "NaN", "not JSON"},
    {"3600", "True", "not JSON"},
    {"3600", "nul", "not JSON"},
    {"3600", "1000000000000000000000000000000000000000000000000000000000000", "more than 60"},
    {"\"version\"", "'version'", "not JSON"},
    {"\"version\": 1", "\"version\" 1", "not JSON"},
    {"\"version\": 1", "version: 1", "not JSON"},
    {"\"version\": 1", "\"version\": 1,", "not JSON"},
    {"\"version\": 1", "\"version\"\x01: 1", "not JSON"},
    {"\"hosts\": [\"", "\"hosts\": [,\"", "not JSON"},
    {"\"hosts\": [\"web1.abcdefghij.ent.example.cloud\"]", "\"hosts\": [1}", "not JSON"},
    {"\"hosts\": [\"web1.abcdefghij.ent.example.cloud\"]", "\"hosts\": [1,]", "not JSON"},
    {"Deploys", "\t", "a control character in a string"},
    {"Deploys", "\n", "a control character in a string"},
    {"Deploys", "\\x41", "unknown escape"},
    {"Deploys", "\\u12g4", "four hexadecimal"},
    {"Deploys", "\\u0000", "a NUL character"},
    {"Deploys", "\\ud800", "surrogate"},
    {"Deploys", "\\udc00", "surrogate"},
    {"Deploys", "\\ud800\\ud800", "surrogate"},
    {"Deploys", "\\ud800\\u0041", "surrogate"},
    {"Deploys", "\xff", "not UTF-8"},
    {"Deploys", "\x80", "not UTF-8"},
    {"Deploys", "\xc3", "not UTF-8"},
    {"Deploys", "\xc0\xaf", "not UTF-8"},
    {"Deploys", "\xc1\xbf", "not UTF-8"},
    {"Deploys", "\xe0\x9f\xbf", "not UTF-8"},
    {"Deploys", "\xed\xa0\x80", "not UTF-8"},
    {"Deploys", "\xf0\x8f\xbf\xbf", "not UTF-8"},
    {"Deploys", "\xf4\x90\x80\x80", "not UTF-8"},
    {"Deploys", "\xfc\x84\x80\x80", "not UTF-8"},
    {"Deploys", "\xf5\x80\x80\x80", "not UTF-8"},
    {"Deploys", "\xe2\x82", "not UTF-8"},
};

static void test_mutations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mutations / sizeof mutations[0]; i++)
        must_fail(parse_with(mutations[i].find, mutations[i].put), mutations[i].put,
                  mutations[i].expected);
}

/* What cannot be read is left out, with a warning that names it, and costs nothing else. */
static const struct omission {
    const char *left; /* people, keys, directories, forwards of both directions, applications */
    const char *find, *put, *warning;
} omissions[] = {
    {"0 0 2 3 1 2", "\"users\": [", "\"Users\": [", "users: missing"},
    {"0 0 2 3 1 2", "\"users\": [", "\"users\": {}, \"x\": [", "users: not an array"},
    {"0 0 2 3 1 2", "\"users\": [", "\"users\": [], \"users\": [", "users: given twice"},
    {"2 3 2 3 1 2", "\"gecos\": \"abcdefghij staging\"", "\"gecos\": 1",
     "account.gecos: not a string"},
    {"2 3 2 3 1 2", "\"agent\":  false", "\"agent\": 0",
     "forwarding.agent: neither true nor false"},
    {"2 3 2 3 1 2", "\"message\": \"Deploys", "\"message\": 1, \"x\": \"", "message: not a string"},
    {"2 3 2 3 1 2", "[::1]:80", "*:80", "apps.mymagento.forwarding.local[0]: not a host:port"},
    {"2 3 2 3 1 2", "3600", "-1", "max_stale_seconds: not an integer from 0 to 4294967294"},
    {"2 3 2 3 1 2", "3600", "4294967295", "max_stale_seconds: not an integer from 0 to 4294967294"},
    {"2 3 2 3 1 2", "3600", "1.5", "max_stale_seconds: not an integer"},
    {"2 3 2 3 1 2", "abcdefghij staging", "a:b", "account.gecos: has a ':'"},
    {"2 3 2 3 1 2", "abcdefghij staging", "a\\nb", "account.gecos: has a control character"},
    {"2 3 2 3 1 2", "abcdefghij staging", "a\\u007fb", "account.gecos: has a control character"},
    {"2 3 2 3 1 2", "abcdefghij staging", "a\\u0085b", "account.gecos: has a control character"},
    {"2 3 2 3 1 2", "{\"id\": \"77aa\"", "null, {\"id\": \"77aa\"", "users[1]: not an object"},
    {"2 3 2 3 1 2", "\"message\": ", "\"message\": null, \"message\": ", "message: given twice"},
    {"2 3 2 3 1 2", "\"max_stale", "\"max_stale_seconds\": 1, \"max_stale",
     "max_stale_seconds: given twice"},
    {"2 3 2 0 0 2", "\"forwarding\": {", "\"forwarding\": [1], \"x\": {",
     "forwarding: not an object"},
    {"2 3 2 0 1 2", "\"local\":  [", "\"local\": {}, \"x\": [", "forwarding.local: not an array"},
    {"2 3 0 3 1 2", "\"sftp\": {", "\"sftp\": 1, \"x\": {", "sftp: not an object"},
    {"2 3 0 3 1 2", "\"mounts\": [", "\"mounts\": 1, \"x\": [", "sftp.mounts: not an array"},
    {"2 3 1 3 1 2", "\"writable\": false", "\"writable\": \"no\"",
     "sftp.mounts[1].writable: neither"},
    {"2 3 1 3 1 2", "pub/media", "/pub", "sftp.mounts[0].path: not a plain relative path"},
    {"2 3 1 3 1 2", "pub/media", "pub/../..", "sftp.mounts[0].path: not a plain relative path"},
    {"2 3 1 3 1 2", "pub/media", "", "sftp.mounts[0].path: must not be writable"},
    {"2 3 1 3 1 2", "pub/media", ".ssh", "sftp.mounts[0].path: must not be writable"},
    {"2 3 1 3 1 2", "pub/media", "pub/.git/x", "sftp.mounts[0].path: must not be writable"},
    {"2 3 1 3 1 2", "{\"path\": \"var/log\", \"writable\": false}", "1",
     "sftp.mounts[1]: not an object"},
    {"2 3 1 3 1 2", "{\"path\": \"var/log\", \"writable\": false}", "{}",
     "sftp.mounts[1].path: missing"},
    {"2 3 2 3 1 0", "\"apps\": {", "\"apps\": [1], \"x\": {", "apps: not an object"},
    {"2 3 2 3 1 0", "\"apps\": ", "\"apps\": {}, \"apps\": ", "apps: given twice"},
    {"2 3 2 3 1 1", "\"worker_2\": {}", "\"worker_2\": 1", "apps.worker_2: not an object"},
    {"2 3 2 3 1 1", "\"worker_2\": {}", "\"worker_2\": {\"access\": 1}",
     "apps.worker_2.access: not an object"},
    {"2 3 2 3 1 1", "\"home\": \"/app\"", "\"home\": \"app\"", "apps.mymagento.home: not a plain"},
    {"2 3 2 3 1 1", "\"home\": \"/app\"", "\"home\": \"\"", "apps.mymagento.home: not a plain"},
    {"2 3 2 3 1 1", "\"worker_2\"", "\"worker--2\"", "apps: a name is not"},
    {"2 3 2 3 1 1", "\"worker_2\"", "\"worker.2\"", "apps: a name is not"},
    {"2 3 2 3 1 1", "\"worker_2\"", "\"w\\n\"", "apps: a name is not"},
    {"2 3 2 3 1 1", "\"worker_2\"", "\"\"", "apps: a name is not"},
    {"2 3 2 3 1 1", "\"worker_2\": {}", "\"worker_2\": null", "apps.worker_2: missing"},
    {"2 3 2 3 1 1", "\"worker_2\": {}", "\"worker_2\": {\"access\": {\"ssh\": 1}}",
     "access.ssh: not a"},
    {"2 2 2 3 1 2", "\"2027-01-01T00:00:00Z\"", "5",
     "users[0].ssh_keys[0].expires_at: not a string"},
    {"2 2 2 3 1 2", "\"ssh_keys\": [", "\"x\": [", "users[0].ssh_keys: missing"},
    {"2 2 2 3 1 2", "\"ssh_keys\": [", "\"ssh_keys\": {}, \"x\": [",
     "users[0].ssh_keys: not an array"},
    {"2 2 2 3 1 2", KEY_OBJECT, "1", "users[0].ssh_keys[0]: not an object"},
    {"2 2 2 3 1 2", KEY_OBJECT, "{}", "users[0].ssh_keys[0].value: missing"},
    {"2 2 2 3 1 2", KEY_OBJECT, "{\"value\": null}", "users[0].ssh_keys[0].value: missing"},
    {"2 2 2 3 1 2", KEY_OBJECT, "{\"value\": [\"x\"]}", "users[0].ssh_keys[0].value: not a string"},
    {"2 2 2 3 1 2", "\"key_id\": 71", "\"value\": \"\"", "users[0].ssh_keys[0].value: given twice"},
    {"2 2 2 3 1 2", "\"key_id\": 71", "\"expires_at\": null",
     "users[0].ssh_keys[0].expires_at: given twice"},
    {"2 3 2 2 1 2", "redis.internal:6379", "*:6379", "forwarding.local[1]: not a host:port"},
    {"2 3 2 2 1 2", "redis.internal:6379", "redis.internal",
     "forwarding.local[1]: not a host:port"},
    {"2 3 2 2 1 2", "redis.internal:6379", "a\\\",permitopen=\\\"*:1",
     "forwarding.local[1]: not a host:port"},
    {"2 3 2 3 0 2", "\"localhost:9000\"", "9000", "forwarding.remote[0]: not a string"},
    {"2 3 2 3 0 2", "localhost:9000", "/run/x.sock", "forwarding.remote[0]: not a host:port"},
    {"1 1 2 3 1 2", "{\"id\": \"77aa\"", "{\"ID\": \"77aa\"", "users[1].id: missing"},
    {"1 1 2 3 1 2", "77aa", "", "users[1].id: not 1 to 128"},
    {"1 1 2 3 1 2", "77aa", "a b", "users[1].id: not 1 to 128"},
    {"1 1 2 3 1 2", "77aa", "a\\nssh-ed25519", "users[1].id: has a control character"},
    {"1 1 2 3 1 2", "77aa", "a\\u00e4", "users[1].id: not 1 to 128"},
    {"1 1 2 3 1 2", "\"username\": \"media-agency\"", "\"x\": 1", "users[1].username: missing"},
    {"1 1 2 3 1 2", "media-agency", "", "users[1].username: empty"},
    {"1 1 2 3 1 2", "media-agency", "a\\u001bb", "users[1].username: has a control character"},
    {"1 1 2 3 1 2", "\"role\": \"sftp\"", "\"x\": 1", "users[1].role: missing"},
    {"1 1 2 3 1 2", "\"role\": \"sftp\"", "\"role\": 1", "users[1].role: not a string"},
    {"1 1 2 3 1 2", "\"77aa\"", "7.5", "users[1].id: not a string"},
    {"1 1 2 3 1 2", "\"77aa\"", "-7", "users[1].id: not a string"},
    {"1 2 2 3 1 2", "\"mail\": ", "\"role\": \"admin\", \"mail\": ", "users[0].role: given twice"},
};

static void test_omissions(void **state)
{
    char left[64];

    (void)state;
    for (size_t i = 0; i < sizeof omissions / sizeof omissions[0]; i++) {
        const struct omission *now = &omissions[i];
        struct document *document = must_with(now->find, now->put);
        (void)snprintf(left, sizeof left, "%zu %zu %zu %zu %zu %zu", document->users,
                       document->keys, document->mounts, document->forwarding.locals,
                       document->forwarding.remotes, document->apps);
        if (document->warnings != 1 || strstr(document->warning[0], now->warning) == NULL)
            fail_msg("%s: %zu warnings, \"%s\"", now->warning, document->warnings,
                     document->warnings == 0 ? "" : document->warning[0]);
        if (strcmp(left, now->left) != 0)
            fail_msg("%s: %s left, not %s", now->warning, left, now->left);
        document_free(document);
    }
}

/* What restricts, and cannot be read, restricts most; a text that cannot be read is none. */
static void test_closed_by_omissions(void **state)
{
    struct document *document = must_with("3600", "\"1 h\"");

    (void)state;
    assert_int_equal(document->max_stale, 0);
    document_free(document);
    document = must_with("\"apps\": {", "\"apps\": 7, \"x\": {");
    assert_true(document->has_apps);
    document_free(document);
    document = must_with("\"worker_2\": {}", "\"worker_2\": {\"forwarding\": \"none\"}");
    assert_int_equal(document->warnings, 1);
    assert_non_null(document->app[1].forwarding);
    assert_int_equal(document->app[1].forwarding->locals, 0);
    document_free(document);
    document = must_with("\"worker_2\"", "\"w\": {}, \"\\u006dymagento\"");
    assert_int_equal(document->warnings, 2);
    assert_int_equal(document->apps, 1);
    assert_null(document_find_app(document, "mymagento"));
    assert_non_null(document_find_app(document, "w"));
    document_free(document);
    document = must_with("\"agent\":  false", "\"agent\": \"yes\"");
    assert_false(document->forwarding.agent);
    document_free(document);
    document = must_with("abcdefghij staging", "a:b");
    assert_string_equal(document->gecos, "");
    document_free(document);
    document = must_with("Deploys are", "Deploys\\nare");
    assert_string_equal(document->message, "");
    document_free(document);
    document = must_with("\"ssh_keys\": [", "\"ssh_keys\": 3, \"x\": [");
    assert_string_equal(document->warning[0], "users[0].ssh_keys: not an array (alice)");
    document_free(document);
}

static size_t allocations = SIZE_MAX; /* how many more succeed */

static bool has_memory(void)
{
    if (allocations == SIZE_MAX)
        return true;
    return allocations > 0 && allocations-- > 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return has_memory() ? __real_malloc(size) : NULL;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return has_memory() ? __real_calloc(count, size) : NULL;
}

int __real_EVP_Digest(const void *bytes, size_t size, unsigned char *out, unsigned *out_size,
                      const EVP_MD *type, ENGINE *engine);
int __wrap_EVP_Digest(const void *bytes, size_t size, unsigned char *out, unsigned *out_size,
                      const EVP_MD *type, ENGINE *engine);
int __wrap_EVP_Digest(const void *bytes, size_t size, unsigned char *out, unsigned *out_size,
                      const EVP_MD *type, ENGINE *engine)
{
    return has_memory() && __real_EVP_Digest(bytes, size, out, out_size, type, engine) == 1;
}

EVP_MD_CTX *__real_EVP_MD_CTX_new(void);
EVP_MD_CTX *__wrap_EVP_MD_CTX_new(void);
EVP_MD_CTX *__wrap_EVP_MD_CTX_new(void)
{
    return has_memory() ? __real_EVP_MD_CTX_new() : NULL;
}

EC_POINT *__real_EC_POINT_new(const EC_GROUP *group);
EC_POINT *__wrap_EC_POINT_new(const EC_GROUP *group);
EC_POINT *__wrap_EC_POINT_new(const EC_GROUP *group)
{
    return has_memory() ? __real_EC_POINT_new(group) : NULL;
}

EC_GROUP *__real_EC_GROUP_new_by_curve_name(int nid);
EC_GROUP *__wrap_EC_GROUP_new_by_curve_name(int nid);
EC_GROUP *__wrap_EC_GROUP_new_by_curve_name(int nid)
{
    return has_memory() ? __real_EC_GROUP_new_by_curve_name(nid) : NULL;
}

/* Where memory is out nothing is left out: there is no document. A curve's group that could not be
 * had is asked for again. */
static struct document *parse_with_failures(const char *body, size_t *failures)
{
    struct document *document = NULL;

    for (*failures = 0; *failures < 1000; ++*failures) {
        allocations = *failures;
        document = document_parse(body, strlen(body), PROJECT, ENVIRONMENT, &problem);
        allocations = SIZE_MAX;
        if (document != NULL)
            break;
        assert_string_equal(problem.text, "the document: out of memory");
    }
    return document;
}

static void test_no_memory(void **state)
{
    char *body = replaced(sample, "\"ssh_keys\": [", "\"ssh_keys\": [{}, null,");
    size_t failures;
    struct document *document = parse_with_failures(body, &failures);

    (void)state;
    assert_true(failures > 6);
    assert_non_null(document);
    assert_int_equal(document->warnings, 2);
    assert_int_equal(document->keys, 3);
    document_free(document);
    free(body);
}

/* Many applications and people that are left out, so that memory is lacking while one is read. */
static void test_no_memory_for_many(void **state)
{
    static const char *const lists[][3] = {{"\"apps\": {", "\"a--", "\": {}, "},
                                           {"\"users\": [", "{\"id\": ", ", \"ssh_keys\": 7}, "}};
    char many[8192], *body;
    struct document *document;
    size_t failures;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        strcpy(many, lists[k][0]);
        for (int i = 0; i < 200; i++)
            (void)snprintf(many + strlen(many), sizeof many - strlen(many), "%s%d%s", lists[k][1],
                           i, lists[k][2]);
        body = replaced(sample, lists[k][0], many);
        document = parse_with_failures(body, &failures);
        assert_non_null(document);
        assert_int_equal(document->apps, 2);
        assert_int_equal(document->keys, 3);
        document_free(document);
        free(body);
    }
}

/* Without memory, neither an envelope nor its signature is called wrong. */
static void test_no_memory_for_envelope(void **state)
{
    static const char *const problems[] = {
        "the document: out of memory", "payload: out of memory",
        "signatures: could not be verified, because OpenSSL failed",
        "signatures: none is by a key of this host's signing_key"};
    const struct signers signers = {.n = 1, .key = {{7, 7, 7}}};
    const unsigned char zeros[KEYS_SIGNATURE_SIZE] = {0};
    char base64[DIGEST_BASE64_SIZE(KEYS_SIGNATURE_SIZE)], envelope[512], *payload;
    size_t length;

    (void)state;
    digest_base64_encode(zeros, sizeof zeros, base64);
    (void)snprintf(envelope, sizeof envelope,
                   "{\"payloadType\": \"" ENVELOPE_PAYLOAD_TYPE
                   "\", \"payload\": \"e30=\", \"signatures\": [{\"sig\": \"%s\"}]}",
                   base64);
    for (size_t n = 0; n < 4; n++) {
        allocations = n;
        payload = envelope_open(envelope, strlen(envelope), &signers, &length, &problem);
        allocations = SIZE_MAX;
        assert_null(payload);
        assert_string_equal(problem.text, problems[n]);
    }
    payload = envelope_reopen(envelope, strlen(envelope), &length, &problem);
    assert_non_null(payload);
    assert_string_equal(payload, "{}");
    assert_int_equal(length, 2);
    free(payload);
}

/* Members that decide nothing are not checked; the two that are shown are then empty. */
static void test_not_checked(void **state)
{
    static const char *const any[] = {"1",         "[]",   "true",
                                      "\"a\\tb\"", "null", "1099511627776123456"};
    static const char *const members[][2] = {
        {"\"type\": \"staging\"", "type"},           {"\"title\": \"Staging\"", "title"},
        {"\"mail\": \"alice@example.com\"", "mail"}, {"\"key_id\": 71", "key_id"},
        {"\"title\": \"laptop\"", "title"},          {"\"ssh\": \"admin\"", "sftp"},
    };
    char put[64];

    (void)state;
    for (size_t m = 0; m < sizeof members / sizeof members[0]; m++)
        for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
            (void)snprintf(put, sizeof put, "\"%s\": %s", members[m][1], any[i]);
            struct document *document = must_with(members[m][0], put);
            assert_int_equal(document->warnings, 0);
            assert_int_equal(document->keys, 3);
            assert_int_equal(document->apps, 2);
            document_free(document);
        }
    struct document *document = must_with("\"title\": \"Staging\"", "\"title\": \"a\\tb\"");
    assert_string_equal(document->title, "");
    document_free(document);
}

/* What PHP makes of empty objects. */
static void test_empty_arrays(void **state)
{
    struct document *document = must_with("\"forwarding\": {", "\"forwarding\": [], \"x\": {");

    (void)state;
    assert_int_equal(document->forwarding.locals, 0);
    assert_int_equal(document->warnings, 0);
    document_free(document);
    document = must_with("\"apps\": {", "\"apps\": [], \"x\": {");
    assert_true(document->has_apps);
    assert_int_equal(document->apps, 0);
    document_free(document);
    document = must_with("\"worker_2\": {}", "\"worker_2\": []");
    assert_int_equal(document->apps, 2);
    assert_int_equal(document->warnings, 0);
    document_free(document);
    document = must_with("\"access\": {", "\"access\": [], \"x\": {");
    assert_int_equal(document->ssh, DOCUMENT_LEVEL_CONTRIBUTOR);
    document_free(document);
}

/* A person's id may be a number, of which no digit is lost. */
static void test_user_ids(void **state)
{
    static const char *const same[][2] = {
        {"77", "77"},
        {"0", "0"},
        {"77.0", "77"},
        {"999999999999999", "999999999999999"},
        {"1000000000000001", "1000000000000001"},
        {"9007199254740993", "9007199254740993"},
        {"1099511627776123457", "1099511627776123457"},
        {"18446744073709551615", "18446744073709551615"},
        {"\"1099511627776123457\"", "1099511627776123457"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct document *document = must_with("\"77aa\"", same[i][0]);
        assert_int_equal(document->warnings, 0);
        assert_string_equal(document->user[1].id, same[i][1]);
        document_free(document);
    }
}

/* Not a mutation's text, because C strings cannot hold it. */
static void test_nul_bytes(void **state)
{
    char body[sizeof sample];

    (void)state;
    memcpy(body, sample, sizeof sample);
    must_fail(parse(body, sizeof sample), "a NUL after the document", "bytes follow");
    *strstr(body, "Deploys") = '\0';
    must_fail(parse(body, sizeof sample - 1), "a NUL in a string", "control character");
    memcpy(body, sample, sizeof sample);
    *strchr(body, '\n') = '\0';
    must_fail(parse(body, sizeof sample - 1), "a NUL between members", "not JSON");
}

static void test_other_arguments(void **state)
{
    (void)state;
    assert_null(document_parse(sample, strlen(sample), "other", ENVIRONMENT, &problem));
    assert_non_null(strstr(problem.text, "project: not the one"));
    assert_null(document_parse(sample, strlen(sample), PROJECT, "production", &problem));
    assert_non_null(strstr(problem.text, "environment.name: not the one"));
}

static void test_own_names(void **state)
{
    static const char *const others[][2] = {{"\"" PROJECT "\"", "\"root\""},
                                            {"\"" ENVIRONMENT "\"", "\"*\""}};
    struct document *document =
        document_parse(sample, strlen(sample), DOCUMENT_ANY, DOCUMENT_ANY, &problem);

    (void)state;
    assert_non_null(document);
    assert_string_equal(document->project, PROJECT);
    assert_string_equal(document->environment, ENVIRONMENT);
    document_free(document);
    for (size_t i = 0; i < 2; i++) {
        char *body = replaced(sample, others[i][0], others[i][1]);
        assert_null(document_parse(body, strlen(body), DOCUMENT_ANY, DOCUMENT_ANY, &problem));
        assert_non_null(strstr(problem.text, "not the one"));
        free(body);
    }
}

static void test_taken_variants(void **state)
{
    static const char *const fine[][2] = {
        {"{\n", " \t\r\n{\n"},
        {"{\n", "\xef\xbb\xbf{\n"},
        {"3600\n}", "3600\n} \t\r\n"},
        {"3600", "0"},
        {"3600", "4294967294"},
        {"3600", "36e2"},
        {"3600", "3600.0"},
        {"3600", "null"},
        {"Deploys", "\xf0\x9f\x9a\x80 \xc3\xa4 \\ud83d\\ude80 \\u00e4 \\/ \\\" \\\\"},
        {"\"version\": 1", "\"VERSION\": 7, \"version\": 1"},
        {"\"version\": 1", "\"x\": 1, \"x\": 2, \"version\": 1"},
        {"\"version\": 1", "\"x\": {\"y\": [null, true, -0.5e-3]}, \"version\": 1"},
        {"\"gecos\": \"abcdefghij staging\"", "\"gecos\": null"},
        {"\"mail\": \"alice@example.com\"", "\"mail\": null"},
        {"\"writable\": false", "\"x\": 0"},
        {"{\"path\": \"var/log\"", "{\"path\": \".config\""},
        {"{\"path\": \"var/log\"", "{\"path\": \"\""},
        {"77aa", "aZ09._:@+=-"},
        {"/app/abcdefghij_stg", "/app/with space/.hidden"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        document_free(must_with(fine[i][0], fine[i][1]));
}

static void test_ids(void **state)
{
    static const struct {
        const char *text;
        uint32_t uid;
    } ids[] = {{"1e3", 1000}, {"0", 0}, {"-0", 0}, {"4294967295", UINT32_MAX}, {"5.0", 5}};

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct document *document = must_with("200002", ids[i].text);
        assert_int_equal(document->uid, ids[i].uid);
        document_free(document);
    }
}

static void test_words(void **state)
{
    static const struct {
        const char *text;
        enum document_status status;
    } statuses[] = {
        {"active", DOCUMENT_ACTIVE},     {"dirty", DOCUMENT_DIRTY},
        {"inactive", DOCUMENT_INACTIVE}, {"paused", DOCUMENT_PAUSED},
        {"deleting", DOCUMENT_DELETING}, {"Active", DOCUMENT_STATUS_UNKNOWN},
        {"", DOCUMENT_STATUS_UNKNOWN},
    };
    static const struct {
        const char *text;
        enum document_role role;
        enum document_level level;
    } words[] = {
        {"viewer", DOCUMENT_ROLE_VIEWER, DOCUMENT_LEVEL_VIEWER},
        {"contributor", DOCUMENT_ROLE_CONTRIBUTOR, DOCUMENT_LEVEL_CONTRIBUTOR},
        {"admin", DOCUMENT_ROLE_ADMIN, DOCUMENT_LEVEL_ADMIN},
        {"sftp", DOCUMENT_ROLE_SFTP, DOCUMENT_LEVEL_NONE},
        {"none", DOCUMENT_ROLE_UNKNOWN, DOCUMENT_LEVEL_NONE},
        {"Admin", DOCUMENT_ROLE_UNKNOWN, DOCUMENT_LEVEL_NONE},
        {"", DOCUMENT_ROLE_UNKNOWN, DOCUMENT_LEVEL_NONE},
    };
    char put[64];

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        (void)snprintf(put, sizeof put, "\"status\": \"%s\"", statuses[i].text);
        struct document *document = must_with("\"status\": \"active\"", put);
        assert_int_equal(document->status, statuses[i].status);
        assert_string_equal(document->status_text, statuses[i].text);
        document_free(document);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        (void)snprintf(put, sizeof put, "\"role\": \"%s\"", words[i].text);
        struct document *document = must_with("\"role\": \"sftp\"", put);
        assert_int_equal(document->user[1].role, words[i].role);
        document_free(document);
        (void)snprintf(put, sizeof put, "\"ssh\": \"%s\"", words[i].text);
        document = must_with("\"ssh\": \"contributor\"", put);
        assert_int_equal(document->ssh, words[i].level);
        document_free(document);
    }
}

/* A bad key is left out, with a warning that says why; the document stays valid. */
static void test_bad_keys(void **state)
{
    static const struct {
        const char *find, *put, *warning;
    } bad[] = {
        {KEY_VALUE, "ssh-ed25519", "users[0].ssh_keys[0].value: the key is not a type"},
        {KEY_VALUE, "", "ssh_keys[0].value: the key is not a type and base64 (alice)"},
        {KEY_VALUE, KEY_VALUE "\\nssh-rsa AAAA", "ssh_keys[0].value: the key has a line break"},
        {KEY_VALUE, "command=\\\"id\\\" " KEY_VALUE, "the key does not begin with"},
        {KEY_VALUE, RSA_1024_TYPE " " RSA_1024_BASE64, "RSA key of less than 2048 bits"},
        {KEY_VALUE, DSA_TYPE " " DSA_BASE64, "DSA"},
        {KEY_VALUE, CERTIFICATE_TYPE " " CERTIFICATE_BASE64, "certificate"},
        {"2027-01-01T00:00:00Z", "tomorrow", "expires_at: not an RFC 3339"},
        {"2027-01-01T00:00:00Z", "", "expires_at: not an RFC 3339"},
        {"2027-01-01T00:00:00Z", "2027-02-29T00:00:00Z", "expires_at: not an RFC 3339"},
        {"2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z\\n", "expires_at: not an RFC 3339"},
        {KEY_VALUE, "ssh-ed25519 AAAA", "the key is malformed"},
        {"\"key_id\": 71", "\"verify\": 1", "ssh_keys[0].verify: neither true nor false"},
        {"\"key_id\": 71", "\"verify\": true, \"verify\": false", "verify: given twice"},
        {"\"key_id\": 71", "\"verify\": true", "verify: only a security key"},
        {"\"key_id\": 71", "\"not_before\": \"soon\"", "not_before: not an RFC 3339"},
        {"\"key_id\": 71", "\"not_before\": 7", "not_before: not a string"},
        {"\"key_id\": 71", "\"from\": \"192.0.2.7\"", "ssh_keys[0].from: not an array"},
        {"\"key_id\": 71", "\"from\": [], \"from\": []", "ssh_keys[0].from: given twice"},
        {"\"key_id\": 71", "\"from\": [7]", "from[0]: not a string"},
        {"\"key_id\": 71", "\"from\": [\"192.0.2.7\", \"office.example.com\"]",
         "from[1]: not an IP address or block"},
        {"\"key_id\": 71", "\"from\": [\"*\"]", "from[0]: not an IP address or block"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct document *document = must_with(bad[i].find, bad[i].put);
        assert_int_equal(document->keys, 2);
        assert_int_equal(document->users, 2);
        assert_int_equal(document->warnings, 1);
        if (strstr(document->warning[0], bad[i].warning) == NULL)
            fail_msg("expected \"%s\", got \"%s\"", bad[i].warning, document->warning[0]);
        document_free(document);
    }
}

/* A limit of a person that cannot be read costs the person, and a reason only itself. */
static void test_bad_limits(void **state)
{
    static const char *const bad[][2] = {
        {"\"not_before\": \"soon\"", "users[1].not_before: not an RFC 3339"},
        {"\"expires_at\": 7", "users[1].expires_at: not a string"},
        {"\"expires_at\": null, \"expires_at\": null", "users[1].expires_at: given twice"},
        {"\"from\": {\"a\": 1}", "users[1].from: not an array"},
        {"\"from\": [\"192.0.2.0/33\"]", "users[1].from[0]: not an IP address"},
        {"\"from\": [\"192.0.2.7/24\"]", "users[1].from[0]: not an IP address"},
    };
    char put[16384];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(put, sizeof put, "\"role\": \"sftp\", %s", bad[i][0]);
        struct document *document = must_with("\"role\": \"sftp\"", put);
        assert_int_equal(document->users, 1);
        assert_int_equal(document->warnings, 1);
        if (strstr(document->warning[0], bad[i][1]) == NULL)
            fail_msg("expected \"%s\", got \"%s\"", bad[i][1], document->warning[0]);
        document_free(document);
    }
    strcpy(put, "\"role\": \"sftp\", \"from\": [");
    for (size_t i = 0; i < DOCUMENT_FROM_MAX; i++)
        strcat(put, "\"192.0.2.7\", ");
    strcat(put, "\"192.0.2.7\"]");
    struct document *document = must_with("\"role\": \"sftp\"", put);
    assert_int_equal(document->users, 1);
    document_free(document);
    document = must_with("\"role\": \"sftp\"", "\"role\": \"sftp\", \"grant\": \"a\\nb\"");
    assert_int_equal(document->users, 2);
    assert_string_equal(document->user[1].limits.grant, "");
    assert_int_equal(document->warnings, 1);
    document_free(document);
}

/* A limit of sessions that cannot be read lets no session begin. */
static void test_session(void **state)
{
    static const struct {
        const char *put;
        uint32_t max, idle;
        bool unread;
    } each[] = {
        {"\"session\": {\"max_seconds\": 60, \"idle_seconds\": 4294967294}", 60, 4294967294u,
         false},
        {"\"session\": {\"max_seconds\": null}", 0, 0, false},
        {"\"session\": null", 0, 0, false},
        {"\"session\": []", 0, 0, false},
        {"\"session\": 1", 0, 0, true},
        {"\"session\": {}, \"session\": {}", 0, 0, true},
        {"\"session\": {\"max_seconds\": 59}", 0, 0, true},
        {"\"session\": {\"max_seconds\": 4294967295}", 0, 0, true},
        {"\"session\": {\"max_seconds\": \"60\"}", 0, 0, true},
        {"\"session\": {\"idle_seconds\": 0}", 0, 0, true},
        {"\"session\": {\"idle_seconds\": 60.5}", 0, 0, true},
        {"\"session\": {\"idle_seconds\": 60, \"idle_seconds\": 60}", 0, 0, true},
    };
    char put[256];

    (void)state;
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        (void)snprintf(put, sizeof put, "\"version\": 1, %s", each[i].put);
        struct document *document = must_with("\"version\": 1", put);
        assert_int_equal(document->session_unread, each[i].unread);
        assert_int_equal(document->warnings, each[i].unread);
        if (!each[i].unread) {
            assert_int_equal(document->session_max, each[i].max);
            assert_int_equal(document->session_idle, each[i].idle);
        }
        document_free(document);
    }
}

/* A requirement that cannot be read is one that no person meets. */
static void test_require(void **state)
{
    static const struct {
        const char *require;
        size_t amrs;
        uint32_t max_age;
        bool given, unread;
    } each[] = {
        {"{\"amr\": [\"mfa\", \"sso:x\"], \"max_age\": 3600}", 2, 3600, true, false},
        {"{\"amr\": [\"12345678901234567890123456789012\"]}", 1, DOCUMENT_NO_BOUND, true, false},
        {"{\"max_age\": 0}", 0, 0, true, false},
        {"{\"amr\": null, \"max_age\": 4294967294}", 0, 4294967294u, true, false},
        {"{\"amr\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}", 8, DOCUMENT_NO_BOUND, true,
         false},
        {"null", 0, 0, false, false},
        {"{}", 0, 0, true, true},
        {"[]", 0, 0, true, true},
        {"true", 0, 0, true, true},
        {"{\"amr\": []}", 0, 0, true, true},
        {"{\"amr\": [], \"max_age\": 60}", 0, 0, true, true},
        {"{\"amr\": \"mfa\"}", 0, 0, true, true},
        {"{\"amr\": [1]}", 0, 0, true, true},
        {"{\"amr\": [\"\"]}", 0, 0, true, true},
        {"{\"amr\": [\"m f\"]}", 0, 0, true, true},
        {"{\"amr\": [\"m\\\"f\"]}", 0, 0, true, true},
        {"{\"amr\": [\"m\\u00e4\"]}", 0, 0, true, true},
        {"{\"amr\": [\"123456789012345678901234567890123\"]}", 0, 0, true, true},
        {"{\"amr\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}", 0, 0, true, true},
        {"{\"amr\": [\"mfa\"], \"max_age\": \"60\"}", 0, 0, true, true},
        {"{\"amr\": [\"mfa\"], \"max_age\": -1}", 0, 0, true, true},
        {"{\"amr\": [\"mfa\"], \"max_age\": 4294967295}", 0, 0, true, true},
        {"{\"amr\": [\"mfa\"], \"acr\": \"2\"}", 0, 0, true, true},
        {"{\"amr\": [\"mfa\"], \"amr\": [\"mfa\"]}", 0, 0, true, true},
        {"{\"amr\": [\"mfa\"]}, \"require\": null", 0, 0, true, true},
    };
    char put[256];

    (void)state;
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        (void)snprintf(put, sizeof put, "\"sftp\": \"viewer\", \"require\": %s", each[i].require);
        struct document *document = must_with("\"sftp\": \"viewer\"", put);
        assert_int_equal(document->require.unread, each[i].unread);
        assert_int_equal(document->warnings, each[i].unread);
        if (!each[i].unread) {
            assert_int_equal(document->require.given, each[i].given);
            assert_int_equal(document->require.amrs, each[i].amrs);
            if (each[i].given)
                assert_int_equal(document->require.max_age, each[i].max_age);
        }
        document_free(document);
    }
}

#define SK_KEY                                                                                     \
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIPfNAzr7wMMVNyRM6lmH"  \
    "I2ViEqi03RxtZ7tKONjsNl5AAAAABHNzaDo="

static void test_verify(void **state)
{
    struct document *document =
        must_with(KEY_OBJECT, "{\"verify\": true, \"value\": \"" SK_KEY "\"}");
    unsigned verified = 0;

    (void)state;
    assert_int_equal(document->warnings, 0);
    for (size_t i = 0; i < document->keys; i++)
        verified += document->key[i].verify;
    assert_int_equal(verified, 1);
    document_free(document);
    document =
        must_with("\"version\": 1", "\"version\": 1, \"certificate_authorities\": [{\"verify\": "
                                    "true, \"value\": \"" SK_KEY "\"}]");
    assert_int_equal(document->authorities, 0);
    assert_int_equal(document->warnings, 1);
    document_free(document);
}

static void test_limits(void **state)
{
    struct document *document = must_with(
        "\"role\": \"sftp\"",
        "\"role\": \"sftp\", \"from\": [\"192.0.2.7\", \"2001:db8::/32\"], \"not_before\": "
        "\"2027-01-01T00:00:00Z\", \"expires_at\": \"2027-01-01T01:00:00+01:00\", "
        "\"grant\": \"OPS-71\"");
    const struct document_limits *limits = &document->user[1].limits;

    (void)state;
    assert_int_equal(document->warnings, 0);
    assert_true(limits->has_from);
    assert_int_equal(limits->blocks, 2);
    assert_int_equal(limits->from[0].bits, 128);
    assert_int_equal(limits->from[1].bits, 32);
    assert_int_equal(limits->not_before, 1798761600);
    assert_int_equal(limits->expires_at, 1798761600);
    assert_string_equal(limits->grant, "OPS-71");
    limits = &document->user[0].limits;
    assert_false(limits->has_from);
    assert_int_equal(limits->not_before, DOCUMENT_NO_TIME);
    assert_int_equal(limits->expires_at, DOCUMENT_NO_TIME);
    assert_string_equal(limits->grant, "");
    document_free(document);
    /* An empty list is one that no address is in. */
    document = must_with("\"role\": \"sftp\"", "\"role\": \"sftp\", \"from\": []");
    assert_true(document->user[1].limits.has_from);
    document_free(document);
}

/* Overlapping directories cost the sFTP account alone, and a warning names one. */
static void test_overlapping_mounts(void **state)
{
    static const struct {
        const char *find, *put;
        size_t warnings;
    } lists[] = {
        {"\"var/log\"", "\"pub/media\"", 1},
        {"\"var/log\"", "\"pub\"", 1},
        {"\"var/log\"", "\"pub/media/a\"", 1},
        {"\"var/log\"", "\"pub/medi\"", 0},
        {"\"var/log\"", "\"pub/media2\"", 0},
        {"\"pub/media\", \"writable\": true},", "\"\"}, {\"path\": \"home/x\"},", 1},
        {"\"pub/media\", \"writable\": true},", "\"\"}, {\"path\": \"homes\"},", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct document *document = must_with(lists[i].find, lists[i].put);
        assert_int_equal(document->warnings, lists[i].warnings);
        if (lists[i].warnings > 0)
            assert_string_equal(
                document->warning[0],
                "sftp.mounts[1]: overlaps another, so the sFTP account cannot be used");
        assert_true(document->mounts >= 2);
        document_free(document);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    for (size_t n = 0; n < strlen(sample); n++)
        assert_null(parse(sample, n));
    for (size_t n = 0; n < strlen(least); n++)
        assert_null(parse(least, n));
}

/* No value of any byte crashes the parser, and a document that is accepted can be freed. */
static void test_changed_bytes(void **state)
{
    char body[sizeof sample];
    size_t taken = 0, refused = 0;

    (void)state;
    for (size_t i = 0; i < strlen(sample); i++) {
        memcpy(body, sample, sizeof sample);
        body[i] = (char)(body[i] ^ (1 << i % 8));
        struct document *document = parse(body, strlen(sample));
        if (document == NULL)
            refused++;
        else
            taken++;
        document_free(document);
    }
    /* Both happen: a message may read otherwise, a brace may not. */
    assert_true(taken > 0);
    assert_true(refused > 0);
}

/* before, count times unit with commas in between, after. */
static struct document *parse_repeated(const char *find, const char *before, const char *unit,
                                       size_t count, const char *after)
{
    size_t size = strlen(before) + count * (strlen(unit) + 16) + strlen(after) + 1, used;
    char *put = malloc(size);

    assert_non_null(put);
    used = (size_t)snprintf(put, size, "%s", before);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put[used++] = ',';
        for (const char *at = unit; *at != '\0'; at++)
            if (*at == '#')
                used += (size_t)snprintf(put + used, size - used, "%zu", i);
            else
                put[used++] = *at;
    }
    (void)snprintf(put + used, size - used, "%s", after);
    struct document *document = parse_with(find, put);
    free(put);
    return document;
}

/* Accepted with max units, refused with one more. */
static void check_limit(const char *find, const char *before, const char *unit, size_t max,
                        const char *after, const char *expected)
{
    struct document *document = parse_repeated(find, before, unit, max, after);

    if (document == NULL)
        fail_msg("%s: %s", unit, problem.text);
    document_free(document);
    must_fail(parse_repeated(find, before, unit, max + 1, after), unit, expected);
}

/* Of a list with one entry more than `most`, a warning says so, and `left` entries stay. */
static const struct cut {
    const char *find, *before, *unit, *after;
    size_t most, count, left; /* count: the offset of the number of entries */
    const char *warning;
} cuts[] = {
    {"\"users\": [", "\"users\": [",
     "{\"id\": \"#\", \"username\": \"u\", \"role\": \"admin\", \"ssh_keys\": []}", "], \"x\": [",
     2000, offsetof(struct document, users), 2000, "users: more than 2000 entries"},
    {KEY_OBJECT, "", "{\"value\": \"" KEY_VALUE "\"}", "", 100, offsetof(struct document, keys),
     102, "users[0].ssh_keys: more than 100 entries (alice)"},
    {"\"local\":  [", "\"local\": [", "\"h#:1\"", "], \"x\": [", 128,
     offsetof(struct document, forwarding.locals), 128, "local: more than 128 entries"},
    {"\"remote\": [", "\"remote\": [", "\"h#:1\"", "], \"x\": [", 128,
     offsetof(struct document, forwarding.remotes), 128, "remote: more than 128 entries"},
    {"\"message\"", "\"certificate_authorities\": [", "{\"value\": \"" KEY_VALUE "\"}",
     "], \"message\"", 8, offsetof(struct document, authorities), 8,
     "certificate_authorities: more than 8 entries"},
    {"\"mounts\": [", "\"mounts\": [", "{\"path\": \"m#\"}", "], \"x\": [", 64,
     offsetof(struct document, mounts), 64, "sftp.mounts: more than 64 entries"},
    {"\"apps\": {", "\"apps\": {", "\"a#\": {}", "}, \"x\": {", 256,
     offsetof(struct document, apps), 0, "apps: more than 256 members, so none of them counts"},
};

static void test_limits_of_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        const struct cut *cut = &cuts[i];
        for (size_t more = 0; more <= 1; more++) {
            struct document *document =
                parse_repeated(cut->find, cut->before, cut->unit, cut->most + more, cut->after);
            assert_non_null(document);
            assert_int_equal(document->warnings, more);
            if (more == 1) {
                size_t left;
                memcpy(&left, (const char *)document + cut->count, sizeof left);
                assert_non_null(strstr(document->warning[0], cut->warning));
                assert_int_equal(left, cut->left);
            }
            document_free(document);
        }
    }
    check_limit("\"hosts\": [", "\"hosts\": [", "\"h#\"", DOCUMENT_HOSTS_MAX, "], \"x\": [",
                "hosts: more than 1024 entries");
}

/* The number of values in the sample without the padding. */
static size_t count_values(void)
{
    struct json_limits limits = {DOCUMENT_NESTING_MAX, 0};
    struct json_fault fault;

    while (!json_scan(sample, strlen(sample), &limits, NULL, &fault))
        limits.values++;
    return limits.values;
}

static void test_limits_of_json(void **state)
{
    (void)state;
    /* The document itself is the first level. */
    struct document *document =
        must_with("\"version\"", "\"x\": [[[[[[[[[[[[[[[]]]]]]]]]]]]]]], \"version\"");
    document_free(document);
    must_fail(parse_with("\"version\"", "\"x\": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]], \"version\""),
              "17 levels", "nested too deeply");
    must_fail(parse_with("\"version\"", "\"x\": [[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]], \"version\""),
              "17 levels", "nested too deeply");
    document = must_with("Deploys", "[[[[[[[[[[[[[[[[[[[[[{{{{{{{{{{{{");
    document_free(document);
    check_limit("\"version\"", "\"x\": [", "0", DOCUMENT_VALUES_MAX - count_values() - 1,
                "], \"version\"", "too many values");
    check_limit("\"version\"", "\"x\": {", "\"y\":0", DOCUMENT_VALUES_MAX - count_values() - 1,
                "}, \"version\"", "too many values");
}

static void test_limit_of_size(void **state)
{
    char *body = malloc(DOCUMENT_SIZE_MAX + 1);

    (void)state;
    assert_non_null(body);
    (void)snprintf(body, DOCUMENT_SIZE_MAX, "%s", sample);
    memset(body + strlen(sample), ' ', DOCUMENT_SIZE_MAX + 1 - strlen(sample));
    struct document *document = parse(body, DOCUMENT_SIZE_MAX);
    assert_non_null(document);
    document_free(document);
    must_fail(parse(body, DOCUMENT_SIZE_MAX + 1), "4 MiB + 1", "longer than 4194304");
    free(body);
}

/* The sample with n times 'a' in place of find. */
static struct document *parse_long(const char *find, const char *before, size_t n)
{
    size_t start = strlen(before);
    char *put = malloc(start + n + 1);

    assert_non_null(put);
    (void)snprintf(put, start + 1, "%s", before);
    memset(put + start, 'a', n);
    put[start + n] = '\0';
    struct document *document = parse_with(find, put);
    free(put);
    return document;
}

/* One byte more makes the document invalid, costs what the string belongs to, or, where a limit is
 * not expected to be named, the string alone. */
static void test_limits_of_strings(void **state)
{
    static const struct {
        const char *find, *before, *expected;
        size_t max;
        bool invalid;
    } strings[] = {
        {"/app/abcdefghij_stg", "/", "account.home: longer than 255", 254, true},
        {"/bin/bash", "/", "account.shell: longer than 255", 254, true},
        {"web1.abcdefghij.ent.example.cloud", "", "hosts[0]: longer than 255", 255, true},
        {"abcdefghij staging", "", "account.gecos: longer than 255", 255, false},
        {"var/log", "", "sftp.mounts[1].path: longer than 255", 255, false},
        {"77aa", "", "users[1].id: not 1 to 128", 128, false},
        {"media-agency", "", "users[1].username: longer than 128", 128, false},
        {"worker_2", "", "apps: a name is not", 100, false},
        {"Deploys are frozen until Monday.", "", "message: longer than 1024", 1024, false},
        {"Staging", "", NULL, 255, false},
        {"alice@example.com", "", NULL, 255, false},
        {"laptop", "", NULL, 255, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        const char *find = strings[i].find, *expected = strings[i].expected;
        struct document *document = parse_long(find, strings[i].before, strings[i].max);
        assert_non_null(document);
        assert_int_equal(document->warnings, 0);
        document_free(document);
        document = parse_long(find, strings[i].before, strings[i].max + 1);
        if (strings[i].invalid) {
            must_fail(document, find, expected);
            continue;
        }
        assert_non_null(document);
        assert_int_equal(document->warnings, expected == NULL ? 0 : 1);
        if (expected != NULL && strstr(document->warning[0], expected) == NULL)
            fail_msg("%s: \"%s\"", expected, document->warning[0]);
        if (strcmp(find, "Staging") == 0)
            assert_string_equal(document->title, "");
        document_free(document);
    }
}

static void test_limit_of_a_key(void **state)
{
    const char *start = KEY_VALUE " ";

    (void)state;
    struct document *document = parse_long(KEY_VALUE, start, KEY_VALUE_MAX - strlen(start));
    assert_non_null(document);
    assert_int_equal(document->warnings, 0);
    document_free(document);
    document = parse_long(KEY_VALUE, start, KEY_VALUE_MAX - strlen(start) + 1);
    assert_non_null(document);
    assert_int_equal(document->keys, 2);
    assert_int_equal(document->warnings, 1);
    assert_non_null(strstr(document->warning[0], "longer than 16384"));
    document_free(document);
}

static void test_many_warnings(void **state)
{
    struct document *document = parse_repeated(KEY_OBJECT, "", "{\"value\": \"x\"}", 100, "");

    (void)state;
    assert_non_null(document);
    assert_int_equal(document->warnings, DOCUMENT_WARNINGS_MAX + 1);
    assert_string_equal(document->warning[DOCUMENT_WARNINGS_MAX], "and 84 more");
    for (size_t i = 0; i < DOCUMENT_WARNINGS_MAX; i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "users[0].ssh_keys[%zu].value: ", i);
        assert_non_null(strstr(document->warning[i], expected));
    }
    assert_int_equal(document->keys, 2);
    document_free(document);
}

/* What cannot be a key takes no memory of one, and overwrites none. */
static void test_no_keys(void **state)
{
    static const char *const junk[] = {"0", "{}", "{\"value\": 0}"};
    char unit[4096];
    struct document *document;

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        int n = snprintf(unit, sizeof unit,
                         "{\"id\": \"#\", \"username\": \"u\", \"role\": "
                         "\"admin\", \"ssh_keys\": [%s",
                         junk[k]);
        for (int i = 1; i < DOCUMENT_KEYS_MAX; i++)
            n += snprintf(unit + n, sizeof unit - (size_t)n, ",%s", junk[k]);
        (void)snprintf(unit + n, sizeof unit - (size_t)n, "]}");
        document = parse_repeated("\"users\": [", "\"users\": [", unit, 1000, "], \"x\": [");
        assert_non_null(document);
        assert_int_equal(document->users, 1000);
        assert_int_equal(document->keys, 0);
        assert_true(document->bytes < 1000000);
        document_free(document);
        (void)snprintf(unit, sizeof unit,
                       "\"users\": [{\"id\": 1, \"username\": \"u\", \"role\": \"admin\", "
                       "\"ssh_keys\": [{\"value\": \"" KEY_VALUE "\"}, %s]}], \"x\": [",
                       junk[k]);
        document = must_with("\"users\": [", unit);
        assert_int_equal(document->keys, 1);
        assert_memory_equal(document->key[0].base64, "AAAA", 4);
        document_free(document);
    }
}

/* Equal keys stay in the document's order, however many they are. */
#define AUTHORITY "{\"title\": \"certifier\", \"value\": \"ssh-ed25519 " CERT_CA_BASE64 "\"}"

/* Each authority certifies each person. An entry that cannot be read is no authority. */
static void test_authorities(void **state)
{
    static const struct {
        const char *list, *warning;
        size_t left;
    } samples[] = {
        {"[" AUTHORITY "]", NULL, 1},
        {"[]", NULL, 0},
        {"null", NULL, 0},
        {"{}", "certificate_authorities: not an array", 0},
        {"[" AUTHORITY ", 1]", "certificate_authorities[1]: not an object", 1},
        {"[{\"value\": \"x\"}, " AUTHORITY "]", "certificate_authorities[0].value: ", 1},
        {"[{\"title\": \"x\"}]", "certificate_authorities[0].value: missing", 0},
        {"[{\"value\": \"" CERT_GOOD_TYPE " " CERT_GOOD_BASE64 "\"}]",
         "certificate_authorities[0].value: the key is a certificate", 0},
        {"[{\"value\": \"cert-authority " KEY_VALUE "\"}]",
         "certificate_authorities[0].value: ", 0},
        {"[{\"value\": \"" KEY_VALUE "\", \"expires_at\": \"x\"}]",
         "certificate_authorities[0].expires_at: ", 0},
    };
    unsigned char print[KEY_FINGERPRINT_SIZE];
    char put[4096];

    (void)state;
    assert_true(keys_fingerprint_read(CERT_CA_PRINT, print));
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        snprintf(put, sizeof put, "\"certificate_authorities\": %s, \"message\"", samples[i].list);
        struct document *document = must_with("\"message\"", put);
        assert_int_equal(document->authorities, samples[i].left);
        assert_int_equal(document->warnings, samples[i].warning != NULL);
        if (samples[i].warning != NULL)
            assert_non_null(strstr(document->warning[0], samples[i].warning));
        const struct document_key *certified = document_find_authority(document, print);
        assert_true((certified != NULL) == (samples[i].left == 1));
        for (size_t u = 0; certified != NULL && u < document->users; u++) {
            assert_ptr_equal(certified[u].user, &document->user[u]);
            assert_string_equal(certified[u].base64, CERT_CA_BASE64);
            assert_string_equal(certified[u].title, "certifier");
        }
        assert_null(document_find_key(document, print, NULL));
        document_free(document);
    }
}

static void test_order_of_keys(void **state)
{
    struct document *document = parse_repeated(
        KEY_OBJECT, "", "{\"title\": \"t#\", \"value\": \"" KEY_VALUE "\"}", 100, "");
    struct key laptop;
    const char *why;

    (void)state;
    assert_non_null(document);
    assert_int_equal(document->keys, 102);
    assert_true(keys_parse_line(KEY_VALUE, &laptop, &why));
    const struct document_key *key = NULL;
    for (size_t i = 0; i < 100; i++) {
        char title[8];
        key = document_find_key(document, laptop.fingerprint, key);
        assert_non_null(key);
        (void)snprintf(title, sizeof title, "t%zu", i);
        assert_string_equal(key->title, title);
        assert_ptr_equal(key->user, &document->user[0]);
    }
    key = document_find_key(document, laptop.fingerprint, key);
    assert_non_null(key);
    assert_ptr_equal(key->user, &document->user[1]);
    assert_null(document_find_key(document, laptop.fingerprint, key));
    for (size_t i = 1; i < document->keys; i++)
        assert_true(memcmp(document->key[i - 1].fingerprint, document->key[i].fingerprint,
                           KEY_FINGERPRINT_SIZE) <= 0);
    document_free(document);
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t time, micros;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"1969-12-31T23:59:59Z", -1, 0},
        {"2027-01-01T00:00:00Z", 1798761600, 0},
        {"2027-01-01t00:00:00z", 1798761600, 0},
        {"2027-01-01T00:00:00.999999999999Z", 1798761600, 999999},
        {"2027-01-01T00:00:00.5Z", 1798761600, 500000},
        {"2027-01-01T01:00:00.000001+01:00", 1798761600, 1},
        {"2027-01-01T01:30:00+01:30", 1798761600, 0},
        {"2026-12-31T22:00:00-02:00", 1798761600, 0},
        {"2027-01-01T00:00:00-00:00", 1798761600, 0},
        {"2024-02-29T00:00:00Z", 1709164800, 0},
        {"2024-03-01T00:00:00Z", 1709251200, 0},
        {"2000-02-29T12:00:00Z", 951825600, 0},
        {"2016-12-31T23:59:60Z", 1483228799, 999999},
        {"2016-12-31T23:59:60.2Z", 1483228799, 999999},
        {"9999-12-31T23:59:59Z", 253402300799, 0},
        {"0001-01-01T00:00:00Z", -62135596800, 0},
    };
    static const char *const bad[] = {
        "",
        "2027",
        "2027-01-01",
        "2027-01-01T00:00:00",
        "2027-01-01 00:00:00Z",
        "2027-01-01T00:00Z",
        "2027-01-01T00:00:00.Z",
        "2027-01-01T00:00:00,5Z",
        "2027-01-01T00:00:00Zx",
        "2027-01-01T00:00:00Z ",
        " 2027-01-01T00:00:00Z",
        "2027-1-01T00:00:00Z",
        "+027-01-01T00:00:00Z",
        "2027-13-01T00:00:00Z",
        "2027-00-01T00:00:00Z",
        "2027-01-00T00:00:00Z",
        "2027-01-32T00:00:00Z",
        "2027-04-31T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2027-01-01T24:00:00Z",
        "2027-01-01T00:60:00Z",
        "2027-01-01T00:00:61Z",
        "2027-01-01T00:00:00+24:00",
        "2027-01-01T00:00:00+01:60",
        "2027-01-01T00:00:00+0100",
        "2027-01-01T00:00:00+01",
        "2027-01-01T00:00:00+01:00Z",
        "20270101T000000Z",
        "0000-01-01T00:00:00Z",
    };
    int64_t time, micros;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!fields_time(good[i].text, &time, &micros))
            fail_msg("%s", good[i].text);
        assert_int_equal(time, good[i].time);
        assert_int_equal(micros, good[i].micros);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (fields_time(bad[i], &time, NULL))
            fail_msg("%s", bad[i]);
}

static void test_forwards(void **state)
{
    static const char *const good[] = {
        "localhost:1",
        "a.b-c.example:65535",
        "db_1:3306",
        "127.0.0.1:80",
        "1a:80",
        "1.example:80",
        "[::1]:80",
        "[2001:db8::a]:443",
        "[::ffff:192.0.2.1]:22",
    };
    static const char *const bad[] = {
        "",
        ":80",
        "host",
        "host:",
        "host:0",
        "host:080",
        "host:65536",
        "host:99999999999999999999",
        "host:*",
        "host:80 ",
        " host:80",
        "ho st:80",
        "*:80",
        "*.example:80",
        "ho?t:80",
        "host\":80",
        "host\\:80",
        "host,x:80",
        "host\":80,permitopen=\"x:1",
        "a:80,b:80",
        "-host:80",
        "host-:80",
        "a..b:80",
        ".a:80",
        "a.:80",
        "256.0.0.1:80",
        "1.2.3:80",
        "0127.0.0.1:80",
        "123:80",
        "::1:80",
        "[::1]",
        "[::1]:",
        "[]:80",
        "[:]:80",
        "[::1%lo]:80",
        "[fe80::1%25eth0]:80",
        "[127.0.0.1]:80",
        "[::1]x:80",
        "[localhost]:80",
        "[::1:80",
        "h\xc3\xa4:80",
        "user@host:80",
        "/run/x:80",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!fields_forward(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (fields_forward(bad[i]))
            fail_msg("%s", bad[i]);
}

/* Only these characters are allowed in a host. */
static void test_characters_of_forwards(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[] = {'a', (char)c, 'b', ':', '8', '0', '\0'};
        bool allowed = c < 128 && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789._-",
                                         c) != NULL;
        assert_int_equal(fields_forward(text), allowed);
    }
}

static void test_paths(void **state)
{
    static const char *const bad[] = {"",       "/",     "a",       "a/b",  "//",   "//a",
                                      "/a/",    "/a//b", "/.",      "/..",  "/a/.", "/a/..",
                                      "/./a",   "/../a", "/a/../b", "/a:b", "/a\n", "/a\x7f",
                                      "/a/./b", "./a",   "../a"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (fields_home(bad[i]) || fields_shell(bad[i]))
            fail_msg("%s", bad[i]);
    assert_true(fields_home("/a"));
    assert_true(fields_home("/a/...b/.c/d..e"));
    assert_true(fields_home("/a b"));
    assert_false(fields_shell("/a b"));
    assert_true(fields_shell("/usr/bin/zsh"));
    assert_true(fields_mount("a", true));
    assert_true(fields_mount("a/b", true));
    assert_true(fields_mount("", false));
    assert_false(fields_mount("", true));
    assert_true(fields_mount(".a/b", false));
    assert_false(fields_mount(".a/b", true));
    assert_false(fields_mount("a/.b", true));
    assert_true(fields_mount("a.b", true));
    assert_false(fields_mount(".", false));
    assert_false(fields_mount("..", false));
    assert_false(fields_mount("a/..", false));
    assert_false(fields_mount("a/../b", false));
    assert_false(fields_mount("./a", false));
    assert_false(fields_mount("/a", false));
    assert_false(fields_mount("a/", false));
    assert_false(fields_mount("a//b", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory), /* while no group of a curve is there */
        cmocka_unit_test(test_sample_account),
        cmocka_unit_test(test_sample_lists),
        cmocka_unit_test(test_sample_users),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_omissions),
        cmocka_unit_test(test_closed_by_omissions),
        cmocka_unit_test(test_no_memory_for_many),
        cmocka_unit_test(test_no_memory_for_envelope),
        cmocka_unit_test(test_not_checked),
        cmocka_unit_test(test_empty_arrays),
        cmocka_unit_test(test_user_ids),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_other_arguments),
        cmocka_unit_test(test_own_names),
        cmocka_unit_test(test_taken_variants),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_bad_limits),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_require),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_limits_of_lists),
        cmocka_unit_test(test_limits_of_json),
        cmocka_unit_test(test_limit_of_size),
        cmocka_unit_test(test_limits_of_strings),
        cmocka_unit_test(test_limit_of_a_key),
        cmocka_unit_test(test_overlapping_mounts),
        cmocka_unit_test(test_many_warnings),
        cmocka_unit_test(test_no_keys),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_order_of_keys),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_forwards),
        cmocka_unit_test(test_characters_of_forwards),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
