/* SPDX-License-Identifier: Apache-2.0 */

/* The host's own users and groups, from the test's files; one test reads the real ones. */
#include "access/local_ids.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct local_ids *db;
static unsigned reads;

ssize_t read(int fd, void *buffer, size_t n)
{
    reads++;
    return syscall(SYS_read, fd, buffer, n);
}

/* Replaces a file as useradd(8) does: writes a new one and renames it. */
static void put(const char *name, const char *text)
{
    write_file("aside", text);
    assert_int_equal(rename("aside", name), 0);
}

static int setup(void **state)
{
    (void)state;
    test_here.passwd = "passwd";
    test_here.group = "group";
    rmdir("passwd");
    put("passwd", "root:x:0:0::/root:/bin/bash\nzoe:x:1003:1003:::\nalice:x:1000:2000:::\n");
    put("group", "root:x:0:\nstaff:x:50:alice\nadm:x:4:\n");
    db = local_ids_new();
    return db == NULL;
}

static int teardown(void **state)
{
    (void)state;
    local_ids_free(db);
    return 0;
}

static void test_nothing_yet(void **state)
{
    (void)state;
    assert_false(local_ids_has_name(db, "root"));
    assert_false(local_ids_has_name(db, "root"));
    assert_false(local_ids_has_uid(db, 0));
    assert_false(local_ids_has_gid(db, 0));
    local_ids_free(NULL);
}

static void test_users(void **state)
{
    (void)state;
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_has_name(db, "root"));
    assert_true(local_ids_has_name(db, "alice"));
    assert_true(local_ids_has_name(db, "zoe"));
    assert_false(local_ids_has_name(db, "alic"));
    assert_false(local_ids_has_name(db, "alicee"));
    assert_false(local_ids_has_name(db, ""));
    assert_true(local_ids_has_uid(db, 0));
    assert_true(local_ids_has_uid(db, 1000));
    assert_false(local_ids_has_uid(db, 2000));
    assert_false(local_ids_has_uid(db, UINT32_MAX));
}

static void test_groups(void **state)
{
    (void)state;
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_has_name(db, "adm"));
    assert_true(local_ids_has_name(db, "staff"));
    assert_false(local_ids_has_name(db, "ad"));
    assert_true(local_ids_has_gid(db, 50));
    assert_true(local_ids_has_gid(db, 2000)); /* a primary group without a line of its own */
    assert_false(local_ids_has_gid(db, 1000));
}

static void test_odd_lines(void **state)
{
    (void)state;
    put("passwd", "noids:x\nnogid:x:1001\nbig:x:4294967296:5\n+nis\n#c:x:9:9\n");
    put("group", "");
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_has_name(db, "noids"));
    assert_true(local_ids_has_uid(db, 1001));
    assert_true(local_ids_has_name(db, "big"));
    assert_true(local_ids_has_gid(db, 5));
    assert_false(local_ids_has_uid(db, 0));
    assert_false(local_ids_has_uid(db, 9));
    assert_false(local_ids_has_name(db, "+nis"));
    assert_false(local_ids_has_name(db, "root"));
}

static void test_long_name(void **state)
{
    char line[400], name[301];

    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[300] = '\0';
    snprintf(line, sizeof line, "%s:x:1234:5678:::\n", name);
    put("passwd", line);
    assert_true(local_ids_refresh(db));
    assert_false(local_ids_has_name(db, name));
    assert_true(local_ids_has_uid(db, 1234)); /* its ids are local nevertheless */
    assert_true(local_ids_has_gid(db, 5678));
}

static void test_change_is_seen(void **state)
{
    (void)state;
    assert_true(local_ids_refresh(db));
    assert_false(local_ids_has_name(db, "abcdefghij"));
    put("passwd", "root:x:0:0:::\nabcdefghij:x:1001:1001:::\n");
    assert_false(local_ids_has_name(db, "abcdefghij"));
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_has_name(db, "abcdefghij"));
    assert_false(local_ids_has_name(db, "alice"));
    assert_false(local_ids_has_gid(db, 2000));
    assert_true(local_ids_has_gid(db, 50)); /* the group file is still known */
    put("group", "web:x:70:\n");
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_has_name(db, "web"));
    assert_false(local_ids_has_gid(db, 50));
    assert_true(local_ids_has_gid(db, 1001));
}

