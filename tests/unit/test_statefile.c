/* SPDX-License-Identifier: Apache-2.0 */

/* State files: their format, and the order in which the disk gets to know of them. */
#include "cloudauthd/state/statefile.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HASH "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" /* of "hello" */

static int directory;

/* What the disk was asked to do: s and d for the sync of a file and of a directory, r for a rename,
 * u for an unlink. One of them can fail. */
static char calls[16], fails;

static int call(char what, long result)
{
    size_t n = strlen(calls);

    if (n < sizeof calls - 1)
        calls[n] = what;
    return (int)result;
}

static bool failing(char what)
{
    if (fails != what)
        return false;
    call(what, 0);
    errno = EIO;
    return true;
}

int fsync(int fd)
{
    struct stat st;
    char what = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? 'd' : 's';

    return failing(what) ? -1 : call(what, skip_sync(fd));
}

int renameat(int from, const char *old, int to, const char *name)
{
    return failing('r') ? -1 : call('r', syscall(SYS_renameat2, from, old, to, name, 0));
}

int unlinkat(int at, const char *name, int flags)
{
    return failing('u') ? -1 : call('u', syscall(SYS_unlinkat, at, name, flags));
}

static int setup(void **state)
{
    (void)state;
    enter_directory();
    directory = statefile_directory(directory_path(), NULL);
    assert_true(directory >= 0);
    memset(calls, 0, sizeof calls);
    fails = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(directory);
    leave_directory();
    return 0;
}

/* ---- The format ---- */

static const struct statefile_format with_length = {"cloudauth test 1 ", true};
static const struct statefile_format without = {"cloudauth test 1\nsha256 ", false};

static void assert_whole(const struct statefile_format *format, const char *expected)
{
    static const char hello[] = {'h', 'e', 'l', 'l', 'o'};
    char file[STATEFILE_HEAD_MAX + 64], bad[STATEFILE_HEAD_MAX + 64];
    const char *content;
    size_t n, size;

    memcpy(file + STATEFILE_HEAD_MAX, hello, sizeof hello);
    size = statefile_seal(format, file, 5);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(file, expected, size);
    content = statefile_open(format, file, size, &n);
    assert_ptr_equal(content, file + size - 5);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < size; i++) {
        memcpy(bad, file, size);
        bad[i] ^= 1;
        assert_null(statefile_open(format, bad, size, &n));
        assert_null(statefile_open(format, file, i, &n));
    }
    memcpy(bad, file, size);
    bad[size] = 'x';
    assert_null(statefile_open(format, bad, size + 1, &n));
}

static void test_head(void **state)
{
    char file[STATEFILE_HEAD_MAX + 1];
    size_t n;

    (void)state;
    assert_whole(&with_length, "cloudauth test 1 5 " HASH "\nhello");
    assert_whole(&without, "cloudauth test 1\nsha256 " HASH "\nhello");
    n = statefile_seal(&without, file, 0);
    assert_non_null(statefile_open(&without, file, n, &n));
    assert_int_equal(n, 0);
    assert_null(statefile_open(&with_length, file, 89, &n));
}

static void test_line(void **state)
{
    char line[STATEFILE_LINE_SIZE] = "hello";

    (void)state;
    assert_int_equal(statefile_end_line(line, 5), 23);
    assert_string_equal(line, "hello 2cf24dba5fb0a30e\n");
    memset(line, 'x', sizeof line);
    assert_int_equal(statefile_end_line(line, 237), 255);
    assert_int_equal(statefile_end_line(line, 238), 0);
    assert_int_equal(statefile_end_line(line, -1), 0);
}

struct record {
    char text[8];
    unsigned char hash[32];
    int64_t wide;
    uint32_t narrow;
    int64_t maybe;
    uint32_t also;
};

