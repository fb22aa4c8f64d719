/* SPDX-License-Identifier: Apache-2.0 */

/* The timeouts of lookups, with a fake clock. */
#include "common/clock.h"
#include "nss_cloud/backoff.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/support.h"

#include <stddef.h>
#include <stdlib.h>

#define ALL 2000

static int fresh(void **state)
{
    (void)state;
    fake_ms = 5; /* after boot: less than BACKOFF_RESET_MS */
    backoff_answered();
    return 0;
}

/* A lookup that gets no answer. */
static int wait_in_vain(void)
{
    int ms = backoff_timeout(ALL);
    int64_t since = cloud_clock_ms();

    fake_ms += ms;
    backoff_unanswered(since, ms);
    return ms;
}

static void test_halves(void **state)
{
    static const int waits[] = {2000, 1000, 500, 250, 125, 62, 31, 20, 20};
    int64_t began = fake_ms;

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        assert_int_equal(wait_in_vain(), waits[i]);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(wait_in_vain(), BACKOFF_MIN_MS);
    assert_true(fake_ms - began < 25000); /* of 2,000,000 in full */
    backoff_answered();
    assert_int_equal(backoff_timeout(ALL), ALL);
}

static void test_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        (void)wait_in_vain();
    fake_ms += BACKOFF_RESET_MS - 1;
    assert_int_equal(backoff_timeout(ALL), BACKOFF_MIN_MS);
    fake_ms++;
    assert_int_equal(wait_in_vain(), ALL);
    assert_int_equal(backoff_timeout(ALL), ALL / 2);
}

/* A call that fails at once, because there is no daemon, is not counted. */
static void test_no_broker(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        backoff_unanswered(cloud_clock_ms(), backoff_timeout(ALL));
    assert_int_equal(backoff_timeout(ALL), ALL);
}

/* The timeout is never longer than the full one. */
static void test_little(void **state)
{
    (void)state;
    (void)wait_in_vain();
    assert_int_equal(backoff_timeout(10), 10);
    assert_int_equal(backoff_timeout(30), BACKOFF_MIN_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_halves, fresh),
        cmocka_unit_test_setup(test_comes_back, fresh),
        cmocka_unit_test_setup(test_no_broker, fresh),
        cmocka_unit_test_setup(test_little, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
