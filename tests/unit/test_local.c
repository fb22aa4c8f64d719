/* SPDX-License-Identifier: Apache-2.0 */
#include "common/local.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char path[] = "passwd";

/* ---- read(2), which the test can make fail ---- */

static size_t read_most; /* bytes a call returns at most; 0: as many as there are */
static unsigned fail_at; /* the number of the call that fails; 0: none */
static int fail_with;    /* its errno */
static unsigned reads_so_far;

ssize_t read(int fd, void *buffer, size_t n)
{
    if (++reads_so_far == fail_at) {
        errno = fail_with;
        return -1;
    }
    return syscall(SYS_read, fd, buffer, read_most != 0 && n > read_most ? read_most : n);
}

static int setup(void **state)
{
    (void)state;
    read_most = 0;
    fail_at = reads_so_far = 0;
    return 0;
}

#define MOST 16

struct seen {
    size_t n, stop_at; /* 0: never */
    struct cloud_local_entry entry[MOST];
};

static bool see(void *arg, const struct cloud_local_entry *entry)
{
    struct seen *seen = arg;

    assert_true(seen->n < MOST);
    assert_non_null(memchr(entry->name, '\0', sizeof entry->name));
    seen->entry[seen->n++] = *entry;
    return seen->n != seen->stop_at;
}

static struct seen scan_bytes(const char *bytes, size_t n, bool passwd)
{
    struct seen seen = {0};

    write_bytes(path, bytes, n);
    assert_true(cloud_local_scan(path, passwd, see, &seen));
    return seen;
}

static struct seen scan(const char *text)
{
    return scan_bytes(text, strlen(text), true);
}

static void assert_entry(const struct seen *seen, size_t i, const char *name, int64_t id,
                         int64_t gid)
{
    const struct cloud_local_entry *entry = &seen->entry[i];

    assert_true(i < seen->n);
    assert_string_equal(entry->name, name);
    assert_int_equal(entry->id_ok, id >= 0);
    assert_int_equal(entry->gid_ok, gid >= 0);
    assert_int_equal(entry->id, id >= 0 ? id : 0);
    assert_int_equal(entry->gid, gid >= 0 ? gid : 0);
}

static void test_passwd(void **state)
{
    struct seen seen = scan("root:x:0:0:root:/root:/bin/bash\n"
                            "alice:x:1000:1001:A,B:/home/alice:/bin/sh\n");

    (void)state;
    assert_int_equal(seen.n, 2);
    assert_entry(&seen, 0, "root", 0, 0);
    assert_entry(&seen, 1, "alice", 1000, 1001);
}

/* The fourth field of a group's line are its members, even if they look like an id. */
static void test_group(void **state)
{
    static const char text[] = "adm:x:4:syslog,alice\nodd:x:5:6\nempty:x:7:\n";
    struct seen seen = scan_bytes(text, sizeof text - 1, false);

    (void)state;
    assert_int_equal(seen.n, 3);
    assert_entry(&seen, 0, "adm", 4, -1);
    assert_entry(&seen, 1, "odd", 5, -1);
    assert_entry(&seen, 2, "empty", 7, -1);
}

static void test_no_final_newline(void **state)
{
    struct seen seen = scan("a:x:1:2\nbob:x:1002:1003:::");

    (void)state;
    assert_int_equal(seen.n, 2);
    assert_entry(&seen, 0, "a", 1, 2);
    assert_entry(&seen, 1, "bob", 1002, 1003);
    seen = scan("bob:x:1:2");
    assert_entry(&seen, 0, "bob", 1, 2);
    seen = scan("bob:");
    assert_entry(&seen, 0, "bob", -1, -1);
    assert_int_equal(scan("bob").n, 0);
    assert_int_equal(scan("").n, 0);
}

static void test_passed_over(void **state)
{
    struct seen seen =
        scan("\n\n# comment:x:1:1\n#c:x:2:2::: \n+\n+nis::::::\n-nis:x:3:3\n+@group::::\n"
             "noname\n   \nlast:x:5:5\n");

    (void)state;
    assert_int_equal(seen.n, 1);
    assert_entry(&seen, 0, "last", 5, 5);
}

/* libc skips blanks before a name and before an id, and a sign before that, and takes an empty
 * name: such a user is local. */
static void test_leading_blanks(void **state)
{
    struct seen seen = scan(" alice:x:1:2\n\t bob:x:3:4\n  # comment:x:5:5\nin side:x:6:7\n"
                            "id:x: 8:\t+09\n:x:10:11\nbehind:x:12 :13\n");

    (void)state;
    assert_int_equal(seen.n, 6);
    assert_entry(&seen, 3, "id", 8, 9);
    assert_entry(&seen, 4, "", 10, 11);
    assert_entry(&seen, 5, "behind", -1, 13);
    assert_entry(&seen, 0, "alice", 1, 2);
    assert_entry(&seen, 1, "bob", 3, 4);
    assert_entry(&seen, 2, "in side", 6, 7);
}

