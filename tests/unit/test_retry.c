/* SPDX-License-Identifier: Apache-2.0 */

#include "base/retry.h"
#include "tests/unit/support.h"

#include <limits.h>
#include <stddef.h>

static void test_delay(void **state)
{
    static const int64_t delays[] = {1000, 2000, 4000, 8000, 15000, 15000};

    (void)state;
    for (unsigned i = 0; i < sizeof delays / sizeof delays[0]; i++)
        assert_int_equal(retry_delay(i, 1000, 15000), delays[i]);
    assert_int_equal(retry_delay(UINT_MAX, 1000, 15000), 15000);
    assert_int_equal(retry_delay(0, 1000, 500), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