#define FIELD(name, type, member) STATEFILE_FIELD(struct record, name, STATEFILE_##type, member)
#define OPTIONAL(name, type, member)                                                               \
    STATEFILE_OPTIONAL(struct record, name, STATEFILE_##type, member)

static const struct statefile_field fields[] = {
    FIELD("text", TEXT, text),
    FIELD("hash", HASH, hash),
    FIELD("wide", NUMBER, wide),
    FIELD("narrow", NUMBER, narrow),
    OPTIONAL("maybe", NUMBER, maybe),
    OPTIONAL("also", NUMBER, also),
    {0},
};

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void assert_written(const struct record *record, const char *expected)
{
    struct record again = {0};
    char out[1024];
    const char *at = out;
    size_t n = statefile_put_fields(fields, record, out, sizeof out);

    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
    assert_true(statefile_get_fields(fields, &at, out + n, &again));
    assert_ptr_equal(at, out + n);
    assert_memory_equal(&again, record, sizeof again);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(statefile_put_fields(fields, record, out, i), 0);
}

static void test_fields(void **state)
{
    struct record record = {.hash = {0}};

    (void)state;
    assert_written(&record, "text \nhash " ZEROS "\nwide 0\nnarrow 0\n");
    strcpy(record.text, "a b  c ");
    record.wide = -INT64_MAX;
    record.narrow = UINT32_MAX;
    record.maybe = INT64_MAX;
    record.also = 7;
    assert_written(&record, "text a b  c \nhash " ZEROS "\nwide -9223372036854775807\n"
                            "narrow 4294967295\nmaybe 9223372036854775807\nalso 7\n");
    record.maybe = 0;
    record.wide = INT64_MAX;
    assert_written(&record, "text a b  c \nhash " ZEROS "\nwide 9223372036854775807\n"
                            "narrow 4294967295\nalso 7\n");
}

/* A string that would be two lines cannot be written. */
static void test_newline(void **state)
{
    const struct record record = {.text = "a\nwide"};
    char out[1024];

    (void)state;
    assert_int_equal(statefile_put_fields(fields, &record, out, sizeof out), 0);
}

static void test_malformed(void **state)
{
#define REST "narrow 0\n"
    static const char *const bad[] = {
        "",
        "text a",
        "text a\n",
        "text\nhash " ZEROS "\nwide 0\n" REST,
        "hash " ZEROS "\ntext a\nwide 0\n" REST,
        "text too long\nhash " ZEROS "\nwide 0\n" REST,
        "text a\nhash 0" ZEROS "\nwide 0\n" REST,
        "text a\nhash G"
        "000000000000000000000000000000000000000000000000000000000000000"
        "\nwide 0\n" REST,
        "text a\nhash " ZEROS "\nwide 9223372036854775808\n" REST,
        "text a\nhash " ZEROS "\nwide -\n" REST,
        "text a\nhash " ZEROS "\nwide \n" REST,
        "text a\nhash " ZEROS "\nwide 01\n" REST,
        "text a\nhash " ZEROS "\nwide 0 \n" REST,
        "text a\nhash " ZEROS "\nwide 0\nnarrow 4294967296\n",
        "text a\nhash " ZEROS "\nwide 0\nnarrow -1\n",
        "text a\nhash " ZEROS "\nwide 0\n" REST "maybe x\n",
        "text a\nhash " ZEROS "\nwide 0\n" REST "also -1\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct record record = {0};
        const char *at = bad[i];
        if (statefile_get_fields(fields, &at, bad[i] + strlen(bad[i]), &record))
            fail_msg("taken: %s", bad[i]);
    }
#undef REST
}

/* ---- The disk ---- */

static void put(const char *name, const char *text)
{
    assert_int_equal(statefile_write(directory, name, text, strlen(text)), 0);
}

static void assert_content(const char *name, const char *text)
{
    size_t size;
    char *file = statefile_read(directory, name, 100, &size);

    assert_non_null(file);
    assert_string_equal(file, text);
    assert_int_equal(size, strlen(text));
    free(file);
}

/* The file is on the disk before its name is, and the name before the caller goes on. */
static void test_write(void **state)
{
    struct stat st;

    (void)state;
    put("a", "one");
    assert_string_equal(calls, "srd");
    assert_content("a", "one");
    put("a", "2");
    assert_content("a", "2");
    assert_int_equal(fstatat(directory, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_not_equal(fstatat(directory, "new", &st, 0), 0);
}

static void test_write_fails(void **state)
{
    static const struct {
        char what;
        const char *then;
    } faults[] = {{'s', "one"}, {'r', "one"}, {'d', "two"}};

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        put("a", "one");
        fails = faults[i].what;
        assert_int_equal(statefile_write(directory, "a", "two", 3), EIO);
        fails = 0;
        assert_content("a", faults[i].then);
    }
    assert_int_equal(statefile_remove(directory, "new"), 0);
    assert_int_equal(mkdirat(directory, "new", 0700), 0);
    assert_int_equal(statefile_write(directory, "a", "two", 3), EISDIR);
}

static void test_remove(void **state)
{
    (void)state;
    put("a", "one");
    memset(calls, 0, sizeof calls);
    assert_int_equal(statefile_remove(directory, "a"), 0);
    assert_string_equal(calls, "ud");
    put("a", "one");
    fails = 'd';
    assert_int_equal(statefile_remove(directory, "a"), EIO);
    /* The file is gone, but not from the disk yet. */
    assert_int_equal(statefile_remove(directory, "a"), EIO);
    fails = 0;
    memset(calls, 0, sizeof calls);
    assert_int_equal(statefile_remove(directory, "a"), 0);
    assert_string_equal(calls, "ud");
    fails = 'u';
    assert_int_equal(statefile_remove(directory, "a"), EIO);
}

static int read_error(const char *name, size_t most)
{
    size_t size;

    errno = 0;
    assert_null(statefile_read(directory, name, most, &size));
    return errno;
}

static void test_read(void **state)
{
    char name[128];

    (void)state;
    assert_int_equal(read_error("a", 100), ENOENT);
    put("a", "one");
    assert_int_equal(read_error("a", 2), EFBIG);
    assert_int_equal(symlinkat("a", directory, "link"), 0);
    assert_int_equal(read_error("link", 100), ELOOP);
    assert_int_equal(mkdirat(directory, "below", 0700), 0);
    assert_int_equal(read_error("below", 100), EPERM);
    assert_int_equal(mkfifoat(directory, "pipe", 0600), 0);
    assert_int_equal(read_error("pipe", 100), EPERM);
    snprintf(name, sizeof name, "%s/a", directory_path());
    assert_int_equal(chmod(name, 0620), 0);
    assert_int_equal(read_error("a", 100), EPERM);
    assert_int_equal(chmod(name, 0602), 0);
    assert_int_equal(read_error("a", 100), EPERM);
    assert_int_equal(chmod(name, 0644), 0);
    assert_content("a", "one");
    if (geteuid() == 0) {
        assert_int_equal(chown(name, 1, 1), 0);
        assert_int_equal(read_error("a", 100), EPERM);
    }
}

static void test_set_aside(void **state)
{
    (void)state;
    put("a", "one");
    statefile_set_aside(directory, "a", "test", "nothing is lost");
    assert_int_equal(read_error("a", 100), ENOENT);
    assert_content("a.damaged", "one");
    /* Where it cannot be renamed it goes, so that it is not found again. */
    put("a", "two");
    fails = 'r';
    statefile_set_aside(directory, "a", "test", "nothing is lost");
    assert_int_equal(read_error("a", 100), ENOENT);
}

static void open_below(void *path)
{
    (void)statefile_directory(path, "a");
}

static void test_directory(void **state)
{
    struct stat st;
    int below;

    (void)state;
    assert_fatal(open_below, (void *)"/nonexistent");
    below = statefile_directory(directory_path(), "below");
    assert_true(below >= 0);
    assert_int_equal(fstat(below, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    close(below);
    /* A daemon that was killed may have changed it and not synced it. */
    memset(calls, 0, sizeof calls);
    below = statefile_directory(directory_path(), "below");
    assert_true(below >= 0);
    assert_string_equal(calls, "d");
    close(below);
    fails = 'd';
    below = statefile_directory(directory_path(), "below");
    assert_true(below >= 0);
    close(below);
    fails = 0;
    put("a", "one");
    assert_fatal(open_below, (void *)(uintptr_t)directory_path());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_newline),
        cmocka_unit_test(test_malformed),
        TEST(test_write),
        TEST(test_write_fails),
        TEST(test_remove),
        TEST(test_read),
        TEST(test_set_aside),
        TEST(test_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
