/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/problem.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <string.h>

static char out[256];

static const char *said(const char *body, const char *secret)
{
    struct cloud_text text;

    cloud_text_start(&text, out, sizeof out);
    cloud_text_add(&text, "status 403");
    problem_add(&text, body, strlen(body), secret);
    return out;
}

static void test_members(void **state)
{
    (void)state;
    assert_string_equal(
        said("{\"title\":\"Forbidden\",\"detail\":\"no role\",\"status\":403}", NULL),
        "status 403 \"Forbidden\" \"no role\"");
    assert_string_equal(said("{\"detail\":\"no role\"}", "token"), "status 403 \"no role\"");
    assert_string_equal(said("{\"title\":\"\",\"detail\":7}", NULL), "status 403");
    assert_string_equal(said("{}", NULL), "status 403");
    assert_string_equal(said("[1]", NULL), "status 403");
    assert_string_equal(said("<html>", NULL), "status 403");
    assert_string_equal(said("", NULL), "status 403");
}

static void test_escaped(void **state)
{
    (void)state;
    assert_string_equal(said("{\"title\":\"a\\nb\\u001b[31m\\\"c\\\\\\u00e4\"}", NULL),
                        "status 403 \"a?b?[31m?c???\"");
}

static void test_cut(void **state)
{
    static char body[300] = "{\"title\":\"";

    (void)state;
    memset(body + 10, 'x', 200);
    strcpy(body + 210, "\"}");
    said(body, NULL);
    assert_int_equal(strlen(out), 10 + 2 + 70 + 4);
    assert_string_equal(out + strlen(out) - 5, "x...\"");
    memcpy(body + 150, "s3cr3t", 6); /* behind the cut: withheld nevertheless */
    assert_string_equal(said(body, "s3cr3t"), "status 403 (withheld: it repeats the credential)");
}

static void test_secret(void **state)
{
    (void)state;
    said("{\"title\":\"Bad\",\"detail\":\"token s3cr\\u0033t is unknown\"}", "s3cr3t");
    assert_string_equal(out, "status 403 \"Bad\" (withheld: it repeats the credential)");
}

/* The cut text fits into the detail of struct api_result. */
static void test_longest(void **state)
{
    static char body[1000] = "{\"title\":\"";

    (void)state;
    memset(body + 10, 'x', 400);
    strcpy(body + 410, "\",\"detail\":\"");
    memset(body + strlen(body), 'y', 400);
    strcat(body, "\"}");
    said(body, NULL);
    assert_string_equal(out + strlen(out) - 5, "y...\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members), cmocka_unit_test(test_escaped), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_secret),  cmocka_unit_test(test_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
