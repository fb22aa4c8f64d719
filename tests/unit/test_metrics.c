/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/api.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/metrics/metrics.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <string.h>

static char buffer[1024];
static struct cloud_text text;

static int start(void **state)
{
    (void)state;
    cloud_text_start(&text, buffer, sizeof buffer);
    return 0;
}

static void test_family(void **state)
{
    (void)state;
    exposition_family(&text, "a_total", "counter", "One \"two\".");
    assert_string_equal(buffer, "# HELP a_total One \"two\".\n# TYPE a_total counter\n");
}

static void test_sample(void **state)
{
    const struct exposition_label labels[] = {{"x", "y"}, {"z", "b c"}, {NULL, NULL}};

    (void)state;
    exposition_sample(&text, "a", "", NULL, -1);
    exposition_sample(&text, "a", "", labels + 2, 2);
    exposition_sample(&text, "a", "_sum", labels, INT64_MAX);
    assert_string_equal(buffer, "a -1\na 2\n"
                                "a_sum{x=\"y\",z=\"b c\"} 9223372036854775807\n");
    assert_false(text.cut);
}

static void test_seconds(void **state)
{
    (void)state;
    exposition_seconds(&text, "a", "", NULL, 0);
    exposition_seconds(&text, "a", "", NULL, 1);
    exposition_seconds(&text, "a", "", NULL, 1234567);
    assert_string_equal(buffer, "a 0.000\na 0.001\na 1234.567\n");
}

/* text.cut shows that samples did not fit. */
static void test_cut(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        exposition_sample(&text, "a_sample_of_some_length", "", NULL, i);
    assert_true(text.cut);
    assert_true(strlen(buffer) < sizeof buffer);
}

static void test_times(void **state)
{
    struct api_view view = {0};

    (void)state;
    api_count(&view, API_OUTCOME_DOCUMENT, true, 0);
    api_count(&view, API_OUTCOME_DOCUMENT, true, 5); /* "le" is less or equal */
    api_count(&view, API_OUTCOME_UNCHANGED, true, 6);
    api_count(&view, API_OUTCOME_TIMEOUT, true, 10000);
    api_count(&view, API_OUTCOME_TIMEOUT, true, 10001);
    api_count(&view, API_OUTCOME_OTHER, true, -1);
    api_count(&view, API_OUTCOME_CREDENTIAL, false, 77);
    assert_int_equal(view.requests[API_OUTCOME_DOCUMENT], 2);
    assert_int_equal(view.requests[API_OUTCOME_UNCHANGED], 1);
    assert_int_equal(view.requests[API_OUTCOME_TIMEOUT], 2);
    assert_int_equal(view.requests[API_OUTCOME_CREDENTIAL], 1);
    assert_int_equal(view.bucket[0], 3);
    assert_int_equal(view.bucket[1], 1);
    assert_int_equal(view.bucket[API_BUCKETS - 2], 1);
    assert_int_equal(view.bucket[API_BUCKETS - 1], 1);
    assert_int_equal(view.milliseconds, 5 + 6 + 10000 + 10001);
}

static void test_decisions(void **state)
{
    uint64_t all = 0;

    (void)state;
    audit_count(AUDIT_LOGIN, CLOUD_SFTP, POLICY_ROLE);
    audit_count(AUDIT_LOGIN, CLOUD_SHELL, POLICY_ROLE);
    audit_count(AUDIT_LOGIN, CLOUD_SHELL, POLICY_ROLE);
    audit_count(AUDIT_STAGES, CLOUD_SHELL, POLICY_ROLE);
    audit_count(AUDIT_LOGIN, CLOUD_SHELL, POLICY_REASONS);
    assert_int_equal(audit_look()->decisions[AUDIT_LOGIN][0][POLICY_ROLE], 2);
    assert_int_equal(audit_look()->decisions[AUDIT_LOGIN][1][POLICY_ROLE], 1);
    for (int i = 0; i < AUDIT_STAGES; i++)
        for (int j = 0; j < 2; j++)
            for (int k = 0; k < POLICY_REASONS; k++)
                all += audit_look()->decisions[i][j][k];
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
