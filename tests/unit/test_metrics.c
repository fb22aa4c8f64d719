/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/api.h"
#include "cloudauthd/audit/audit.h"
#include "tests/unit/support.h"

#include <stdint.h>

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
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_decisions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
