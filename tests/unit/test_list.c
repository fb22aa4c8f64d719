/* SPDX-License-Identifier: Apache-2.0 */

/* The account list with a fake API, a fake worker and fake timers. */
#include "base/log.h"
#include "base/worker.h"
#include "cloudauthd/accounts/list.h"
#include "cloudauthd/api/url.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST "https://api.example.com/v1/accounts"
#define ITEM  "{\"project\":\"%s\",\"environment\":\"%s\"}"

static struct cloud_conf conf;
static struct list *list;

/* ---- The loop's two timers ---- */

static struct loop_timer *main_timer;     /* the first that the list sets */
static struct loop_timer *timer, *offers; /* that one and the other, while they are set */
static int64_t delay, offers_delay;

bool loop_timer_set(struct loop *loop, struct loop_timer *set, int64_t milliseconds)
{
    (void)loop;
    if (main_timer == NULL)
        main_timer = set;
    set->set = true;
    *(set == main_timer ? &timer : &offers) = set;
    *(set == main_timer ? &delay : &offers_delay) = milliseconds;
    return true;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *cleared)
{
    (void)loop;
    cleared->set = false;
    *(cleared == main_timer || !main_timer ? &timer : &offers) = NULL;
}

static void run(struct loop_timer **due)
{
    struct loop_timer *now = *due;

    assert_non_null(now);
    *due = NULL;
    now->set = false;
    now->due(now->arg);
}

static void turn(void)
{
    run(&timer);
}

/* ---- The worker ---- */

static struct work *working;
static struct worker *const the_worker = (struct worker *)&working;

static bool work_is_done(void)
{
    struct work *work = working;

    if (work == NULL)
        return false;
    working = NULL;
    work->run(work);
    work->finish(work);
    return true;
}

void worker_add(struct worker *worker, struct work *work)
{
    assert_ptr_equal(worker, the_worker);
    assert_null(working);
    working = work;
}

/* ---- The API ---- */

static struct {
    api_done *done;
    void *arg;
    char url[URL_SIZE], etag[256];
} asked;
static unsigned requests;
static bool next_is_bad;

void api_get_url(struct api *api, const char *url, const struct validator *validator,
                 api_done *done, void *arg)
{
    (void)api;
    assert_null(asked.done);
    asked.done = done;
    asked.arg = arg;
    snprintf(asked.url, sizeof asked.url, "%s", url);
    snprintf(asked.etag, sizeof asked.etag, "%s", validator->etag);
    requests++;
}

bool url_next(const struct url_link *link, char out[URL_SIZE], char *why, size_t size)
{
    assert_string_equal(link->first, FIRST);
    assert_memory_equal(link->page, FIRST, strlen(FIRST));
    snprintf(out, URL_SIZE, "%s%s", FIRST, link->href);
    snprintf(why, size, "its next link leads to another origin");
    return !next_is_bad;
}

static void api_says(const struct api_result *result)
{
    api_done *done = asked.done;

    assert_non_null(done);
    asked.done = NULL;
    done(asked.arg, result);
}

static void api_fails(enum api_verdict verdict, uint32_t retry_after)
{
    struct api_result result = {
        .verdict = verdict, .detail = "connection refused", .retry_after = retry_after};

    api_says(&result);
}

/* The API answers with a page of that ETag, and the worker parses it. */
static void body(const char *etag, const char *text)
{
    struct api_result result = {.verdict = API_DOCUMENT, .body = text, .length = strlen(text)};

    snprintf(result.validator.etag, sizeof result.validator.etag, "%s", etag);
    api_says(&result);
    assert_true(work_is_done());
}

/*
 * names: environments, separated by spaces; those that begin with '-' are of another project. next:
 * the link to the next page, to be appended to FIRST, or NULL.
 */
