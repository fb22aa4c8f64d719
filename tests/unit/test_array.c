/* SPDX-License-Identifier: Apache-2.0 */

#include "base/array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_add(void **state)
{
    size_t used = 0, capacity = 0, *array = NULL;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        assert_true(array_add(&array, &used, &capacity, &i, sizeof i));
        assert_int_equal(used, i + 1);
        assert_true(capacity >= used);
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
