/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/list_pages.h"
#include "tests/unit/support.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEM "{\"project\":\"abcdefghij\",\"environment\":\"staging\"}"
#define PAGE "{\"items\":[" ITEM "]}"

static struct cloud_conf conf;
static struct document_problem problem;

static void allow(const char *patterns)
{
    struct cloud_conf_error error;
    char line[200];

    cloud_conf_defaults(&conf);
    int n = snprintf(line, sizeof line, "allow = %s", patterns);
    assert_true(cloud_conf_line(&conf, line, (size_t)n, &error));
}

static int setup(void **state)
{
    (void)state;
    allow("*");
    return 0;
}

/* The body is a block of exactly its length, so that a sanitizer notices an overrun. */
static struct list_page *parse(const char *text)
{
    size_t n = strlen(text);
    char *body = malloc(n);

    assert_non_null(body);
    memcpy(body, text, n);
    problem.text[0] = '\0';
    struct list_page *page = list_pages_parse(body, n, &conf.grammar, &problem);
    free(body);
    assert_int_equal(page == NULL, problem.text[0] != '\0');
    return page;
}

/* Members of an item besides its names are ignored, whatever their type. */
static void test_item(void **state)
{
    (void)state;
    struct list_page *page =
        parse("{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"smith-a12b34c\","
              "\"uid\":-1,\"account\":{\"uid\":0,\"gid\":\"root\",\"home\":[]}}," ITEM
              ",{\"project\":\"abcdefghij\",\"environment\":\"staging2\",\"account\":null}],"
              "\"_links\":{\"self\":{},\"next\":{\"href\":\"?page=2\",\"title\":null}},"
              "\"more\":true}");

    assert_non_null(page);
    assert_int_equal(page->total, 3);
    assert_int_equal(page->served, 3);
    assert_string_equal(page->next, "?page=2");
    struct list_item item = list_pages_item(page->block);
    assert_string_equal(item.project, "abcdefghij");
    assert_string_equal(item.environment, "smith-a12b34c");
    item = list_pages_item(item.environment + strlen(item.environment) + 1);
    assert_string_equal(item.project, "abcdefghij");
    assert_string_equal(item.environment, "staging");
    list_pages_release(page);
}

static void test_valid(void **state)
{
    static const char *const pages[] = {
        "{\"items\":[]}",
        " {\"items\":[" ITEM "," ITEM "],\"_links\":{}}\n",
        "{\"items\":[],\"_links\":null}",
        "{\"items\":[],\"_links\":{\"next\":null}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        struct list_page *page = parse(pages[i]);
        if (page == NULL)
            fail_msg("%s: %s", pages[i], problem.text);
        assert_null(page->next);
        list_pages_release(page);
    }
}

