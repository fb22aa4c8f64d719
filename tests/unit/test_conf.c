/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf.h"
#include "tests/unit/support.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEEDED "access_url = file:///srv/{project}/{environment}.json\nallow = *\n"

static const char path[] = "conf";
static struct cloud_conf conf;
static struct cloud_conf_error error;

static bool reads(const char *text)
{
    write_file(path, text);
    return cloud_conf_read(&conf, path, geteuid(), &error);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_true(reads(NEEDED));
    assert_int_equal(conf.uid_min, 70000);
    assert_int_equal(conf.uid_max, 99999);
    assert_int_equal(conf.ssh_gid, 69998);
    assert_int_equal(conf.sftp_gid, 69999);
    assert_int_equal(conf.keys_fresh, 3);
    assert_int_equal(conf.account_fresh, 300);
    assert_int_equal(conf.absent_fresh, 10);
    assert_int_equal(conf.max_stale, 3600);
    assert_int_equal(conf.connect_timeout, 1);
    assert_int_equal(conf.request_timeout, 5);
    assert_string_equal(conf.env_prefix, "CLOUDAUTH_");
    assert_int_equal(conf.session_recheck, 60);
    assert_int_equal(conf.session_max_stale, 0);
    assert_string_equal(conf.host_id, "");
    assert_string_equal(conf.changes_url, "");
    assert_int_equal(conf.changes_wait, 10);
}

static void test_values(void **state)
{
    (void)state;
    assert_true(reads("# a comment\n\n  access_url=http://127.0.0.1/{project}/{environment} # why\n"
                      "\tallow\t=  abc* def \nallow = ghi\nkeys_fresh = 10s\nmax_stale=2 h\n"
                      "account_fresh = 5m\nuid_min=1000\nuid_max = 2147483646\nssh_gid = 2147483646"
                      "\nsftp_gid=999999\nenvironment_suffixes = _dev=develop _stg=staging") ==
                false); /* the marker group lies in the range */
    assert_non_null(strstr(error.text, "ssh_gid"));
    assert_true(reads("access_url=http://127.0.0.1/{project}/{environment} # why\n"
                      "changes_url = https://api.example.com/v1/changes\nallow = abc* def "
                      "\nallow = ghi\nkeys_fresh = 10s\nmax_stale=2 h\n"
                      "account_fresh = 5m\nenvironment_suffixes = _dev=develop _stg=staging"));
    assert_string_equal(conf.access_url, "http://127.0.0.1/{project}/{environment}");
    assert_string_equal(conf.changes_url, "https://api.example.com/v1/changes");
    assert_int_equal(conf.keys_fresh, 10);
    assert_int_equal(conf.max_stale, 7200);
    assert_int_equal(conf.account_fresh, 300);
    assert_int_equal(conf.grammar.suffixes, 2);
    size_t at = 0;
    assert_string_equal(cloud_words_next(&conf.grammar.allow, &at), "abc*");
    assert_string_equal(cloud_words_next(&conf.grammar.allow, &at), "def");
    assert_string_equal(cloud_words_next(&conf.grammar.allow, &at), "ghi");
    assert_null(cloud_words_next(&conf.grammar.allow, &at));
}

static void test_certificates(void **state)
{
    static const char *const wrong[] = {
        "certificates_max = 0", "certificates_max = never", "certificates_max = 4294967295",
        "session_outlives_certificate = maybe", "certificates_claims ="};

    (void)state;
    cloud_conf_defaults(&conf);
    assert_int_equal(conf.certificates_max, 86400);
    assert_string_equal(conf.certificates_claims, "token-claims@platform.sh");
    assert_true(cloud_conf_line(&conf, "certificates_claims = a@b", 25, &error));
    assert_string_equal(conf.certificates_claims, "a@b");
    assert_true(conf.session_outlives_certificate);
    assert_true(cloud_conf_line(&conf, "certificates_max = 30m", 22, &error));
    assert_int_equal(conf.certificates_max, 1800);
    assert_true(cloud_conf_line(&conf, "certificates_max = forever", 26, &error));
    assert_true(conf.certificates_max == UINT32_MAX);
    assert_true(cloud_conf_line(&conf, "session_outlives_certificate = no", 33, &error));
    assert_false(conf.session_outlives_certificate);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(cloud_conf_line(&conf, wrong[i], strlen(wrong[i]), &error));
}

