/* SPDX-License-Identifier: Apache-2.0 */

/* The fault build of the NSS module (tests/sandbox/nss_faults.c). */
#include "nss_cloud/nss_cloud.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char buffer[1024];
static int error;

/* A call that is NOTFOUND without a fault. */
static enum nss_status call_passwd(void)
{
    struct passwd passwd;

    errno = EXDEV;
    error = 0;
    enum nss_status status = _nss_cloud_getpwnam_r("root", &passwd, buffer, sizeof buffer, &error);
    assert_int_equal(errno, EXDEV);
    return status;
}

static enum nss_status call_group(void)
{
    struct group group;

    return _nss_cloud_getgrgid_r(0, &group, buffer, sizeof buffer, &error);
}

static void check_file(const char *path, const char *expected)
{
    char text[512];

    read_file(path, text, sizeof text);
    assert_string_equal(text, expected);
}

static void test_no_directory(void **arg)
{
    (void)arg;
    assert_int_equal(rmdir("faults"), 0);
    assert_int_equal(call_passwd(), NSS_STATUS_NOTFOUND);
    assert_int_equal(access("faults", F_OK), -1);
    assert_int_equal(mkdir("faults", 0777), 0);
}

static void test_calls_are_counted(void **arg)
{
    (void)arg;
    assert_int_equal(call_passwd(), NSS_STATUS_NOTFOUND);
    assert_int_equal(call_group(), NSS_STATUS_NOTFOUND);
    pid_t child = fork();
    if (child == 0)
        _exit(call_passwd() == NSS_STATUS_NOTFOUND ? 0 : 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    check_file("faults/count", "...");
    check_file("faults/calls", "1 getpwnam root\n2 getgrgid 0\n3 getpwnam root\n");
}

static void test_calls_fail(void **arg)
{
    (void)arg;
    write_file("faults/fail", "2 UNAVAIL\n3 TRYAGAIN\n5 NOTFOUND\n");
    assert_int_equal(call_passwd(), NSS_STATUS_NOTFOUND);
    assert_int_equal(error, 0);
    assert_int_equal(call_passwd(), NSS_STATUS_UNAVAIL);
    assert_int_equal(error, EAGAIN);
    assert_int_equal(call_group(), NSS_STATUS_TRYAGAIN);
    assert_int_equal(error, EAGAIN);
    assert_int_equal(call_passwd(), NSS_STATUS_NOTFOUND);
    write_file("faults/fail", "all UNAVAIL");
    assert_int_equal(call_passwd(), NSS_STATUS_UNAVAIL);
    write_file("faults/fail", "nonsense\n");
    assert_int_equal(call_passwd(), NSS_STATUS_NOTFOUND);
}

static int forget(void **arg)
{
    (void)arg;
    unlink("faults/count");
    unlink("faults/calls");
    unlink("faults/fail");
    return 0;
}

static int make_directory(void **arg)
{
    (void)arg;
    enter_directory();
    return mkdir("faults", 0777);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_no_directory, forget),
        cmocka_unit_test_teardown(test_calls_are_counted, forget),
        cmocka_unit_test_teardown(test_calls_fail, forget),
    };

    return cmocka_run_group_tests(tests, make_directory, teardown_directory);
}
