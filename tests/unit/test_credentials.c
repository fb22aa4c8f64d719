/* SPDX-License-Identifier: Apache-2.0 */

/* Credential files: which may be used, and what is read from them. */
#include "cloudauthd/api/credentials.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "s3cr3t+/t0k3n=="

static const char *path;
static char why[300];
static struct credential read_out;

static int setup_path(void **state)
{
    setup_directory(state);
    path = in_directory("token");
    return 0;
}

static void write_mode(const void *bytes, size_t n, mode_t mode)
{
    unlink(path);
    write_bytes(path, bytes, n);
    assert_int_equal(chmod(path, mode), 0);
}

/* Reads a file; the message contains nothing of its content. */
static bool reads_name(const char *name, enum credential_kind kind)
{
    const struct credential_file file = {"token_file", name, kind};
    bool ok;

    why[0] = '\0';
    ok = credential_read(&file, &read_out, why, sizeof why);
    assert_int_equal(ok, why[0] == '\0');
    assert_int_equal(ok, read_out.bytes != NULL);
    assert_null(strstr(why, "s3cr3t"));
    return ok;
}

static bool reads(enum credential_kind kind)
{
    return reads_name(path, kind);
}

static void refused(enum credential_kind kind, const char *reason)
{
    char start[128];

    snprintf(start, sizeof start, "credential unusable: token_file %s: ", path);
    if (reads(kind) || strncmp(why, start, strlen(start)) != 0 || strstr(why, reason) == NULL)
        fail_msg("expected %s, but: %s", reason, why);
}

static void test_text(void **state)
{
    (void)state;
    write_mode(SECRET, strlen(SECRET), 0400);
    assert_true(reads(CREDENTIAL_TEXT));
    assert_string_equal(read_out.bytes, SECRET);
    credential_wipe(&read_out);
    assert_null(read_out.bytes);
    write_mode(SECRET "\n", strlen(SECRET) + 1, 0600);
    assert_true(reads(CREDENTIAL_TEXT));
    assert_string_equal(read_out.bytes, SECRET);
    assert_int_equal(read_out.length, strlen(SECRET));
    credential_wipe(&read_out);
}

static void test_odd_text(void **state)
{
    static const char *const odd[] = {
        SECRET "\n\n", SECRET "\r\n", "\n" SECRET,   SECRET "\nX-Other: header", SECRET " x",
        "\t" SECRET,   SECRET "\x7f", SECRET "\x80", SECRET "\xc3\xa4",          "\x1b" SECRET,
    };

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        write_mode(odd[i], strlen(odd[i]), 0400);
        refused(CREDENTIAL_TEXT, "not one line");
    }
    write_mode(SECRET "\0x", sizeof SECRET + 1, 0400);
    refused(CREDENTIAL_TEXT, "not one line");
    write_mode("", 0, 0400);
    refused(CREDENTIAL_TEXT, "empty");
    write_mode("\n", 1, 0400);
    refused(CREDENTIAL_TEXT, "empty");
}

static void test_sizes(void **state)
{
    static char big[CREDENTIAL_MAX + 1];

    (void)state;
    memset(big, 'a', sizeof big);
    write_mode(big, CREDENTIAL_TEXT_MAX, 0400);
    assert_true(reads(CREDENTIAL_TEXT));
    assert_int_equal(read_out.length, CREDENTIAL_TEXT_MAX);
    credential_wipe(&read_out);
    write_mode(big, CREDENTIAL_TEXT_MAX + 1, 0400);
    refused(CREDENTIAL_TEXT, "longer than");
    write_mode(big, CREDENTIAL_MAX, 0400);
    assert_true(reads(CREDENTIAL_KEY));
    assert_int_equal(read_out.length, CREDENTIAL_MAX);
    credential_wipe(&read_out);
    write_mode(big, CREDENTIAL_MAX + 1, 0400);
    refused(CREDENTIAL_KEY, "larger than");
}

static void test_modes(void **state)
{
    (void)state;
    write_mode(SECRET, strlen(SECRET), 0400);
    for (mode_t mode = 0400; mode <= 0777; mode++) {
        if ((mode & 0400) == 0)
            continue;
        assert_int_equal(chmod(path, mode), 0);
        if ((mode & 077) != 0) {
            refused(CREDENTIAL_TEXT, "accessible to others");
            refused(CREDENTIAL_KEY, "accessible to others");
        } else {
            assert_true(reads(CREDENTIAL_TEXT));
            credential_wipe(&read_out);
        }
        if ((mode & 022) != 0) {
            refused(CREDENTIAL_PUBLIC, "writable by others");
        } else {
            assert_true(reads(CREDENTIAL_PUBLIC));
            credential_wipe(&read_out);
        }
    }
}

static void test_no_file(void **state)
{
    (void)state;
    unlink(path);
    refused(CREDENTIAL_TEXT, "No such file");
    assert_int_equal(mkfifo(path, 0400), 0);
    refused(CREDENTIAL_TEXT, "not a regular file"); /* and opening it does not wait */
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    refused(CREDENTIAL_PUBLIC, "not a regular file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    refused(CREDENTIAL_TEXT, "not a regular file");
    unlink(path);
}

/* The opened file is checked, not the link. */
static void test_link(void **state)
{
    char target[80];

    (void)state;
    write_mode(SECRET, strlen(SECRET), 0400);
    snprintf(target, sizeof target, "%s.target", path);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_true(reads(CREDENTIAL_TEXT));
    credential_wipe(&read_out);
    assert_int_equal(chmod(target, 0444), 0);
    refused(CREDENTIAL_TEXT, "accessible to others");
    unlink(target);
}

static void test_credentials_directory(void **state)
{
    struct cloud_conf conf;

    (void)state;
    cloud_conf_defaults(&conf);
    credentials_directory(NULL);
    assert_true(credentials_check(&conf, why, sizeof why));
    strcpy(conf.client_key, "token");
    assert_false(credentials_check(&conf, why, sizeof why));
    assert_non_null(strstr(why, "client_key: token is no path"));
    credentials_directory("relative");
    assert_false(credentials_check(&conf, why, sizeof why));
    credentials_directory(directory_path());
    assert_true(credentials_check(&conf, why, sizeof why));
    write_mode(SECRET, strlen(SECRET), 0440);
    /* In the credentials directory a file of root's may be readable by its group. */
    assert_int_equal(reads_name("token", CREDENTIAL_KEY), geteuid() == 0);
    credential_wipe(&read_out);
    assert_int_equal(chmod(path, 0460), 0);
    assert_false(reads_name("token", CREDENTIAL_KEY));
    assert_int_equal(chmod(path, 0444), 0);
    assert_false(reads_name("token", CREDENTIAL_KEY));
    assert_int_equal(chmod(path, 0400), 0);
    assert_true(reads_name("token", CREDENTIAL_TEXT));
    assert_string_equal(read_out.bytes, SECRET);
    credential_wipe(&read_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_odd_text),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_credentials_directory),
    };

    return cmocka_run_group_tests(tests, setup_path, teardown_directory);
}