static void page(const char *etag, const char *names, const char *next)
{
    static char text[65536];
    char copy[4096], *rest = copy, *name;
    size_t n = (size_t)snprintf(text, sizeof text, "{\"items\":[");

    snprintf(copy, sizeof copy, "%s", names);
    while ((name = strtok_r(rest, " ", &rest)) != NULL) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s" ITEM, n > 10 ? "," : "",
                              name[0] == '-' ? "otherproject" : "abcdefghij",
                              name + (name[0] == '-'));
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "]");
    if (next != NULL)
        n += (size_t)snprintf(text + n, sizeof text - n, ",\"_links\":{\"next\":{\"href\":\"%s\"}}",
                              next);
    snprintf(text + n, sizeof text - n, "}");
    body(etag, text);
}

static void unchanged(void)
{
    assert_string_not_equal(asked.etag, "");
    api_fails(API_UNCHANGED, 0);
}

/* ---- Events ---- */

static char said[65536]; /* "-staging2 +staging " */
static unsigned events;
static unsigned refusals; /* how many `listed` events are still refused */
static char logged[512];

static void say(const char *what, const struct list_item *item)
{
    size_t n = strlen(said);

    assert_string_equal(item->project, "abcdefghij");
    events++;
    if (n < sizeof said - 200)
        snprintf(said + n, sizeof said - n, "%s%s ", what, item->environment);
}

static bool on_listed(void *arg, const struct list_item *item)
{
    (void)arg;
    if (refusals > 0) {
        refusals--;
        return false;
    }
    say("+", item);
    return true;
}

static void on_left(void *arg, const struct list_item *item)
{
    (void)arg;
    say("-", item);
}

void log_at(int level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(logged, sizeof logged, format, arguments);
    va_end(arguments);
}

/* Runs all timers that are due, and checks the events that they send. */
static void tells(const char *expected)
{
    said[0] = '\0';
    do
        turn();
    while (delay == 0 && asked.done == NULL);
    while (offers != NULL && offers_delay == 0)
        run(&offers);
    assert_string_equal(said, expected);
}

/* Checks that no event was sent, and that the next attempt is at least that far away. */
static void fails(const char *why, int64_t least)
{
    assert_non_null(strstr(logged, why));
    assert_null(asked.done);
    assert_null(working);
    assert_true(delay >= least && delay <= least + least / 8);
    assert_string_equal(said, "");
}

static void quiet(void)
{
    said[0] = logged[0] = '\0';
}

static void start(void)
{
    const struct list_events told = {on_listed, on_left, NULL};

    main_timer = NULL;
    list = list_new(NULL, NULL, the_worker, &conf, &told);
    assert_non_null(list);
}

static int setup(void **state)
{
    (void)state;
    struct cloud_conf_error error;

    cloud_conf_defaults(&conf);
    strcpy(conf.accounts_url, FIRST);
    assert_true(cloud_conf_line(&conf, "allow = abcdefghij*", 19, &error));
    timer = offers = NULL;
    working = NULL;
    memset(&asked, 0, sizeof asked);
    requests = events = refusals = 0;
    next_is_bad = false;
    quiet();
    start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    list_free(list);
    assert_null(timer);
    assert_null(offers);
    work_is_done(); /* frees a list that the worker had */
    assert_null(working);
    return 0;
}

/* Fetches the first list: staging and staging2 on page 1, production on page 2. */
static void two_pages(void)
{
    turn();
    page("\"1\"", "staging staging2", "?page=2");
    turn();
    page("\"2\"", "production", NULL);
    assert_true(work_is_done());
    tells("+staging +staging2 +production ");
    quiet();
}

static void test_two_pages(void **state)
{
    (void)state;
    assert_true(delay >= 0 && delay < LIST_FIRST_MS);
    turn();
    assert_string_equal(asked.url, FIRST);
    assert_string_equal(asked.etag, "");
    page("\"1\"", "staging -staging9 staging2", "?page=2");
    turn();
    assert_string_equal(asked.url, FIRST "?page=2");
    page("\"2\"", "production", NULL);
    assert_true(work_is_done());
    assert_string_equal(said, "");
    tells("+staging +staging2 +production ");
    assert_string_equal(logged, "account list: 4 accounts, 3 here");
    assert_true(delay >= 240000 && delay <= 288000);
}

