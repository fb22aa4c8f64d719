/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/audit/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char room[1u << 16];
static char place[RECENT_PLACE_SIZE];
static struct cloud_text text;

/* What is behind the place, which moves on. Returns how many were missed. */
static uint32_t read_on(size_t size)
{
    char next[RECENT_PLACE_SIZE];

    cloud_text_start(&text, room, size);
    uint32_t missed = recent_list(place, &text, next);
    strcpy(place, next);
    return missed;
}

static int setup(void **state)
{
    (void)state;
    recent_clear();
    place[0] = '\0';
    return 0;
}

static void test_in_order(void **state)
{
    (void)state;
    recent_add(5, "grant one");
    recent_add(6, "refuse two");
    assert_int_equal(read_on(sizeof room), 0);
    assert_string_equal(room, "5\tgrant one\n6\trefuse two\n");
    assert_int_equal(read_on(sizeof room), 0);
    assert_string_equal(room, "");
    recent_add(7, "grant three");
    assert_int_equal(read_on(sizeof room), 0);
    assert_string_equal(room, "7\tgrant three\n");
}

/* A page ends with a whole line, and the next one goes on behind it. */
static void test_pages(void **state)
{
    char line[100];
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "line %u", i);
        recent_add(i, line);
    }
    do {
        unsigned number = 0;
        assert_int_equal(read_on(256), 0);
        assert_false(text.cut);
        for (char *at = room; *at != '\0'; at = strchr(at, '\n') + 1, n++) {
            assert_non_null(strchr(at, '\n'));
            assert_int_equal(sscanf(at, "%*u\tline %u\n", &number), 1);
            assert_int_equal(number, n);
        }
    } while (room[0] != '\0');
    assert_int_equal(n, 500);
}

static void test_missed(void **state)
{
    (void)state;
    recent_add(1, "first");
    assert_int_equal(read_on(sizeof room), 0);
    for (unsigned i = 0; i < RECENT_LINES_MAX + 10; i++)
        recent_add(2, "more");
    assert_int_equal(read_on(128), 10);
    assert_string_equal(strrchr(room, '2'), "2\tmore\n");
    assert_int_equal(read_on(128), 0);
}

/* Long lines: bytes are the bound. */
static void test_bytes(void **state)
{
    size_t size = 10000;
    char *line = malloc(size + 1);
    unsigned n = 0;

    (void)state;
    memset(line, 'x', size);
    line[size] = '\0';
    for (unsigned i = 0; i < 500; i++)
        recent_add(1, line);
    do {
        assert_int_equal(read_on(sizeof room), 0);
        for (char *at = room; *at != '\0'; at = strchr(at, '\n') + 1)
            n++;
    } while (room[0] != '\0');
    assert_true(n > 0 && n * size <= RECENT_BYTES_MAX && (n + 2) * size > RECENT_BYTES_MAX);
    free(line);
    /* One that is larger than all takes the others along. */
    line = calloc(1, RECENT_BYTES_MAX + 2);
    memset(line, 'y', RECENT_BYTES_MAX + 1);
    recent_add(1, "before");
    recent_add(1, line);
    assert_int_equal(read_on(sizeof room), 2);
    recent_add(1, "after");
    assert_int_equal(read_on(sizeof room), 0);
    assert_string_equal(room, "1\tafter\n");
    free(line);
}

/* A place of another process, from the future or of foreign bytes is the beginning. */
static void test_places(void **state)
{
    static const char *const others[] = {"0123456789abcdef.0", "x", ".", "-1.-1",
                                         "00000000000000000000000000000000000000000000000000000.1"};
    char good[RECENT_PLACE_SIZE];

    (void)state;
    recent_add(1, "line");
    read_on(sizeof room);
    strcpy(good, place);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char next[RECENT_PLACE_SIZE];
        cloud_text_start(&text, room, sizeof room);
        assert_int_equal(recent_list(others[i], &text, next), 0);
        assert_string_equal(room, "1\tline\n");
        assert_string_equal(next, good);
    }
    snprintf(place, sizeof place, "%.17s99999999999", good);
    read_on(sizeof room);
    assert_string_equal(room, "1\tline\n");
    strcpy(place, good);
    strcat(place, " ");
    read_on(sizeof room);
    assert_string_equal(room, "1\tline\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_in_order, setup), cmocka_unit_test_setup(test_pages, setup),
        cmocka_unit_test_setup(test_missed, setup),   cmocka_unit_test_setup(test_bytes, setup),
        cmocka_unit_test_setup(test_places, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    recent_clear();
    return failed;
}
