/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/limits.h"
#include "tests/unit/support.h"

#include <stdint.h>

#define MINUTE 60000

static void test_bucket(void **state)
{
    struct bucket bucket = {0};
    int64_t now = 12345;
    unsigned taken = 0;

    (void)state;
    while (limits_take_token(&bucket, 10, 50, now))
        taken++;
    assert_int_equal(taken, 50);
    assert_false(limits_take_token(&bucket, 10, 50, now + 99));
    assert_true(limits_take_token(&bucket, 10, 50, now + 100));
    assert_false(limits_take_token(&bucket, 10, 50, now + 100));
    /* However often it is asked, it gives no more than its rate. */
    taken = 0;
    for (int i = 1; i <= 10000; i++)
        taken += limits_take_token(&bucket, 10, 50, now + 100 + i);
    assert_int_equal(taken, 100);
    taken = 0;
    while (limits_take_token(&bucket, 10, 50, now + 86400000))
        taken++;
    assert_int_equal(taken, 50);
}

/* n other environments than before, which are known, turn absent at one time. Returns how many were
 * believed. */
static size_t turn_absent(struct guard *guard, size_t *known, size_t n, int64_t now)
{
    size_t believed = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t counted = 0;
        if (limits_believe_absence(guard, *known, &counted, now)) {
            believed++;
            (*known)--;
        }
    }
    return believed;
}

static void test_few(void **state)
{
    struct guard guard = {0};
    size_t known = 3;

    (void)state;
    assert_int_equal(turn_absent(&guard, &known, 3, 0), 3);
}

static void test_four_of_four(void **state)
{
    struct guard guard = {0};
    size_t known = 4;

    (void)state;
    assert_int_equal(turn_absent(&guard, &known, 4, 5), 3);
    assert_int_equal(turn_absent(&guard, &known, 1, 5 + 100 * MINUTE), 1);
}

static void test_twenty_percent(void **state)
{
    struct guard guard = {0};
    size_t known = 100;

    (void)state;
    assert_int_equal(turn_absent(&guard, &known, 20, 0), 20);
    assert_int_equal(turn_absent(&guard, &known, 1, 9 * MINUTE), 0);
}

static void test_window(void **state)
{
    struct guard guard = {0};
    size_t known = 100;

    (void)state;
    assert_int_equal(turn_absent(&guard, &known, 20, 0), 20);
    assert_int_equal(turn_absent(&guard, &known, 16, 11 * MINUTE), 16);
    assert_int_equal(turn_absent(&guard, &known, 12, 22 * MINUTE), 12);
    assert_int_equal(turn_absent(&guard, &known, 2, 31 * MINUTE), 0);
}

/* One environment that returns and turns absent again and again counts once, since its last
 * absence. */
static void test_flapping(void **state)
{
    struct guard guard = {0};
    size_t known = 4;
    int64_t flapping = 0, other = 0, now = 0;

    (void)state;
    for (; now < 40 * MINUTE; now += MINUTE / 2)
        assert_true(limits_believe_absence(&guard, 4, &flapping, now));
    assert_int_equal(turn_absent(&guard, &known, 3, now), 2);
    now += 10 * MINUTE;
    assert_true(limits_believe_absence(&guard, 4, &flapping, now));
    assert_false(limits_believe_absence(&guard, 4, &other, now));
    now += 2 * MINUTE; /* the two are out of the window */
    assert_true(limits_believe_absence(&guard, 4, &other, now));
    assert_true(limits_believe_absence(&guard, 4, &other, now));
    assert_int_equal(turn_absent(&guard, &known, 2, now), 1);
}

/* Environments that take turns are counted as so many. */
static void test_taking_turns(void **state)
{
    struct guard guard = {0};
    int64_t counted[4] = {0};

    (void)state;
    for (int64_t now = 0; now < 40 * MINUTE; now += MINUTE)
        for (int i = 0; i < 4; i++)
            assert_int_equal(limits_believe_absence(&guard, 4, &counted[i], now), i < 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket),       cmocka_unit_test(test_few),
        cmocka_unit_test(test_four_of_four), cmocka_unit_test(test_twenty_percent),
        cmocka_unit_test(test_window),       cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_taking_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
