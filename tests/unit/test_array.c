/* SPDX-License-Identifier: Apache-2.0 */

#include "base/array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_grow(void **state)
{
    size_t capacity = 0, *array = NULL;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        array = array_grow(array, i, &capacity, sizeof *array);
        assert_non_null(array);
        assert_true(capacity > i);
        array[i] = i;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
