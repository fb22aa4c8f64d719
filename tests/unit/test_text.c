/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static char buffer[256];

static const char *value(const char *text)
{
    struct cloud_text out;

    cloud_text_start(&out, buffer, sizeof buffer);
    cloud_text_add_value(&out, text);
    assert_false(out.cut);
    assert_int_equal(out.used, strlen(buffer));
    return buffer;
}

static void test_appends(void **state)
{
    struct cloud_text text;

    (void)state;
    cloud_text_start(&text, buffer, sizeof buffer);
    assert_string_equal(buffer, "");
    cloud_text_add(&text, "uid ");
    cloud_text_add_number(&text, 0);
    cloud_text_add_char(&text, ',');
    cloud_text_add_number(&text, UINT64_MAX);
    cloud_text_add_bytes(&text, "!!!", 1);
    cloud_text_add(&text, "");
    assert_string_equal(buffer, "uid 0,18446744073709551615!");
    assert_int_equal(text.used, strlen(buffer));
    assert_false(text.cut);
}

/* Builds the same text in `size` bytes before a page that cannot be read. */
static void build_in(size_t size)
{
    static const char zeros[64];
    struct guarded guarded = guarded_copy(zeros, size);
    struct cloud_text text;

    cloud_text_start(&text, guarded.at, size);
    cloud_text_add(&text, "abcd");
    cloud_text_add_number(&text, 567);
    cloud_text_add_char(&text, '8');
    assert_true(strlen(guarded.at) < size);
    assert_int_equal(text.used, strlen(guarded.at));
    assert_int_equal(text.cut, size < 9);
    if (size >= 9)
        assert_string_equal(guarded.at, "abcd5678");
    guarded_free(&guarded);
}

static void test_every_size(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 12; size++)
        build_in(size);
}

/* An addition that does not fit is dropped, a later one that fits is added, `cut` stays set. */
static void test_dropped_whole(void **state)
{
    struct cloud_text text;

    (void)state;
    cloud_text_start(&text, buffer, 6);
    cloud_text_add(&text, "abcdef");
    assert_string_equal(buffer, "");
    assert_true(text.cut);
    cloud_text_add(&text, "abc");
    cloud_text_add_number(&text, 123);
    assert_string_equal(buffer, "abc");
    cloud_text_add_number(&text, 12);
    assert_string_equal(buffer, "abc12");
    cloud_text_add_char(&text, '3');
    cloud_text_add_bytes(&text, "", 0);
    assert_string_equal(buffer, "abc12");
    assert_true(text.cut);
}

static void test_huge_length(void **state)
{
    struct cloud_text text;

    (void)state;
    cloud_text_start(&text, buffer, sizeof buffer);
    cloud_text_add(&text, "a");
    cloud_text_add_bytes(&text, "b", SIZE_MAX);
    cloud_text_add_bytes(&text, "b", SIZE_MAX - 1);
    assert_string_equal(buffer, "a");
    assert_true(text.cut);
}

static void test_plain_values(void **state)
{
    static const char all[] = "azAZ09._:@/+=-";

    (void)state;
    assert_string_equal(value(all), all);
    assert_string_equal(value(""), "");
    assert_string_equal(value(NULL), "");
}

static void test_quoted_values(void **state)
{
    (void)state;
    assert_string_equal(value("a b"), "\"a b\"");
    assert_string_equal(value(" "), "\" \"");
    assert_string_equal(value("a\"b"), "\"a\\\"b\"");
    assert_string_equal(value("\\"), "\"\\\\\"");
    assert_string_equal(value("a\nb\r\t\x1b[1m\x7f"), "\"a\\x0ab\\x0d\\x09\\x1b[1m\\x7f\"");
    assert_string_equal(value("\xc3\xa9\xff"), "\"\\xc3\\xa9\\xff\"");
    assert_string_equal(value("x reason=granted"), "\"x reason=granted\"");
    assert_string_equal(value("\\x0a"), "\"\\\\x0a\"");
}