/* Without accounts_url there is no timer and no request. */
static void test_none(void **state)
{
    (void)state;
    list_free(list);
    conf.accounts_url[0] = '\0';
    start();
    assert_null(timer);
    list_configure(list, &conf, true);
    assert_null(timer);
    strcpy(conf.accounts_url, FIRST);
    list_configure(list, &conf, false);
    assert_int_equal(delay, 0);
    two_pages();
}

static void test_unchanged(void **state)
{
    (void)state;
    two_pages();
    turn();
    assert_string_equal(asked.etag, "\"1\"");
    unchanged();
    turn();
    assert_string_equal(asked.url, FIRST "?page=2");
    assert_string_equal(asked.etag, "\"2\"");
    unchanged();
    assert_null(working);
    tells("+staging +staging2 +production ");
}

static void test_one_page_changed(void **state)
{
    (void)state;
    two_pages();
    turn();
    page("\"1b\"", "staging", "?page=2");
    turn();
    unchanged();
    assert_true(work_is_done());
    tells("-staging2 +staging +production ");
    turn();
    assert_string_equal(asked.etag, "\"1b\"");
    unchanged();
    turn();
    unchanged();
    tells("+staging +production ");
}

/* A page is inserted before others, which are found again by their URLs. */
static void test_page_moved(void **state)
{
    (void)state;
    two_pages();
    turn();
    page("\"1b\"", "staging staging2", "?page=1b");
    turn();
    assert_string_equal(asked.etag, "");
    page("\"3\"", "staging3", "?page=2");
    turn();
    assert_string_equal(asked.etag, "\"2\"");
    unchanged();
    assert_true(work_is_done());
    tells("+staging +staging2 +staging3 +production ");
}

static void test_emptied(void **state)
{
    (void)state;
    two_pages();
    turn();
    page("", "", NULL);
    assert_true(work_is_done());
    tells("-staging -staging2 -production ");
    turn();
    page("", "staging", NULL);
    assert_true(work_is_done());
    tells("+staging ");
}

static void test_first_counts(void **state)
{
    (void)state;
    turn();
    page("\"1\"", "staging staging production", "?page=2");
    turn();
    page("\"2\"", "staging2 production", NULL);
    assert_true(work_is_done());
    tells("+staging +production +staging2 ");
}

static void test_page_missing(void **state)
{
    (void)state;
    two_pages();
    turn();
    page("\"1b\"", "staging", "?page=2");
    turn();
    api_fails(API_ABSENT, 0);
    fails("page 2: there is no such page", 1000);
    /* From the first page, with the validators of the last whole list. */
    turn();
    assert_string_equal(asked.url, FIRST);
    assert_string_equal(asked.etag, "\"1\"");
    unchanged();
    turn();
    unchanged();
    assert_non_null(strstr(logged, "well again"));
    tells("+staging +staging2 +production ");
    assert_true(delay >= 240000);
}

static void test_back_off(void **state)
{
    (void)state;
    static const int64_t seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        turn();
        api_fails(API_OUTAGE, 0);
        if (i == 0)
            fails("page 1: connection refused", 1000);
        assert_true(delay >= seconds[i] * 1000 && delay <= seconds[i] * 1125);
        assert_int_equal(logged[0] != '\0', i == 0);
        quiet();
    }
    turn();
    api_fails(API_OUTAGE, 200);
    assert_true(delay >= 200000 && delay <= 225000);
    turn();
    page("", "staging", NULL);
    assert_true(work_is_done());
    tells("+staging ");
    turn();
    api_fails(API_OUTAGE, 0);
    assert_true(delay >= 1000 && delay <= 1125);
}

