/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"

#include "access/policy.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A document, the wire and a jail have the same limits. */
_Static_assert(JAIL_MOUNTS_MAX == DOCUMENT_MOUNTS_MAX, "mounts");
_Static_assert(JAIL_PATH_MAX == DOCUMENT_STRING_MAX, "path");

static struct jail jail;
static struct jail_fault fault;

static bool reads(const char *mounts)
{
    return jail_read(&jail, &(const struct jail_account){"/app/a", 200001, 200002, mounts}, &fault);
}

static void refuses(const char *mounts, const char *why)
{
    assert_false(reads(mounts));
    assert_string_equal(fault.text, why);
}

static void test_reads(void **state)
{
    (void)state;
    assert_true(reads("rw pub/media\nro var/log\nro \nro a b\nro \xc3\xa4..\nro .ssh/...\n"));
    assert_string_equal(jail.home, "/app/a");
    assert_int_equal(jail.uid, 200001);
    assert_int_equal(jail.gid, 200002);
    assert_int_equal(jail.mounts, 6);
    assert_string_equal(jail.mount[0].path, "pub/media");
    assert_true(jail.mount[0].writable);
    assert_string_equal(jail.mount[1].path, "var/log");
    assert_false(jail.mount[1].writable);
    assert_string_equal(jail.mount[2].path, "");
    assert_string_equal(jail.mount[3].path, "a b");
    assert_string_equal(jail.mount[4].path, "\xc3\xa4..");
    assert_string_equal(jail.mount[5].path, ".ssh/...");
}

static void test_not_well_formed(void **state)
{
    static const char *const mounts[] = {
        "rw",        "rw\n",       "rw a",        "ro a\nrw b", "rx a\n",        "r a\n",
        "wr a\n",    "rw /a\n",    "rw a/\n",     "rw a//b\n",  "rw .\n",        "rw ..\n",
        "rw ../a\n", "rw a/..\n",  "rw a/../b\n", "rw ./a\n",   "rw a/.\n",      "rw a/./b\n",
        "rw \n",     "rw a\x7f\n", "rw a\tb\n",   "rw a\x01\n", "rw-a\n",        "\n",
        "ro a\n\n",  "RW a\n",     "ro a\r\n",    " ro a\n",    "ro  \x1b[2J\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++)
        refuses(mounts[i], "the list of sFTP directories cannot be read");
}

static void test_homes(void **state)
{
    static const char *const homes[] = {"",         "/",        "app",    "/app/",   "//app",
                                        "/app/../", "/../etc",  "/a/./b", "/a//b",   "/a\nb",
                                        "/a/..",    "/a\x7f/b", "..",     "/app/./", "./app"};
    char longest[JAIL_PATH_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++)
        assert_false(jail_read(
            &jail, &(const struct jail_account){homes[i], 200001, 200001, "ro a\n"}, &fault));
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[JAIL_PATH_MAX + 1] = '\0';
    assert_false(
        jail_read(&jail, &(const struct jail_account){longest, 200001, 200001, "ro a\n"}, &fault));
    longest[JAIL_PATH_MAX] = '\0';
    assert_true(
        jail_read(&jail, &(const struct jail_account){longest, 200001, 200001, "ro a\n"}, &fault));
    /* Root's rights are never used for what the account owns. */
    assert_false(
        jail_read(&jail, &(const struct jail_account){"/app", 0, 200001, "ro a\n"}, &fault));
    assert_false(
        jail_read(&jail, &(const struct jail_account){"/app", 200001, 0, "ro a\n"}, &fault));
}

static void test_nothing_listed(void **state)
{
    (void)state;
    refuses("", "no directories are listed for sFTP in this environment");
}

static void test_overlaps(void **state)
{
    (void)state;
    refuses("rw pub\nro pub/media\n", "two sFTP directories overlap: /pub/media");
    refuses("ro x\nrw pub/media\nro pub\n", "two sFTP directories overlap: /pub");
    refuses("ro a\nro a\n", "two sFTP directories overlap: /a");
    refuses("ro \nro \n", "two sFTP directories overlap: /home");
    refuses("ro \nrw home/x\n", "two sFTP directories overlap: /home/x");
    assert_true(reads("ro a/b\nro a/bc\nro a/c\nro ab\nro \nro homes\n"));
}

static void test_too_many(void **state)
{
    char mounts[JAIL_TEXT_SIZE + 8];
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < JAIL_MOUNTS_MAX; i++)
        n += (size_t)snprintf(mounts + n, sizeof mounts - n, "ro a%u\n", i);
    assert_true(reads(mounts));
    assert_int_equal(jail.mounts, JAIL_MOUNTS_MAX);
    snprintf(mounts + n, sizeof mounts - n, "ro b\n");
    refuses(mounts, "too many sFTP directories are listed");
    memset(mounts, 'a', JAIL_TEXT_SIZE);
    mounts[JAIL_TEXT_SIZE] = '\0';
    refuses(mounts, "the list of sFTP directories cannot be read");
}

static void test_longest_list(void **state)
{
    char mounts[JAIL_TEXT_SIZE], path[JAIL_PATH_MAX + 2];
    size_t n = 0;

    (void)state;
    memset(path, 'x', sizeof path);
    path[JAIL_PATH_MAX] = '\0';
    for (unsigned i = 0; i < JAIL_MOUNTS_MAX; i++) {
        path[0] = (char)('0' + i);
        n += (size_t)snprintf(mounts + n, sizeof mounts - n, "rw %s\n", path);
    }
    assert_int_equal(n, JAIL_TEXT_SIZE - 1);
    assert_true(reads(mounts));
    path[JAIL_PATH_MAX] = 'x';
    path[JAIL_PATH_MAX + 1] = '\0';
    snprintf(mounts, sizeof mounts, "rw %s\n", path);
    refuses(mounts, "the list of sFTP directories cannot be read");
}

/* Without a home there is no jail, and no descriptor stays open; a unit test has no more rights. */
static void test_check_fails(void **state)
{
    int before = dup(0), after;

    (void)state;
    close(before);
    assert_true(jail_read(
        &jail, &(const struct jail_account){"/nonexistent/home", 200001, 200001, "ro a\n"},
        &fault));
    fault.text[0] = '\0';
    assert_false(jail_check(&jail, &fault));
    assert_true(fault.text[0] != '\0');
    after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

/* jail_read reads what policy_mounts writes. */
static void test_wire_round_trip(void **state)
{
    const struct document_mount mount[] = {{"pub/media", true}, {"var/log", false}, {"", false}};
    const struct document document = {.mounts = 3, .mount = mount};
    struct cloud_name name = {.kind = CLOUD_SFTP};
    char mounts[CLOUD_WIRE_MOUNTS_SIZE];

    (void)state;
    assert_true(policy_mounts(&document, &name, mounts, sizeof mounts));
    assert_string_equal(mounts, "rw pub/media\nro var/log\nro \n");
    assert_true(reads(mounts));
    assert_false(policy_mounts(&document, &name, mounts, 28));
    assert_string_equal(mounts, "");
    assert_true(policy_mounts(&document, &name, mounts, 29));
    name.kind = CLOUD_SHELL;
    assert_true(policy_mounts(&document, &name, mounts, sizeof mounts));
    assert_string_equal(mounts, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),           cmocka_unit_test(test_not_well_formed),
        cmocka_unit_test(test_homes),           cmocka_unit_test(test_nothing_listed),
        cmocka_unit_test(test_overlaps),        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_longest_list),    cmocka_unit_test(test_check_fails),
        cmocka_unit_test(test_wire_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