/* An unchanged file is not read again. */
static void test_unchanged_is_kept(void **state)
{
    unsigned before;

    (void)state;
    assert_true(local_ids_refresh(db));
    before = reads;
    assert_true(before > 0);
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_has_name(db, "alice"));
    assert_int_equal(reads, before);
}

static int fopen_fails; /* the errno */

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
    errno = fopen_fails;
    return fopen_fails != 0 ? NULL : __real_fopen(path, mode);
}

/* While a file cannot be read it is unknown what is local. */
static void check_unreadable(const char *name)
{
    assert_true(local_ids_refresh(db));
    assert_int_equal(unlink(name), 0);
    assert_false(local_ids_refresh(db));
    assert_int_equal(mkdir(name, 0700), 0); /* opens, but cannot be read */
    assert_false(local_ids_refresh(db));
    assert_false(local_ids_refresh(db));
    assert_int_equal(rmdir(name), 0);
    put(name, "back:x:77:77:::\n");
    assert_true(local_ids_refresh(db));
}

static void test_unreadable(void **state)
{
    (void)state;
    check_unreadable("passwd");
    assert_true(local_ids_has_name(db, "back"));
    check_unreadable("group");
    assert_true(local_ids_has_name(db, "back"));
}

/* Without the file no id is a user's; with one that cannot be read each one may be. */
static void test_subordinate(void **state)
{
    (void)state;
    assert_true(local_ids_refresh(db));
    assert_false(local_ids_is_subordinate(db, 100000, 100000));
    put("subuid", "alice:100000:65536\n");
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_is_subordinate(db, 165535, 0));
    assert_false(local_ids_is_subordinate(db, 165536, 165535));
    assert_int_equal(unlink("subuid"), 0);
    assert_int_equal(mkdir("subuid", 0700), 0); /* opens, but cannot be read */
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_is_subordinate(db, 200000, 0));
    assert_int_equal(rmdir("subuid"), 0);
}

/* The same if there is no descriptor for it. The file is read again without a change of stat(2),
 * and local_ids_reads does not count the reads that fail again. */
static void test_subordinate_later(void **state)
{
    unsigned before;

    (void)state;
    put("subuid", "alice:100000:65536\n");
    fopen_fails = EMFILE;
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_is_subordinate(db, 200000, 0));
    before = local_ids_reads(db);
    assert_true(local_ids_refresh(db));
    assert_int_equal(local_ids_reads(db), before);
    fopen_fails = 0;
    for (int i = 0; i < 500 && local_ids_is_subordinate(db, 200000, 0); i++) {
        poll(NULL, 0, 20); /* it is read again once a second */
        assert_true(local_ids_refresh(db));
    }
    assert_false(local_ids_is_subordinate(db, 200000, 0));
    assert_true(local_ids_is_subordinate(db, 100000, 0));
    assert_int_equal(local_ids_reads(db), before + 1);
    assert_true(local_ids_refresh(db));
    assert_int_equal(local_ids_reads(db), before + 1);
}

static void test_many(void **state)
{
    enum { MANY = 3000 };
    static char text[MANY * 32];
    size_t n = 0;
    char name[16];

    (void)state;
    for (unsigned i = MANY; i > 0; i--)
        n += (size_t)snprintf(text + n, sizeof text - n, "user%u:x:%u:%u::\n", i, i, 10000 + i);
    put("passwd", text);
    assert_true(local_ids_refresh(db));
    for (unsigned i = 1; i <= MANY; i++) {
        snprintf(name, sizeof name, "user%u", i);
        assert_true(local_ids_has_uid(db, i));
        assert_true(local_ids_has_gid(db, 10000 + i));
    }
    assert_false(local_ids_has_uid(db, MANY + 1));
    assert_false(local_ids_has_name(db, "user0"));
}

static void test_the_host(void **state)
{
    (void)state;
    test_here.passwd = "/etc/passwd";
    test_here.group = "/etc/group";
    assert_true(local_ids_refresh(db));
    assert_true(local_ids_has_name(db, "root"));
    assert_true(local_ids_has_name(db, "root"));
    assert_true(local_ids_has_uid(db, 0));
    assert_true(local_ids_has_gid(db, 0));
    assert_false(local_ids_has_name(db, "no:such:user"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_yet),       TEST(test_users),      TEST(test_groups),
        TEST(test_odd_lines),         TEST(test_long_name),  TEST(test_change_is_seen),
        TEST(test_unchanged_is_kept), TEST(test_unreadable), TEST(test_subordinate),
        TEST(test_subordinate_later), TEST(test_many),       TEST(test_the_host),
    };

    return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
