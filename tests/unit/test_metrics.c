/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/counters.h"
#include "cloudauthd/metrics/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char room[1024];
static struct cloud_text text;

static int start(void **state)
{
    (void)state;
    memset(&counters, 0, sizeof counters);
    cloud_text_start(&text, room, sizeof room);
    return 0;
}

static void test_family(void **state)
{
    (void)state;
    exposition_family(&text, "a_total", "counter", "One \\ and\n\"two\".");
    assert_string_equal(room, "# HELP a_total One \\\\ and\\n\"two\".\n# TYPE a_total counter\n");
}

static void test_sample(void **state)
{
    const struct exposition_label labels[] = {{"x", "y"}, {"z", "a\\b\"c\nd"}, {NULL, NULL}};

    (void)state;
    exposition_sample(&text, "a", "", NULL, -1);
    exposition_sample(&text, "a", "", labels + 2, 2);
    exposition_sample(&text, "a", "_sum", labels, INT64_MAX);
    assert_string_equal(room, "a -1\na 2\n"
                              "a_sum{x=\"y\",z=\"a\\\\b\\\"c\\nd\"} 9223372036854775807\n");
    assert_false(text.cut);
}

static void test_seconds(void **state)
{
    (void)state;
    exposition_seconds(&text, "a", "", NULL, 0);
    exposition_seconds(&text, "a", "", NULL, 1);
    exposition_seconds(&text, "a", "", NULL, 1234567);
    assert_string_equal(room, "a 0.000\na 0.001\na 1234.567\n");
}

/* What does not fit is known at the end. */
static void test_cut(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        exposition_sample(&text, "a_sample_of_some_length", "", NULL, i);
    assert_true(text.cut);
    assert_true(strlen(room) < sizeof room);
}

static void test_times(void **state)
{
    (void)state;
    count_request(COUNT_DOCUMENT, true, 0);
    count_request(COUNT_DOCUMENT, true, 5); /* "le" is less or equal */
    count_request(COUNT_UNCHANGED, true, 6);
    count_request(COUNT_TIMEOUT, true, 10000);
    count_request(COUNT_TIMEOUT, true, 10001);
    count_request(COUNT_OTHER, true, -1);
    count_request(COUNT_CREDENTIAL, false, 77);
    assert_int_equal(counters.requests[COUNT_DOCUMENT], 2);
    assert_int_equal(counters.requests[COUNT_UNCHANGED], 1);
    assert_int_equal(counters.requests[COUNT_TIMEOUT], 2);
    assert_int_equal(counters.requests[COUNT_CREDENTIAL], 1);
    assert_int_equal(counters.request_times.bucket[0], 3);
    assert_int_equal(counters.request_times.bucket[1], 1);
    assert_int_equal(counters.request_times.bucket[COUNT_BUCKETS - 2], 1);
    assert_int_equal(counters.request_times.bucket[COUNT_BUCKETS - 1], 1);
    assert_int_equal(counters.request_times.milliseconds, 5 + 6 + 10000 + 10001);
}

static void test_decisions(void **state)
{
    uint64_t all = 0;

    (void)state;
    count_decision(COUNT_LOGIN, CLOUD_SFTP, POLICY_ROLE);
    count_decision(COUNT_LOGIN, CLOUD_SHELL, POLICY_ROLE);
    count_decision(COUNT_LOGIN, CLOUD_SHELL, POLICY_ROLE);
    count_decision(COUNT_STAGES, CLOUD_SHELL, POLICY_ROLE);
    count_decision(COUNT_LOGIN, CLOUD_SHELL, POLICY_REASONS);
    assert_int_equal(counters.decisions[COUNT_LOGIN][0][POLICY_ROLE], 2);
    assert_int_equal(counters.decisions[COUNT_LOGIN][1][POLICY_ROLE], 1);
    for (int i = 0; i < COUNT_STAGES; i++)
        for (int j = 0; j < 2; j++)
            for (int k = 0; k < POLICY_REASONS; k++)
                all += counters.decisions[i][j][k];
    assert_int_equal(all, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_family, start),  cmocka_unit_test_setup(test_sample, start),
        cmocka_unit_test_setup(test_seconds, start), cmocka_unit_test_setup(test_cut, start),
        cmocka_unit_test_setup(test_times, start),   cmocka_unit_test_setup(test_decisions, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