static void test_missing_fields(void **state)
{
    struct seen seen = scan("a:\nb:x\nc:x:\nd:x:1\ne:x:1:\nf:x::2\ng:::\n");

    (void)state;
    assert_int_equal(seen.n, 7);
    assert_entry(&seen, 0, "a", -1, -1);
    assert_entry(&seen, 1, "b", -1, -1);
    assert_entry(&seen, 2, "c", -1, -1);
    assert_entry(&seen, 3, "d", 1, -1);
    assert_entry(&seen, 4, "e", 1, -1);
    assert_entry(&seen, 5, "f", -1, 2);
    assert_entry(&seen, 6, "g", -1, -1);
}

static void test_ids(void **state)
{
    struct seen seen =
        scan("most:x:4294967295:4294967295\nbig:x:4294967296:1\n"
             "long:x:42949672950:1\nlonger:x:1:100000000000000000000000000\n"
             "minus:x:-1:1\nhex:x:0x1:1\nword:x:root:1\nzeros:x:0001000:000000000000\n"
             "lead:x:00000000000000200001:2\n");

    (void)state;
    assert_int_equal(seen.n, 9);
    assert_entry(&seen, 0, "most", UINT32_MAX, UINT32_MAX);
    assert_entry(&seen, 1, "big", -1, 1);
    assert_entry(&seen, 2, "long", -1, 1);
    assert_entry(&seen, 3, "longer", 1, -1);
    assert_entry(&seen, 4, "minus", -1, 1);
    assert_entry(&seen, 5, "hex", -1, 1);
    assert_entry(&seen, 6, "word", -1, 1);
    assert_entry(&seen, 7, "zeros", 1000, 0);
    assert_entry(&seen, 8, "lead", 200001, 2);
}

/* No part of a line is left in the entry of the next one. */
static void test_lines_apart(void **state)
{
    struct seen seen = scan("longname:x:1:2:::\nb:x\nccc:x:3\n");

    (void)state;
    assert_entry(&seen, 1, "b", -1, -1);
    assert_entry(&seen, 2, "ccc", 3, -1);
    for (size_t i = 1; i < CLOUD_LOCAL_NAME_SIZE; i++)
        assert_int_equal(seen.entry[1].name[i], 0);
}

static void test_crlf(void **state)
{
    struct seen seen = scan("a:x:1:2:::/bin/sh\r\nb:x:3\r\n\r\nc:x:4:5:\r\n");

    (void)state;
    assert_int_equal(seen.n, 3);
    assert_entry(&seen, 0, "a", 1, 2);
    assert_entry(&seen, 1, "b", -1, -1);
    assert_entry(&seen, 2, "c", 4, 5);
}

/* A name ends at its NUL; the ids of the line count nevertheless. */
static void test_nul_bytes(void **state)
{
    static const char text[] = "al\0ice:x:1:2\n\0bob:x:3:4\nc:x:5\0:6\nd:\0:7:8\n";
    struct seen seen = scan_bytes(text, sizeof text - 1, true);

    (void)state;
    assert_int_equal(seen.n, 4);
    assert_entry(&seen, 0, "al", 1, 2);
    assert_entry(&seen, 1, "", 3, 4);
    assert_entry(&seen, 2, "c", -1, 6);
    assert_entry(&seen, 3, "d", 7, 8);
}

/* A name of any length is cut, and its ids are still known as local. */
static void test_long_names(void **state)
{
    static const size_t lengths[] = {254, 255, 256, 257, 4095, 4096, 4097, 100000};
    static char text[100064], name[CLOUD_LOCAL_NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t n = lengths[i];
        memset(text, 'n', n);
        strcpy(text + n, ":x:11:12:::\nnext:x:1:2\n");
        memset(name, 'n', sizeof name - 1);
        name[n < sizeof name - 1 ? n : sizeof name - 1] = '\0';
        struct seen seen = scan(text);
        assert_int_equal(seen.n, 2);
        assert_entry(&seen, 0, name, 11, 12);
        assert_entry(&seen, 1, "next", 1, 2);
    }
}

static void test_long_lines(void **state)
{
    static char text[300000];
    size_t n = (size_t)snprintf(text, sizeof text, "alice:x:1:2:");

    (void)state;
    memset(text + n, ':', 100000);
    memset(text + n + 100000, 'g', 150000);
    strcpy(text + n + 250000, "\nbob:x:3:4:::\n");
    struct seen seen = scan(text);
    assert_int_equal(seen.n, 2);
    assert_entry(&seen, 0, "alice", 1, 2);
    assert_entry(&seen, 1, "bob", 3, 4);
}

