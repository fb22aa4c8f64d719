/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/pairs.h"

#include "common/text.h"
#include "tests/unit/support.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_pair(struct pairs *pairs, const char *name, const char *value)
{
    const char *got_name, *got_value;

    assert_true(pairs_next(pairs, &got_name, &got_value));
    assert_string_equal(got_name, name);
    assert_string_equal(got_value, value);
}

static void assert_end(struct pairs *pairs)
{
    const char *name, *value;

    assert_false(pairs_next(pairs, &name, &value));
}

static void test_line(void **state)
{
    char line[] =
        "refuse account=abc app= detail=\"a \\\"b\\\" \\\\ \\xe2\\x80\\xae\" age= key=SHA256:x/+=";
    struct pairs pairs = {line};

    (void)state;
    assert_pair(&pairs, "refuse", "");
    assert_pair(&pairs, "account", "abc");
    assert_pair(&pairs, "app", "");
    assert_pair(&pairs, "detail", "a \"b\" \\ \xe2\x80\xae");
    assert_pair(&pairs, "age", "");
    assert_pair(&pairs, "key", "SHA256:x/+=");
    assert_end(&pairs);
}

/* What the daemon writes is what is read, whatever the bytes. */
static void test_back(void **state)
{
    char value[256], line[2048];

    (void)state;
    for (unsigned seed = 1; seed < 2000; seed++) {
        struct cloud_text text;
        struct pairs pairs = {line};
        size_t n = seed % 40 + 1;
        unsigned random = seed;
        for (size_t i = 0; i < n; i++) {
            random = random * 1103515245 + 12345;
            value[i] = (char)(random >> 16);
            if (value[i] == '\0')
                value[i] = '"';
        }
        value[n] = '\0';
        cloud_text_start(&text, line, sizeof line);
        cloud_text_add(&text, "end");
        cloud_text_add_pair(&text, "one", value);
        cloud_text_add_pair(&text, "two", "2");
        assert_pair(&pairs, "end", "");
        assert_pair(&pairs, "one", value);
        assert_pair(&pairs, "two", "2");
        assert_end(&pairs);
    }
}

/* Lines that no daemon writes: each ends, within its bytes. */
static void test_broken(void **state)
{
    static const char *const lines[] = {
        "",       " ",       "=",        "==",          "a=\"",
        "a=\"\\", "a=\"\\x", "a=\"\\x4", "a=\"\\x00\"", "a=\"b\"c=d e=f",
        "a  b",   "a=b=c ",  "\"\""};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        size_t size = strlen(lines[i]) + 1;
        char *line = malloc(size); /* of that very size, for ASan */
        const char *name, *value;
        unsigned n = 0;
        memcpy(line, lines[i], size);
        struct pairs pairs = {line};
        while (pairs_next(&pairs, &name, &value)) {
            assert_true(name >= line && name < line + size);
            assert_true(strlen(value) < size);
            assert_true(n++ < size);
        }
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
