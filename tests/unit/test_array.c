/* SPDX-License-Identifier: Apache-2.0 */

#include "base/array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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

/* Without memory the array stays as it is. */
static void test_too_large(void **state)
{
    size_t capacity = SIZE_MAX / 2;
    char *array = malloc(1);

    (void)state;
    assert_null(array_grow(array, capacity, &capacity, 16));
    assert_int_equal(capacity, SIZE_MAX / 2);
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
