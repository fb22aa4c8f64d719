/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/list_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ACCOUNT "{\"uid\":200002,\"gid\":200003,\"home\":\"/app/x\",\"shell\":\"/bin/bash\"}"
#define ITEM    "{\"project\":\"abcdefghij\",\"environment\":\"staging\",\"account\":" ACCOUNT "}"
#define PAGE    "{\"items\":[" ITEM "]}"

static struct cloud_conf conf;
static struct roster_rules rules;
static struct document_problem problem;

static void allow(const char *patterns)
{
    struct cloud_conf_error error;
    char line[200];

    cloud_conf_defaults(&conf);
    int n = snprintf(line, sizeof line, "allow = %s", patterns);
    assert_true(cloud_conf_line(&conf, line, (size_t)n, &error));
    rules = roster_rules(&conf);
}

static int setup(void **state)
{
    (void)state;
    allow("*");
    return 0;
}

/* From memory of its own length, so that a sanitizer sees every byte too many. */
static struct roster_page *parse(const char *text)
{
    size_t n = strlen(text);
    char *body = malloc(n);

    assert_non_null(body);
    memcpy(body, text, n);
    problem.text[0] = '\0';
    struct roster_page *page = roster_page_parse(body, n, &rules, &problem);
    free(body);
    assert_int_equal(page == NULL, problem.text[0] != '\0');
    return page;
}

static void test_item(void **state)
{
    (void)state;
    struct roster_page *page = parse(
        "{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"smith-a12b34c\",\"more\":[1],"
        "\"account\":{\"uid\":200002,\"gid\":200003,\"gecos\":\"Caf\\u00e9\",\"home\":\"/app/a b\","
        "\"shell\":\"/bin/sh\",\"more\":{}}}," ITEM "],\"_links\":{\"self\":{},\"next\":{\"href\":"
        "\"?page=2\",\"title\":null}},\"more\":true}");

    assert_non_null(page);
    assert_int_equal(page->total, 2);
    assert_int_equal(page->served, 2);
    assert_string_equal(page->next, "?page=2");
    assert_int_equal(page->used % 4, 0);
    struct list_item item = roster_item((const void *)page->block);
    assert_string_equal(item.project, "abcdefghij");
    assert_string_equal(item.environment, "smith-a12b34c");
    assert_string_equal(item.gecos, "Caf\xc3\xa9");
    assert_string_equal(item.home, "/app/a b");
    assert_string_equal(item.shell, "/bin/sh");
    assert_int_equal(item.uid, 200002);
    assert_int_equal(item.gid, 200003);
    assert_int_equal(item.asked_wall, 0);
    roster_page_release(page);
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
        struct roster_page *page = parse(pages[i]);
        if (page == NULL)
            fail_msg("%s: %s", pages[i], problem.text);
        assert_null(page->next);
        roster_page_release(page);
    }
}