static void test_wrong_session_times(void **state)
{
    static const char *const lines[] = {"session_recheck = 86401", "session_recheck = -1",
                                        "session_max_stale = 86401", "session_max_stale = never"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        cloud_conf_defaults(&conf);
        assert_false(cloud_conf_line(&conf, lines[i], strlen(lines[i]), &error));
        assert_memory_equal(error.text, lines[i], strcspn(lines[i], " "));
    }
}

/* Each line is wrong; the error names its number and its key. */
static const struct {
    const char *line, *says;
} wrong_lines[] = {
    {"unknown_key = 1", "unknown key: unknown_key"},
    {"token_files = /x", "unknown key"},
    {"Allow = *", "unknown key"},
    {"nonsense", "not `key = value`"},
    {"= 3", "unknown key"},
    {"allow =", "allow: "},
    {"allow = a/b", "a bad name or pattern: a/b"},
    {"allow = a;b", "allow: "},
    {"uid_min = 0", "uid_min: "},
    {"uid_min = 999", "uid_min: "},
    {"uid_min = -1", "uid_min: "},
    {"uid_min = 1e5", "uid_min: "},
    {"uid_max = 4294967295", "uid_max: "},
    {"uid_max = 99999999999999999999999", "uid_max: "},
    {"ssh_gid = 0", "ssh_gid: "},
    {"keys_fresh = fast", "keys_fresh: "},
    {"keys_fresh = 3d", "keys_fresh: "},
    {"keys_fresh = 03", "keys_fresh: "},
    {"max_stale = 86401", "max_stale: "},
    {"max_stale = 25h", "max_stale: "},
    {"max_stale = 4294967296s", "max_stale: "},
    {"connect_timeout = 0", "connect_timeout: "},
    {"changes_wait = 0", "changes_wait: "},
    {"changes_wait = 61s", "changes_wait: "},
    {"changes_url = https://a b/", "changes_url: "},
    {"request_timeout = 61", "request_timeout: "},
    {"project_id_length = 7", "project_id_length: "},
    {"project_id_length = 4-20", "project_id_length: "},
    {"project_id_length = 20-7", "project_id_length: "},
    {"project_id_length = 7-33", "project_id_length: "},
    {"environment_suffixes = _sftp=sftp", "environment_suffixes: "},
    {"environment_suffixes = _stg=production", "environment_suffixes: "},
    {"environment_suffixes = stg=staging", "environment_suffixes: "},
    {"environment_suffixes = _stg2=staging", "environment_suffixes: "},
    {"environment_suffixes = _stg=staging2", "environment_suffixes: "},
    {"environment_suffixes = _stg=../x", "environment_suffixes: "},
    {"environment_suffixes = _stg=staging _s=staging", "environment_suffixes: "},
    {"environment_suffixes = _stg=staging _s=smith-abcdefg", "environment_suffixes: "},
    {"environment_suffixes = _stg=staging _stg=stage", "environment_suffixes: "},
    {"reserved_names = a*", "reserved_names: "},
    {"env_prefix = LD_PRELOAD=", "env_prefix: "},
    {"env_prefix = 1X", "env_prefix: "},
    {"access_url = http://a b/", "access_url: "},
    {"host_id = a\x01", "control character"},
    {"token_file =", "token_file: "},
    {"token_file = ./token", "token_file: neither"},
    {"token_file = ../token", "token_file: neither"},
    {"token_file = .token", "token_file: neither"},
    {"token_file = a/token", "token_file: neither"},
    {"client_id_file = a*", "client_id_file: neither"},
    {"client_key = a b", "client_key: neither"},
    {"client_cert = ~/cert", "client_cert: neither"},
    {"ca_file = $HOME", "ca_file: neither"},
    {"token_url =", "token_url: "},
    {"token_url = https://a b/", "token_url: the URL has"},
    {"proxy = http://\xc3\xa4/", "proxy: the URL has"},
};

static void test_wrong_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_lines / sizeof wrong_lines[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, NEEDED "%s\n", wrong_lines[i].line);
        if (reads(text))
            fail_msg("`%s` was taken", wrong_lines[i].line);
        assert_int_equal(error.line, 3);
        if (strstr(error.text, wrong_lines[i].says) == NULL)
            fail_msg("`%s`: %s", wrong_lines[i].line, error.text);
    }
}

static void test_required(void **state)
{
    (void)state;
    assert_false(reads("allow = *\n"));
    assert_non_null(strstr(error.text, "access_url"));
    assert_false(reads("access_url = file:///srv/{project}.json\n"));
    assert_non_null(strstr(error.text, "allow"));
    assert_false(reads(NEEDED "uid_min = 300000\nuid_max = 299999\n"));
    assert_false(reads(NEEDED "ssh_gid = 69999\n"));
    assert_false(reads(""));
}