static void test_short_reads(void **state)
{
    static const char text[] = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1001:::\nbob:x:1:2";

    (void)state;
    for (read_most = 1; read_most < sizeof text; read_most++) {
        struct seen seen = scan(text);
        assert_int_equal(seen.n, 3);
        assert_entry(&seen, 0, "root", 0, 0);
        assert_entry(&seen, 1, "alice", 1000, 1001);
        assert_entry(&seen, 2, "bob", 1, 2);
    }
}

static void test_early_stop(void **state)
{
    struct seen seen = {.stop_at = 2};

    (void)state;
    write_bytes(path, "a:x:1:1\nb:x:2:2\nc:x:3:3", 23);
    assert_true(cloud_local_scan(path, true, see, &seen));
    assert_int_equal(seen.n, 2);
    assert_int_equal(reads_so_far, 1);
    seen = (struct seen){.stop_at = 3}; /* the line without its newline */
    assert_true(cloud_local_scan(path, true, see, &seen));
    assert_int_equal(seen.n, 3);
}

static void test_unreadable(void **state)
{
    struct seen seen = {0};

    (void)state;
    assert_false(cloud_local_scan("/nonexistent/passwd", true, see, &seen));
    assert_false(cloud_local_scan(".", true, see, &seen)); /* opens, but reads as EISDIR */
    assert_int_equal(seen.n, 0);
}

static void test_interrupted(void **state)
{
    struct seen seen = {0};

    (void)state;
    write_bytes(path, "a:x:1:1\n", 8);
    for (unsigned i = 1; i <= 2; i++) {
        reads_so_far = 0;
        fail_at = i;
        fail_with = EINTR;
        seen.n = 0;
        assert_true(cloud_local_scan(path, true, see, &seen));
        assert_int_equal(seen.n, 1);
        assert_int_equal(reads_so_far, 3);
    }
}

/* A file that can be read only in part is an error: the rest of the local users would be missing.
 */
static void test_fails_halfway(void **state)
{
    struct seen seen = {0};

    (void)state;
    write_bytes(path, "a:x:1:1\nb:x:2:2\n", 16);
    read_most = 8;
    fail_at = 2;
    fail_with = EIO;
    assert_false(cloud_local_scan(path, true, see, &seen));
    assert_int_equal(seen.n, 1);
}

static void test_no_descriptor_left(void **state)
{
    struct seen seen = {.stop_at = 1};
    unsigned before;

    (void)state;
    write_bytes(path, "a:x:1:1\n", 8);
    before = open_descriptors();
    assert_true(before > 0);
    assert_true(cloud_local_scan(path, true, see, &seen));
    assert_false(cloud_local_scan(".", true, see, &seen));
    assert_int_equal(open_descriptors(), before);
}

static void test_the_host(void **state)
{
    (void)state;
    assert_int_equal(cloud_local_user("root"), CLOUD_LOCAL_YES);
    assert_int_equal(cloud_local_user("roo"), CLOUD_LOCAL_NO);
    assert_int_equal(cloud_local_user("root:x"), CLOUD_LOCAL_NO);
    assert_int_equal(cloud_local_user(""), CLOUD_LOCAL_NO);
    reads_so_far = 0;
    fail_at = 1;
    fail_with = EIO;
    assert_int_equal(cloud_local_user("root"), CLOUD_LOCAL_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_passwd, setup),
        cmocka_unit_test_setup(test_group, setup),
        cmocka_unit_test_setup(test_no_final_newline, setup),
        cmocka_unit_test_setup(test_passed_over, setup),
        cmocka_unit_test_setup(test_leading_blanks, setup),
        cmocka_unit_test_setup(test_missing_fields, setup),
        cmocka_unit_test_setup(test_ids, setup),
        cmocka_unit_test_setup(test_lines_apart, setup),
        cmocka_unit_test_setup(test_crlf, setup),
        cmocka_unit_test_setup(test_nul_bytes, setup),
        cmocka_unit_test_setup(test_long_names, setup),
        cmocka_unit_test_setup(test_long_lines, setup),
        cmocka_unit_test_setup(test_short_reads, setup),
        cmocka_unit_test_setup(test_early_stop, setup),
        cmocka_unit_test_setup(test_unreadable, setup),
        cmocka_unit_test_setup(test_interrupted, setup),
        cmocka_unit_test_setup(test_fails_halfway, setup),
        cmocka_unit_test_setup(test_no_descriptor_left, setup),
        cmocka_unit_test_setup(test_the_host, setup),
    };

    return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