static void test_invalid(void **state)
{
    static const struct {
        const char *text, *why;
    } pages[] = {
        {"", "the document: not JSON"},
        {PAGE " x", "the document: not JSON: something follows"},
        {"[" ITEM "]", "the document: not an object"},
        {"{}", "items: missing"},
        {"{\"items\":null}", "items: missing"},
        {"{\"items\":{}}", "items: not an array"},
        {"{\"items\":[],\"items\":[]}", "items: stands twice"},
        {"{\"items\":[" ITEM ",[]]}", "items[1]: not an object"},
        {"{\"items\":[{\"environment\":\"staging\",\"account\":" ACCOUNT "}]}",
         "items[0].project: missing"},
        {"{\"items\":[{\"project\":\"Abcdefghij\",\"environment\":\"staging\",\"account\":" ACCOUNT
         "}]}",
         "items[0].project: not one"},
        {"{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"../"
         "staging\",\"account\":" ACCOUNT "}]}",
         "items[0].environment: not one"},
        {"{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"staging\"}]}",
         "items[0].account: missing"},
        {"{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"staging\",\"account\":{\"uid\":"
         "-1,"
         "\"gid\":1,\"home\":\"/a\",\"shell\":\"/b\"}}]}",
         "items[0].account.uid: not an integer"},
        {"{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"staging\",\"account\":{\"uid\":"
         "1,"
         "\"gid\":1,\"home\":\"a\",\"shell\":\"/b\"}}]}",
         "items[0].account.home: not a plain absolute path"},
        {"{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"staging\",\"account\":{\"uid\":"
         "1,"
         "\"gid\":1,\"gecos\":\"a:b\",\"home\":\"/a\",\"shell\":\"/b\"}}]}",
         "items[0].account.gecos: has a ':'"},
        {"{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"staging\",\"account\":{\"uid\":"
         "1,"
         "\"gid\":1,\"home\":\"/a\",\"shell\":\"/b\\n\"}}]}",
         "items[0].account.shell: has a control character"},
        {"{\"items\":[],\"_links\":[]}", "_links: not an object"},
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

static bool serves(const char *project, const char *environment, uint32_t uid, uint32_t gid)
{
    const struct list_item item = {project, environment, uid, gid, "", "/a", "/b", 0};

    return roster_serves(&rules, &item);
}

static void test_serves(void **state)
{
    (void)state;
    assert_true(serves("abcdefghij", "staging", 200000, 999999));
    assert_false(serves("abcdefghij", "staging", 199999, 200000));
    assert_false(serves("abcdefghij", "staging", 200000, 1000000));
    assert_false(serves("abcdefghij", "development", 200000, 200000));
    assert_false(serves("abcdef", "staging", 200000, 200000));
    allow("abcdefghij abcdefghij_stg2_sftp abcdefg123abc-*");
    assert_true(serves("abcdefghij", "production", 200000, 200000));
    assert_false(serves("abcdefghij", "staging", 200000, 200000));
    assert_true(serves("abcdefghij", "staging2", 200000, 200000));
    assert_true(serves("abcdefg123abc", "smith-a12b34c", 200000, 200000));
    assert_false(serves("abcdefg123abc", "production", 200000, 200000));
}

/* The longest login name there is, and no room for an ending. */
static void test_longest_name(void **state)
{
    (void)state;
    char environment[CLOUD_NAME_MAX + 1];

    memset(environment, 'a', sizeof environment);
    memcpy(environment + CLOUD_NAME_MAX - 11 - 8, "-a12b34c", 9);
    assert_true(serves("abcdefghij", environment, 200000, 200000));
    allow("other");
    assert_false(serves("abcdefghij", environment, 200000, 200000));
}

/* Of other hosts nothing is kept, but they are counted, and must be well-formed. */
static void test_others(void **state)
{
    (void)state;
    allow("otherproject");
    struct roster_page *page = parse(PAGE);
    assert_non_null(page);
    assert_int_equal(page->total, 1);
    assert_int_equal(page->served, 0);
    assert_int_equal(page->used, 0);
    roster_page_release(page);
    assert_null(parse("{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"staging\"}]}"));
}

/* The shortest item that can be does not outgrow the room that its page gives. */
static void test_shortest_items(void **state)
{
    static const char item[] =
        "{\"project\":\"abcde\",\"environment\":\"staging\",\"account\":{\"uid\":"
        "1000,\"gid\":1000,\"home\":\"/a\",\"shell\":\"/b\"}},";
    char text[200 * sizeof item + 32] = "{\"items\":[";

    (void)state;
    conf.grammar.project_min = 5;
    conf.uid_min = 1000;
    rules = roster_rules(&conf);
    for (size_t i = 0; i < 200; i++)
        strcat(text, item);
    strcpy(text + strlen(text) - 1, "]}");
    struct roster_page *page = parse(text);
    assert_non_null(page);
    assert_int_equal(page->served, 200);
    roster_page_release(page);
}

/* ---- The whole
 * -----------------------------------------------------------------------------------
 */

static struct roster_page *made_of(size_t total, size_t used)
{
    struct roster_page *page = calloc(1, sizeof *page);

    assert_non_null(page);
    page->users = 1;
    page->total = total;
    page->used = used;
    return page;
}

/* Adds up to n such pages, and says how many it took. */
static size_t added(size_t n, size_t total, size_t used, const char **why)
{
    struct roster *roster = calloc(1, sizeof *roster);
    size_t i = 0;

    assert_non_null(roster);
    while (i < n && roster_add(roster, made_of(total, used), why))
        i++;
    assert_int_equal(roster->pages, i);
    roster_free(roster);
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
    assert_string_equal(why, "more than 256 MiB of accounts");
    assert_int_equal(added(2, 500000, 128u << 20, &why), 2);
    assert_null(why);
}

/* A roster of one page with n environments from first on, and of a second one that repeats them. */
static struct roster *numbered(unsigned first, unsigned n)
{
    struct roster *roster = calloc(1, sizeof *roster);
    size_t room = 200 * (size_t)n + 64, used;
    char *text = malloc(room);
    const char *why;

    assert_non_null(roster);
    assert_non_null(text);
    for (unsigned uid = 200001; uid <= 200002; uid++) {
        used = (size_t)snprintf(text, room, "{\"items\":[");
        for (unsigned i = first; i < first + n; i++)
            used += (size_t)snprintf(text + used, room - used,
                                     "%s{\"project\":\"abcdefghij\",\"environment\":\"x-%07u\","
                                     "\"account\":{\"uid\":%u,\"gid\":%u,\"home\":\"/a\","
                                     "\"shell\":\"/b\"}}",
                                     i == first ? "" : ",", i, uid, uid);
        snprintf(text + used, room - used, "]}");
        assert_true(roster_add(roster, parse(text), &why));
    }
    free(text);
    return roster;
}

static void test_build(void **state)
{
    struct roster *before = numbered(0, 5000), *now = numbered(1000, 6000);

    (void)state;
    assert_true(roster_build(before, NULL));
    assert_int_equal(before->records, 5000);
    assert_int_equal(before->lefts, 0);
    assert_true(roster_build(now, before));
    assert_int_equal(now->records, 6000);
    assert_int_equal(now->total, 12000);
    assert_int_equal(now->lefts, 1000);
    for (unsigned i = 0; i < 6000; i++) {
        char name[32];
        struct list_item item = roster_item(now->record[i]);
        snprintf(name, sizeof name, "x-%07u", 1000 + i);
        assert_string_equal(item.environment, name);
        assert_int_equal(item.uid, 200001);
        if (i < 1000) {
            snprintf(name, sizeof name, "x-%07u", i);
            assert_string_equal(roster_item(now->left[i]).environment, name);
        }
    }
    roster_free(now);
    roster_free(before);
}

/* A project and an environment are not one text: "abcdefg hstaging" is not "abcdefgh staging". */
static void test_names_apart(void **state)
{
    struct roster *roster = calloc(1, sizeof *roster);
    const char *why;

    (void)state;
    assert_non_null(roster);
    strcpy(conf.grammar.suffix[0].environment, "a");
    strcpy(conf.grammar.suffix[1].environment, "ha");
    strcpy(conf.grammar.suffix[1].suffix, "_h");
    conf.grammar.suffixes = 2;
    rules = roster_rules(&conf);
    assert_true(roster_add(
        roster,
        parse("{\"items\":[{\"project\":\"abcdefg\",\"environment\":\"ha\",\"account\":" ACCOUNT
              "},{\"project\":\"abcdefgh\",\"environment\":\"a\",\"account\":" ACCOUNT "}]}"),
        &why));
    assert_true(roster_build(roster, NULL));
    assert_int_equal(roster->records, 2);
    roster_free(roster);
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