/* Each byte but NUL alone: what is written is printable, and unquoted only if it is in the set. */
static void test_every_byte(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        const char text[2] = {(char)c, '\0'};
        const char *written = value(text);
        bool plain =
            c < 128 && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "._:@/+=-",
                              (int)c) != NULL;
        for (const char *at = written; *at != '\0'; at++)
            assert_in_range(*at, ' ', '~');
        if (plain)
            assert_string_equal(written, text);
        else
            assert_true(written[0] == '"' && written[strlen(written) - 1] == '"');
    }
}

/* A quoted value that does not fit leaves nothing, not even its first quote. */
static void test_values_at_every_size(void **state)
{
    static const char whole[] = "k=\"a \\\"\\x0a\"";
    static const char zeros[64];

    (void)state;
    for (size_t size = 3; size <= sizeof whole + 2; size++) {
        struct guarded guarded = guarded_copy(zeros, size);
        struct cloud_text text;
        cloud_text_start(&text, guarded.at, size);
        cloud_text_add(&text, "k=");
        cloud_text_add_value(&text, "a \"\n");
        assert_string_equal(guarded.at, size >= sizeof whole ? whole : "k=");
        assert_int_equal(text.used, strlen(guarded.at));
        assert_int_equal(text.cut, size < sizeof whole);
        guarded_free(&guarded);
    }
}

static void test_cut_is_kept_by_values(void **state)
{
    struct cloud_text text;

    (void)state;
    cloud_text_start(&text, buffer, 8);
    cloud_text_add(&text, "too long for it");
    cloud_text_add_value(&text, "a b");
    assert_string_equal(buffer, "\"a b\"");
    assert_true(text.cut);
}

static bool reads(const char *digits, uint64_t max, uint64_t expected)
{
    struct guarded guarded = guarded_copy(digits, strlen(digits));
    uint64_t number = 4711;
    bool ok = cloud_text_read_number(guarded.at, strlen(digits), max, &number);

    guarded_free(&guarded);
    assert_int_equal(number, ok ? expected : 4711);
    return ok;
}

static void test_numbers(void **state)
{
    static const char *const bad[] = {"",
                                      "00",
                                      "01",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "0x1",
                                      "a",
                                      "1.",
                                      "1\n",
                                      "/",
                                      ":",
                                      "18446744073709551616",
                                      "18446744073709551625",
                                      "99999999999999999999",
                                      "184467440737095516150"};

    (void)state;
    assert_true(reads("0", 0, 0));
    assert_true(reads("7", 7, 7));
    assert_false(reads("8", 7, 0));
    assert_true(reads("4294967295", UINT32_MAX, UINT32_MAX));
    assert_false(reads("4294967296", UINT32_MAX, 0));
    assert_true(reads("18446744073709551615", UINT64_MAX, UINT64_MAX));
    assert_false(reads("18446744073709551615", UINT64_MAX - 1, 0));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(reads(bad[i], UINT64_MAX, 0));
}

static void test_number_with_nul(void **state)
{
    uint64_t number = 4711;

    (void)state;
    assert_false(cloud_text_read_number("1\0002", 3, UINT64_MAX, &number));
    assert_true(cloud_text_read_number("12345", 2, UINT64_MAX, &number));
    assert_int_equal(number, 12);
}

static void test_control(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++)
        assert_int_equal(cloud_text_is_control((char)c), c < 32 || c == 127);
    assert_false(cloud_text_has_control(""));
    assert_false(cloud_text_has_control("a b~\xc3\xa4"));
    assert_true(cloud_text_has_control("a\n"));
    assert_true(cloud_text_has_control("\x7f"
                                       "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_dropped_whole),
        cmocka_unit_test(test_huge_length),
        cmocka_unit_test(test_plain_values),
        cmocka_unit_test(test_quoted_values),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_values_at_every_size),
        cmocka_unit_test(test_cut_is_kept_by_values),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_number_with_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
