/* SPDX-License-Identifier: Apache-2.0 */

/* Which services of nsswitch.conf(5) are neither the host's files nor ours. */
#include "base/foreign.h"
#include "tests/unit/support.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char found[256];

static bool take(void *arg, const char *service)
{
    (void)arg;
    strcat(strcat(found, " "), service);
    return true;
}

static const char *services(const char *text)
{
    write_file("nsswitch.conf", text);
    found[0] = '\0';
    assert_true(foreign_each("passwd", take, NULL));
    return found;
}

static void test_services(void **state)
{
    (void)state;
    assert_string_equal(services("passwd: files cloud\ngroup: files sss cloud\n"), "");
    assert_string_equal(
        services("passwd_compat: nis\n passwd :\tcompat sss cloud ldap # winbind\n"), " sss ldap");
    assert_string_equal(services("passwd: files [NOTFOUND=return UNAVAIL = continue] cloud "
                                 "sss[SUCCESS=return] ../x ldap"),
                        " sss ldap");
    assert_string_equal(services("# passwd: sss\n"), "");
}

/* A service that has no module here answers nothing. */
static void test_no_module(void **state)
{
    char why[64] = "";

    (void)state;
    write_file("nsswitch.conf", "passwd: files no_such\ngroup: files no_such\n");
    assert_false(foreign_may_have_id(0, 0, why, sizeof why));
    assert_string_equal(why, "");
}

/* Where nsswitch.conf cannot be read, no service is known, and the ids may be of any. Without it
 * there is none. */
static void test_not_read(void **state)
{
    char why[128] = "";

    (void)state;
    assert_int_equal(unlink("nsswitch.conf"), 0);
    assert_false(foreign_may_have_id(0, 0, why, sizeof why));
    assert_int_equal(mkdir("nsswitch.conf", 0700), 0); /* it is opened, and read(2) fails */
    assert_true(foreign_may_have_id(0, 0, why, sizeof why));
    assert_non_null(strstr(why, "the ids cannot be checked"));
    assert_int_equal(rmdir("nsswitch.conf"), 0);
    assert_int_equal(symlink("nsswitch.conf", "nsswitch.conf"), 0); /* it cannot be opened: ELOOP */
    assert_true(foreign_may_have_id(0, 0, why, sizeof why));
    assert_int_equal(unlink("nsswitch.conf"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_services),
                                       cmocka_unit_test(test_no_module),
                                       cmocka_unit_test(test_not_read)};

    return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
