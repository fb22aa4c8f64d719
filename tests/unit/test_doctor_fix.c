/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_doctor_fix.XXXXXX";
static char path[128], other[128], why[256];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_doctor_fix.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/it", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    why[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)(unlink(path) == 0 || rmdir(path) == 0);
    (void)(unlink(other) == 0 || rmdir(other) == 0);
    return rmdir(folder);
}

static bool repair(mode_t type, mode_t mode, uint32_t uid)
{
    const struct doctor_repair wanted = {path, type, mode, uid, getgid()};

    return doctor_repair(&wanted, why, sizeof why);
}

static void make_file(const char *at, mode_t mode)
{
    FILE *file = fopen(at, "wxe");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(at, mode), 0);
}

static mode_t mode_of(const char *at)
{
    struct stat st;

    assert_int_equal(lstat(at, &st), 0);
    return st.st_mode & 07777;
}

static void test_modes(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)state;
    make_file(path, 04777);
    assert_true(repair(S_IFREG, 0600, DOCTOR_KEEP));
    assert_int_equal(mode_of(path), 0600);
    assert_true(repair(S_IFREG, 0640, getuid()));
    assert_int_equal(mode_of(path), 0640);
    assert_int_equal(unlink(path), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_true(repair(S_IFSOCK, 0666, DOCTOR_KEEP));
    assert_int_equal(mode_of(path), 0666);
    close(fd);
}

static void test_missing(void **state)
{
    (void)state;
    assert_false(repair(S_IFREG, 0644, DOCTOR_KEEP));
    assert_string_equal(why, strerror(ENOENT));
    assert_int_equal(access(path, F_OK), -1);
    assert_true(repair(S_IFDIR, 0755, getuid()));
    assert_int_equal(mode_of(path), 0755);
    assert_int_equal(chmod(path, 0700), 0);
    assert_true(repair(S_IFDIR, 0711, DOCTOR_KEEP)); /* one that is there */
    assert_int_equal(mode_of(path), 0711);
}

/* It is one thing when it was looked at, and another when it is changed. */
static void test_in_its_place(void **state)
{
    (void)state;
    make_file(other, 0600);
    assert_int_equal(symlink(other, path), 0);
    assert_false(repair(S_IFREG, 0666, DOCTOR_KEEP));
    assert_string_equal(why, "something else is in its place");
    assert_false(repair(S_IFDIR, 0777, DOCTOR_KEEP));
    assert_int_equal(mode_of(other), 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(other, path), 0);
    assert_false(repair(S_IFREG, 0666, DOCTOR_KEEP));
    assert_string_equal(why, "the file has another name as well");
    assert_int_equal(mode_of(other), 0600);
    assert_int_equal(unlink(path), 0);
    make_file(path, 0600);
    assert_false(repair(S_IFDIR, 0755, DOCTOR_KEEP));
    assert_false(repair(S_IFSOCK, 0666, DOCTOR_KEEP));
    assert_int_equal(mode_of(path), 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_its_place, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
