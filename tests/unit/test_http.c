/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/http.h"

#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool head;

/* Judged where a read past the end faults. */
static unsigned judge_bytes(const char *bytes, size_t n)
{
    struct guarded copy = guarded_copy(bytes, n);
    unsigned status;

    assert_non_null(copy.at);
    status = http_judge(copy.at, n, "/metrics", &head);
    guarded_free(&copy);
    return status;
}

static unsigned judge(const char *text)
{
    return judge_bytes(text, strlen(text));
}

static void test_good(void **state)
{
    (void)state;
    assert_int_equal(judge("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    assert_false(head);
    assert_int_equal(judge("HEAD /metrics HTTP/1.1\r\nHost:x\r\nX-Y: \xe4 \t\r\n\r\n"), 200);
    assert_true(head);
    assert_int_equal(judge("GET /metrics HTTP/1.0\r\n\r\n"), 200);
    assert_int_equal(judge("GET /metrics?x=/y HTTP/1.1\r\nhOsT:\r\n\r\n"), 200);
    assert_int_equal(judge("GET HTTP://a:1/metrics?x HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    /* What comes behind it is not read. */
    assert_int_equal(judge("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/9\r\n\r\n"), 200);
}

static void test_refused(void **state)
{
    static const struct {
        unsigned status;
        const char *text;
    } cases[] = {
        {404, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {404, "GET /metricsx HTTP/1.1\r\nHost: x\r\n\r\n"},
        {404, "GET /metric HTTP/1.1\r\nHost: x\r\n\r\n"},
        {404, "GET http://metrics HTTP/1.1\r\nHost: x\r\n\r\n"},
        {404, "GET http:// HTTP/1.1\r\nHost: x\r\n\r\n"},
        {404, "GET //metrics HTTP/1.1\r\nHost: x\r\n\r\n"},
        {404, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"},
        {405, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n"},
        {405, "get /metrics HTTP/1.1\r\nHost: x\r\n\r\n"},
        {405, "GETS /metrics HTTP/1.1\r\nHost: x\r\n\r\n"},
        {405, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n\x01\x02"},
        {505, "GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n"},
        {400, "GET /metrics HTTP/1.1\r\n\r\n"},
        {400, "GET /metrics HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"},
        {400, "GET /metrics HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n"},
        {400, "GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n"},
        {400, "GET /metrics HTTP/1.1\r\nHost: x\r\n more\r\n\r\n"},
        {400, "GET /metrics HTTP/1.1\r\nHost: x\r\n:\r\n\r\n"},
        {400, "GET /metrics HTTP/1.1 \r\nHost: x\r\n\r\n"},
        {400, "GET  /metrics HTTP/1.1\r\nHost: x\r\n\r\n"},
        {400, "GET /metrics\r\nHost: x\r\n\r\n"},
        {400, " /metrics HTTP/1.1\r\nHost: x\r\n\r\n"},
        {400, "\r\n\r\n"},
        {400, "\x16\x03\x01"}, /* TLS, told at its first bytes */
        {400, "GET /metrics HTTP/1.1\r\nHost: x\r\nX: \x01"},
        {400, "GET /metrics HTTP/1.1\r\nHost: \x7f\r\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (judge(cases[i].text) != cases[i].status)
            fail_msg("%s: %u", cases[i].text, judge(cases[i].text));
    assert_int_equal(judge_bytes("GET /metrics HTTP/1.1\r\nHost: \0\r\n\r\n", 35), 400);
}

/* Of every beginning of a request nothing is said, until it is too long. */
static void test_parts(void **state)
{
    static const char whole[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    char longest[HTTP_HEAD_MAX];

    (void)state;
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_int_equal(judge_bytes(whole, n), 0);
    memset(longest, 'x', sizeof longest);
    assert_int_equal(judge_bytes(longest, sizeof longest - 1), 0);
    assert_int_equal(judge_bytes(longest, sizeof longest), 431);
    /* One that is as long as may be, and whole. */
    memcpy(longest, whole, sizeof whole - 3);
    memcpy(longest + sizeof whole - 3, "X:", 2);
    memcpy(longest + sizeof longest - 4, "\r\n\r\n", 4);
    assert_int_equal(judge_bytes(longest, sizeof longest), 200);
}

static void test_phrases(void **state)
{
    static const unsigned statuses[] = {200, 400, 404, 405, 431, 503, 505};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(http_phrase(statuses[i]), http_phrase(statuses[j]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_phrases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