static void test_unchanged_nothing(void **state)
{
    (void)state;
    turn();
    api_fails(API_UNCHANGED, 0);
    fails("unchanged, said the API of nothing", 1000);
}

static void test_circle(void **state)
{
    (void)state;
    turn();
    page("", "staging", "?page=2");
    turn();
    page("", "staging2", "?page=3");
    turn();
    page("", "staging3", "?page=2");
    fails("page 4: has been before", 1000);
    turn();
    page("", "staging", "");
    fails("page 2: has been before", 2000);
}

static void test_next_refused(void **state)
{
    (void)state;
    turn();
    next_is_bad = true;
    page("", "staging", "?page=2");
    fails("page 1: its next link leads to another origin", 1000);
}

static void test_invalid_page(void **state)
{
    (void)state;
    two_pages();
    turn();
    body("", "{\"items\":[{\"project\":\"abcdefghij\"}]}");
    fails("page 1: invalid: items[0].environment: missing", 1000);
    turn();
    body("", "<html>");
    assert_non_null(strstr(logged, "invalid: the document: not JSON"));
}

/* Never more than a slice in a turn of the loop. */
static void test_slices(void **state)
{
    (void)state;
    static char text[400000];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"items\":[");

    for (unsigned i = 0; i < 1250; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "%s{\"project\":\"abcdefghij\",\"environment\":\"x-%07u\"}",
                              i == 0 ? "" : ",", i);
    snprintf(text + n, sizeof text - n, "]}");
    turn();
    body("", text);
    assert_true(work_is_done());
    turn();
    assert_true(delay > 0);
    for (unsigned expected = LIST_SLICE; expected < 1250 + LIST_SLICE; expected += LIST_SLICE) {
        assert_int_equal(offers_delay, 0);
        run(&offers);
        assert_int_equal(events, expected > 1250 ? 1250 : expected);
    }
    assert_null(offers);
    turn();
    page("", "staging", NULL);
    assert_true(work_is_done());
    events = 0;
    turn();
    assert_int_equal(events, LIST_SLICE);
    for (unsigned i = 1; i <= 1250 / LIST_SLICE; i++)
        turn();
    assert_int_equal(events, 1250);
    assert_true(delay > 0);
}

/* A receiver that has enough gets the same environment later, and the list does not wait for it. */
static void test_listed_later(void **state)
{
    (void)state;
    turn();
    page("\"1\"", "staging staging2 staging3", NULL);
    assert_true(work_is_done());
    turn();
    refusals = 2;
    run(&offers);
    assert_int_equal(offers_delay, LIST_PAUSE_MS);
    run(&offers);
    assert_int_equal(offers_delay, LIST_PAUSE_MS);
    assert_string_equal(said, "");
    assert_true(delay >= 240000);
    turn();
    unchanged();
    tells(""); /* the pause goes on */
    assert_int_equal(offers_delay, LIST_PAUSE_MS);
    run(&offers);
    assert_string_equal(said, "+staging +staging2 +staging3 ");
    assert_null(offers);
}

/* A new list begins with its first environment. */
static void test_listed_anew(void **state)
{
    (void)state;
    turn();
    page("\"1\"", "staging staging2 staging3", NULL);
    assert_true(work_is_done());
    turn();
    refusals = 1;
    run(&offers);
    turn();
    page("\"2\"", "production staging3", NULL);
    assert_true(work_is_done());
    tells("-staging -staging2 +production +staging3 ");
    assert_null(offers);
}

/* ---- Settings ---- */

/* It is fetched at once, with its validators, and offered anew. */
static void test_reload_same(void **state)
{
    (void)state;
    two_pages();
    list_configure(list, &conf, false);
    tells("");
    assert_string_equal(asked.etag, "\"1\"");
    unchanged();
    turn();
    unchanged();
    tells("+staging +staging2 +production ");
}