static void test_credentials(void **state)
{
    (void)state;
    assert_true(reads(NEEDED));
    assert_string_equal(conf.token_file, "");
    assert_string_equal(conf.proxy, "");
    assert_true(reads(NEEDED "token_file = /etc/cloudauth/the token\nca_file = /etc/ca.pem\n"
                             "client_cert = web1.pem\nclient_key=web1.key\n"
                             "proxy = http://proxy.example.com:3128\n"));
    assert_string_equal(conf.token_file, "/etc/cloudauth/the token");
    assert_string_equal(conf.ca_file, "/etc/ca.pem");
    assert_string_equal(conf.client_cert, "web1.pem");
    assert_string_equal(conf.client_key, "web1.key");
    assert_string_equal(conf.proxy, "http://proxy.example.com:3128");
    assert_true(reads(NEEDED "proxy = http://proxy.example.com:3128\nproxy =\n"));
    assert_string_equal(conf.proxy, "");
    assert_true(reads(NEEDED "token_url = https://auth.example.com/\ntoken_file = /a\n"));
    assert_true(reads(NEEDED "token_url = https://auth.example.com/\nclient_id_file = /a\n"));
    assert_string_equal(conf.client_id_file, "/a");
}

/* Keys that need each other. */
static void test_credentials_together(void **state)
{
    (void)state;
    assert_false(reads(NEEDED "token_url = https://auth.example.com/\n"));
    assert_non_null(strstr(error.text, "token_url needs"));
    assert_false(reads(NEEDED "token_url = https://auth.example.com/\ntoken_file = /a\n"
                              "client_id_file = /b\n"));
    assert_non_null(strstr(error.text, "and not both"));
    assert_false(reads(NEEDED "client_id_file = /b\n"));
    assert_non_null(strstr(error.text, "client_id_file needs"));
    assert_false(reads(NEEDED "client_cert = /b\n"));
    assert_non_null(strstr(error.text, "client_cert and client_key"));
    assert_false(reads(NEEDED "client_key = /b\n"));
    assert_non_null(strstr(error.text, "client_cert and client_key"));
}

static void assert_fault(enum cloud_conf_fault fault)
{
    assert_false(cloud_conf_read(&conf, path, geteuid(), &error));
    assert_int_equal(error.fault, fault);
}

static void test_file(void **state)
{
    (void)state;
    write_file(path, "colour = blue\n");
    assert_fault(CLOUD_CONF_CONTENT);
    assert_true(reads(NEEDED));
    assert_int_equal(chmod(path, 0664), 0);
    assert_fault(CLOUD_CONF_ACCESS);
    assert_non_null(strstr(error.text, "writable"));
    assert_int_equal(chmod(path, 0646), 0);
    assert_fault(CLOUD_CONF_ACCESS);
    assert_int_equal(chmod(path, 0644), 0);
    assert_true(cloud_conf_read(&conf, path, geteuid(), &error));
    assert_false(cloud_conf_read(&conf, path, geteuid() + 1, &error));
    assert_int_equal(error.fault, CLOUD_CONF_ACCESS);
    assert_false(cloud_conf_read(&conf, ".", geteuid(), &error));
    assert_int_equal(error.fault, CLOUD_CONF_TYPE);
    unlink(path);
    assert_fault(CLOUD_CONF_MISSING);
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_fault(CLOUD_CONF_TYPE); /* and does not hang */
    unlink(path);
    assert_int_equal(symlink(path, path), 0);
    assert_fault(CLOUD_CONF_TYPE);
    unlink(path);
}