static void test_invalid(void **state)
{
    static const struct {
        const char *text, *why;
    } pages[] = {
        {"", "the document: not JSON"},
        {PAGE " x", "the document: not JSON: bytes follow"},
        {"[" ITEM "]", "the document: not an object"},
        {"{}", "items: missing"},
        {"{\"items\":null}", "items: missing"},
        {"{\"items\":{}}", "items: not an array"},
        {"{\"items\":[],\"items\":[]}", "items: given twice"},
        {"{\"items\":[" ITEM ",[1]]}", "items[1]: not an object"},
        {"{\"items\":[{\"environment\":\"staging\"}]}", "items[0].project: missing"},
        {"{\"items\":[{\"project\":\"Abcdefghij\",\"environment\":\"staging\"}]}",
         "items[0].project: not one"},
        {"{\"items\":[" ITEM ",{\"project\":\"abcdefghij\"}]}", "items[1].environment: missing"},
        {"{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"../staging\"}]}",
         "items[0].environment: not one"},
        {"{\"items\":[{\"project\":\"abcdefghij\",\"project\":\"abcdefghij\"}]}",
         "items[0].project: given twice"},
        {"{\"items\":[],\"_links\":[1]}", "_links: not an object"},
        {"{\"items\":[],\"_links\":{\"next\":\"?page=2\"}}", "_links.next: not an object"},
        {"{\"items\":[],\"_links\":{\"next\":{}}}", "_links.next.href: missing"},
        {"{\"items\":[],\"_links\":{\"next\":{\"href\":2}}}", "_links.next.href: not a string"},
        {"{\"items\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "the document: nested too deeply"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (parse(pages[i].text) != NULL ||
            strncmp(problem.text, pages[i].why, strlen(pages[i].why)) != 0)
            fail_msg("%s: %s", pages[i].text, problem.text);
}

static bool serves(const char *project, const char *environment)
{
    const struct list_item item = {project, environment};

    return list_pages_serves(&conf.grammar, &item);
}

static void test_serves(void **state)
{
    (void)state;
    assert_true(serves("abcdefghij", "staging"));
    assert_false(serves("abcdefghij", "development"));
    assert_false(serves("abcdef", "staging"));
    allow("abcdefghij abcdefghij_stg2_sftp abcdefg123abc-*");
    assert_true(serves("abcdefghij", "production"));
    assert_false(serves("abcdefghij", "staging"));
    assert_true(serves("abcdefghij", "staging2"));
    assert_true(serves("abcdefg123abc", "smith-a12b34c"));
    assert_false(serves("abcdefg123abc", "production"));
}

/* The longest login name, which has no space left for an ending. */
static void test_longest_name(void **state)
{
    (void)state;
    char environment[CLOUD_NAME_MAX + 1];

    memset(environment, 'a', sizeof environment);
    memcpy(environment + CLOUD_NAME_MAX - 11 - 8, "-a12b34c", 9);
    assert_true(serves("abcdefghij", environment));
    allow("other");
    assert_false(serves("abcdefghij", environment));
}

/* Items of other hosts are checked and counted, but not kept. */
static void test_others(void **state)
{
    (void)state;
    allow("otherproject");
    struct list_page *page = parse(PAGE);
    assert_non_null(page);
    assert_int_equal(page->total, 1);
    assert_int_equal(page->served, 0);
    assert_int_equal(page->used, 0);
    list_pages_release(page);
    assert_null(parse("{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"\"}]}"));
}

/* The names of the shortest items fit the memory that the length of the page gives. */
static void test_shortest_items(void **state)
{
    static const char item[] = "{\"project\":\"abcde\",\"environment\":\"a\"},";
    char text[200 * sizeof item + 32] = "{\"items\":[";

    (void)state;
    conf.grammar.project_min = 5;
    strcpy(conf.grammar.suffix[0].environment, "a");
    for (size_t i = 0; i < 200; i++)
        strcat(text, item);
    strcpy(text + strlen(text) - 1, "]}");
    struct list_page *page = parse(text);
    assert_non_null(page);
    assert_int_equal(page->served, 200);
    assert_int_equal(page->used, 200 * sizeof "abcde\0a");
    list_pages_release(page);
}

/* ---- The whole ---- */

static struct list_page *made_of(size_t total, size_t used)
{
    struct list_page *page = calloc(1, sizeof *page);

    assert_non_null(page);
    page->users = 1;
    page->total = total;
    page->used = used;
    return page;
}

/* Adds up to n such pages, and returns how many were taken. */
static size_t added(size_t n, size_t total, size_t used, const char **why)
{
    struct list_pages *list = calloc(1, sizeof *list);
    size_t i = 0;

    assert_non_null(list);
    while (i < n && list_pages_add(list, made_of(total, used), why))
        i++;
    assert_int_equal(list->pages, i);
    list_pages_free(list);
    return i;
}

static void test_limits(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(added(10001, 1, 0, &why), 10000);
    assert_string_equal(why, "more than 10000 pages");
    assert_int_equal(added(3, 500000, 0, &why), 2);
    assert_string_equal(why, "more than 1000000 items");
    assert_int_equal(added(1, 1000001, 0, &why), 0);
    assert_int_equal(added(3, 1, 128u << 20, &why), 2);
    assert_string_equal(why, "more than 256 MiB of names");
    assert_int_equal(added(2, 500000, 128u << 20, &why), 2);
    assert_null(why);
}

/* A list of one page with n environments from first on, and of a second one that repeats them. */
static struct list_pages *numbered(unsigned first, unsigned n)
{
    struct list_pages *list = calloc(1, sizeof *list);
    size_t space = 100 * (size_t)n + 64, used;
    char *text = malloc(space);
    const char *why;

    assert_non_null(list);
    assert_non_null(text);
    used = (size_t)snprintf(text, space, "{\"items\":[");
    for (unsigned i = first; i < first + n; i++)
        used += (size_t)snprintf(text + used, space - used,
                                 "%s{\"project\":\"abcdefghij\",\"environment\":\"x-%07u\"}",
                                 i == first ? "" : ",", i);
    snprintf(text + used, space - used, "]}");
    assert_true(list_pages_add(list, parse(text), &why));
    assert_true(list_pages_add(list, parse(text), &why));
    free(text);
    return list;
}

static void test_build(void **state)
{
    struct list_pages *before = numbered(0, 5000), *now = numbered(1000, 6000);

    (void)state;
    assert_true(list_pages_build(before, NULL));
    assert_int_equal(before->names, 5000);
    assert_int_equal(before->lefts, 0);
    assert_true(list_pages_build(now, before));
    assert_int_equal(now->names, 6000);
    assert_int_equal(now->total, 12000);
    assert_int_equal(now->lefts, 1000);
    assert_true(list_pages_has(now, &(struct list_item){"abcdefghij", "x-0001000"}));
    assert_false(list_pages_has(now, &(struct list_item){"abcdefghij", "x-0000999"}));
    assert_false(list_pages_has(now, &(struct list_item){"abcdefghi", "x-0001000"}));
    for (unsigned i = 0; i < 6000; i++) {
        char name[32];
        snprintf(name, sizeof name, "x-%07u", 1000 + i);
        assert_string_equal(list_pages_item(now->name[i]).environment, name);
        if (i < 1000) {
            snprintf(name, sizeof name, "x-%07u", i);
            assert_string_equal(list_pages_item(now->left[i]).environment, name);
        }
    }
    list_pages_free(now);
    list_pages_free(before);
}

/* Names are compared one by one: "abcdefg", "ha" is not "abcdefgh", "a". */
static void test_names_apart(void **state)
{
    struct list_pages *list = calloc(1, sizeof *list);
    const char *why;

    (void)state;
    assert_non_null(list);
    strcpy(conf.grammar.suffix[0].environment, "a");
    strcpy(conf.grammar.suffix[1].environment, "ha");
    strcpy(conf.grammar.suffix[1].suffix, "_h");
    conf.grammar.suffixes = 2;
    assert_true(list_pages_add(list,
                               parse("{\"items\":[{\"project\":\"abcdefg\",\"environment\":\"ha\"},"
                                     "{\"project\":\"abcdefgh\",\"environment\":\"a\"}]}"),
                               &why));
    assert_true(list_pages_build(list, NULL));
    assert_int_equal(list->names, 2);
    list_pages_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_item, setup),
        cmocka_unit_test_setup(test_valid, setup),
        cmocka_unit_test_setup(test_invalid, setup),
        cmocka_unit_test_setup(test_serves, setup),
        cmocka_unit_test_setup(test_longest_name, setup),
        cmocka_unit_test_setup(test_others, setup),
        cmocka_unit_test_setup(test_shortest_items, setup),
        cmocka_unit_test_setup(test_limits, setup),
        cmocka_unit_test_setup(test_build, setup),
        cmocka_unit_test_setup(test_names_apart, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
