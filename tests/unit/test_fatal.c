/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fatal.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void end(void *arg)
{
    fatal("no %s", (const char *)arg);
}

static void want_too_much(void *arg)
{
    const volatile size_t *n = arg;

    free(xcalloc(*n, *n));
}

/* Without memory there is no answer, but an end that the service manager sees. */
static void test_ends(void **state)
{
    size_t n = SIZE_MAX / 2;

    (void)state;
    assert_fatal(end, (void *)"thread");
    assert_fatal(want_too_much, &n);
}

static void test_memory(void **state)
{
    char *zeroes = xcalloc(3, 2), *copy = xstrdup("text");

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_int_equal(zeroes[i], 0);
    assert_string_equal(copy, "text");
    free(zeroes);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends), cmocka_unit_test(test_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