/* A file that only this process cannot open, or not now, has no fault. */
static void test_file_unread(void **state)
{
    struct rlimit before, none;

    (void)state;
    assert_true(reads(NEEDED));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool read = cloud_conf_read(&conf, path, geteuid(), &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(read);
    assert_int_equal(error.fault, CLOUD_CONF_UNREAD);
    assert_false(cloud_conf_read(&conf, "conf/below", geteuid(), &error));
    assert_int_equal(error.fault, CLOUD_CONF_UNREAD);
    unlink(path);
}

static void test_sizes(void **state)
{
    static char big[CLOUD_CONF_MAX + 2];
    static char line[CLOUD_CONF_LINE_MAX + 128] = NEEDED "#";

    (void)state;
    memset(line + strlen(line), 'x', sizeof line - strlen(line) - 1);
    assert_false(reads(line));
    assert_non_null(strstr(error.text, "too long"));
    memset(big, '\n', sizeof big - 1);
    assert_false(reads(big));
    assert_non_null(strstr(error.text, "larger"));
    assert_int_equal(error.fault, CLOUD_CONF_CONTENT);
    write_bytes(path, NEEDED "host_id = a\0b\n", sizeof NEEDED + 14);
    assert_false(cloud_conf_read(&conf, path, geteuid(), &error));
}

/* What the release before had is ignored, whatever its value, and its line is remembered. */
static void test_obsolete(void **state)
{
    (void)state;
    assert_true(reads(NEEDED));
    for (int i = 0; i < CLOUD_CONF_OBSOLETE; i++)
        assert_int_equal(conf.obsolete_line[i], 0);
    assert_true(reads(NEEDED "metrics_listen = 127.0.0.1:9911\n\nmetrics_socket = \n"));
    assert_string_equal(cloud_conf_obsolete[0].key, "metrics_socket");
    assert_int_equal(conf.obsolete_line[0], 5);
    assert_string_equal(cloud_conf_obsolete[1].key, "metrics_listen");
    assert_int_equal(conf.obsolete_line[1], 3);
    assert_non_null(strstr(cloud_conf_obsolete[1].instead, "cloudauthctl metrics"));
    assert_true(reads(NEEDED "accounts_url = file:///{\n"));
    assert_string_equal(cloud_conf_obsolete[2].key, "accounts_url");
    assert_int_equal(conf.obsolete_line[2], 3);
    assert_true(reads(NEEDED "metrics_listen = 0.0.0.0:99999999\n"));
    assert_false(reads(NEEDED "metrics_listens = 127.0.0.1:9911\n"));
    assert_false(reads(NEEDED "metrics_listen\n"));
}

static void assert_homes(const char *lines, const char *const *home, bool want)
{
    char text[512];

    snprintf(text, sizeof text, NEEDED "%s", lines);
    assert_true(reads(text));
    for (; *home != NULL; home++)
        if (cloud_conf_has_home(&conf, *home) != want)
            fail_msg("with \"%s\", %s is %s", lines, *home, want ? "refused" : "allowed");
}

static void test_homes(void **state)
{
    static const char *const in_app[] = {"/app/x", "/app/.x", "/app/with space", NULL};
    static const char *const not_in_app[] = {
        "",         "app/x",     "/app",       "/app/",     "/app//x",   "//app/x", "/app/x/",
        "/app/x/y", "/app/../x", "/app/./x",   "/app/..",   "/app/.",    "/",       "/etc/x",
        "/app2/x",  "/x/app/x",  "/app/x\n/y", "/app/\x7f", "/app/x/..", NULL};
    static const char *const more[] = {"/srv/a/web/u1", "/home/u", "/exactly/this", NULL};
    static const char *const not_more[] = {
        "/app/x",         "/srv/a/b/web/u1", "/srv/a/web/x1", "/home/u/v",
        "/exactly/this/", "/exactly/this/x", "/srv/a/web",    NULL};

    static const char *const wrong[] = {"",        "app/*",     "/",        "/app/",
                                        "/app//*", "/app/../*", "/app/* *", NULL};

    (void)state;
    for (const char *const *at = wrong; *at != NULL; at++) {
        char text[256];
        snprintf(text, sizeof text, NEEDED "homes = %s\n", *at);
        assert_false(reads(text));
        assert_memory_equal(error.text, "homes: ", 7);
    }
    assert_homes("", in_app, true);
    assert_homes("", not_in_app, false);
    assert_homes("homes = /srv/*/web/u* /home/*\nhomes = /exactly/this\n", more, true);
    assert_homes("homes = /srv/*/web/u* /home/*\nhomes = /exactly/this\n", not_more, false);
}

/* Any prefix of a good file is either good or an error: never a crash, never half a value. */
static void test_every_prefix(void **state)
{
    static const char text[] = NEEDED "uid_min = 250000\nuid_max = 260000\n";

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        write_bytes(path, text, n);
        if (cloud_conf_read(&conf, path, geteuid(), &error))
            assert_true(conf.uid_min <= conf.uid_max && conf.uid_min >= CLOUD_ID_FLOOR);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_values),
        cmocka_unit_test(test_wrong_lines),  cmocka_unit_test(test_wrong_session_times),
        cmocka_unit_test(test_certificates), cmocka_unit_test(test_required),
        cmocka_unit_test(test_file),         cmocka_unit_test(test_file_unread),
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_credentials),  cmocka_unit_test(test_credentials_together),
        cmocka_unit_test(test_obsolete),     cmocka_unit_test(test_homes),
    };

    return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