/* The result of a request that other settings made is dropped. */
static void test_reload_while_asking(void **state)
{
    (void)state;
    two_pages();
    turn();
    list_configure(list, &conf, false);
    assert_null(timer);
    said[0] = '\0';
    api_fails(API_OUTAGE, 0);
    assert_string_equal(logged, "");
    assert_int_equal(delay, 0);
    tells("");
    assert_non_null(asked.done);
}

static void test_reload_while_reading(void **state)
{
    struct api_result result = {.verdict = API_DOCUMENT, .body = "{\"items\":[]}", .length = 12};

    (void)state;
    two_pages();
    turn();
    api_says(&result);
    list_configure(list, &conf, true);
    assert_null(timer);
    assert_true(work_is_done());
    assert_int_equal(delay, 0);
    tells("");
    assert_string_equal(asked.etag, "");
    page("", "staging", NULL);
    list_configure(list, &conf, true); /* while the whole list is built */
    assert_true(work_is_done());
    tells("");
    page("", "staging3", NULL);
    assert_true(work_is_done());
    tells("+staging3 ");
}

static void test_reload_while_telling(void **state)
{
    (void)state;
    two_pages();
    turn();
    page("", "staging", NULL);
    assert_true(work_is_done());
    list_configure(list, &conf, false);
    tells("-staging2 -production ");
    assert_non_null(asked.done);
    page("", "production", NULL);
    assert_true(work_is_done());
    list_configure(list, &conf, true);
    tells("");
    assert_non_null(asked.done);
}

/* After a change of the API no environment counts as having left the list. */
static void test_reload_forgets(void **state)
{
    (void)state;
    two_pages();
    list_configure(list, &conf, true);
    tells("");
    assert_string_equal(asked.etag, "");
    page("", "staging", NULL);
    assert_true(work_is_done());
    tells("+staging ");
    conf.accounts_url[0] = '\0';
    list_configure(list, &conf, false);
    assert_null(timer);
    strcpy(conf.accounts_url, FIRST);
    list_configure(list, &conf, false);
    tells("");
    page("", "staging2", NULL);
    assert_true(work_is_done());
    tells("+staging2 ");
}

/* Pages that were parsed by another `allow` are fetched whole. */
static void test_reload_rules(void **state)
{
    (void)state;
    struct cloud_conf_error error;

    two_pages();
    conf.grammar.allow.used = 0;
    assert_true(cloud_conf_line(&conf, "allow = abcdefghij_stg abcdefghij_stg3", 38, &error));
    list_configure(list, &conf, false);
    assert_null(offers);
    tells("");
    assert_string_equal(asked.etag, "");
    page("\"1\"", "staging staging2 staging3", NULL);
    assert_true(work_is_done());
    tells("-staging2 -production +staging +staging3 ");
    turn();
    unchanged();
    tells("+staging +staging3 ");
}

static void test_free_while_working(void **state)
{
    struct api_result result = {.verdict = API_DOCUMENT, .body = "{\"items\":[]}", .length = 12};

    (void)state;
    turn();
    api_says(&result);
    assert_non_null(working);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_two_pages),
        TEST(test_none),
        TEST(test_unchanged),
        TEST(test_one_page_changed),
        TEST(test_page_moved),
        TEST(test_emptied),
        TEST(test_first_counts),
        TEST(test_page_missing),
        TEST(test_back_off),
        TEST(test_unchanged_nothing),
        TEST(test_circle),
        TEST(test_next_refused),
        TEST(test_invalid_page),
        TEST(test_slices),
        TEST(test_listed_later),
        TEST(test_listed_anew),
        TEST(test_reload_same),
        TEST(test_reload_while_asking),
        TEST(test_reload_while_reading),
        TEST(test_reload_while_telling),
        TEST(test_reload_forgets),
        TEST(test_reload_rules),
        TEST(test_free_while_working),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
