/* SPDX-License-Identifier: Apache-2.0 */

/* The account list against an API, a worker, timers and a clock of the test's own. */
#include "base/log.h"
#include "base/worker.h"
#include "cloudauthd/accounts/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define FIRST "https://api.example.com/v1/accounts"
#define ITEM                                                                                       \
    "{\"project\":\"abcdefghij\",\"environment\":\"%s\",\"account\":{\"uid\":%u,\"gid\":%u,"       \
    "\"home\":\"/app/x\",\"shell\":\"/bin/bash\"}}"

static time_t wall_clock;
static struct cloud_conf conf;
static struct list *list;

time_t time(time_t *out)
{
    if (out != NULL)
        *out = wall_clock;
    return wall_clock;
}

/* ---- The loop's one timer
 * ------------------------------------------------------------------------
 */

static struct loop_timer *timer;
static int64_t delay;

bool loop_timer_set(struct loop *loop, struct loop_timer *set, int64_t milliseconds)
{
    (void)loop;
    timer = set;
    delay = milliseconds;
    return true;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *cleared)
{
    (void)loop;
    (void)cleared;
    timer = NULL;
}

static void turn(void)
{
    struct loop_timer *due = timer;

    assert_non_null(due);
    timer = NULL;
    due->due(due->arg);
}

/* ---- The worker
 * ----------------------------------------------------------------------------------
 */

static struct work *working;
static unsigned workers;

struct worker *worker_new(struct loop *loop)
{
    (void)loop;
    workers++;
    return (struct worker *)&workers;
}

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

void worker_free(struct worker *worker)
{
    if (worker != NULL)
        work_is_done();
}

void worker_add(struct worker *worker, struct work *work)
{
    assert_non_null(worker);
    assert_null(working);
    working = work;
}

/* ---- The API
 * -------------------------------------------------------------------------------------
 */

static struct {
    api_done *done;
    void *arg;
    char url[API_URL_SIZE], etag[256];
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

bool api_next_url(const char *first, const char *url, const char *href, char out[API_URL_SIZE],
                  char *why, size_t size)
{
    assert_string_equal(first, FIRST);
    assert_memory_equal(url, FIRST, strlen(FIRST));
    snprintf(out, API_URL_SIZE, "%s%s", FIRST, href);
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

/* A page with that ETag, and the worker's turn. */
static void body(const char *etag, const char *text)
{
    struct api_result result = {.verdict = API_DOCUMENT, .body = text, .length = strlen(text)};

    snprintf(result.validator.etag, sizeof result.validator.etag, "%s", etag);
    api_says(&result);
    assert_true(work_is_done());
}

/*
 * names: environments with a space between them; what begins with '-' is not served here. next:
 * where the next page is, after FIRST, or NULL.
 */
static void page(const char *etag, const char *names, const char *next)
{
    static char text[65536];
    char copy[4096], *rest = copy, *name;
    size_t n = (size_t)snprintf(text, sizeof text, "{\"items\":[");

    snprintf(copy, sizeof copy, "%s", names);
    while ((name = strtok_r(rest, " ", &rest)) != NULL) {
        unsigned id = name[0] == '-' ? 5000 : 200001;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s" ITEM, n > 10 ? "," : "",
                              name + (name[0] == '-'), id, id);
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

/* ---- What is told
 * --------------------------------------------------------------------------------
 */

static char said[65536]; /* "+staging -staging2 =2 " */
static unsigned events;
static int64_t asked_wall;
static char logged[512];

static void say(const char *what, const char *name)
{
    size_t n = strlen(said);

    events++;
    if (n < sizeof said - 200)
        snprintf(said + n, sizeof said - n, "%s%s ", what, name);
}

static void on_listed(void *arg, const struct list_item *item)
{
    (void)arg;
    assert_string_equal(item->project, "abcdefghij");
    assert_string_equal(item->gecos, "");
    assert_string_equal(item->home, "/app/x");
    assert_string_equal(item->shell, "/bin/bash");
    assert_int_equal(item->uid, 200001);
    assert_int_equal(item->gid, 200001);
    asked_wall = item->asked_wall;
    say("+", item->environment);
}

static void on_left(void *arg, const char *project, const char *environment)
{
    (void)arg;
    assert_string_equal(project, "abcdefghij");
    say("-", environment);
}

static void on_complete(void *arg, size_t count)
{
    char number[32];

    (void)arg;
    snprintf(number, sizeof number, "%zu", count);
    say("=", number);
}

__attribute__((format(printf, 1, 0))) static void keep(const char *format, va_list arguments)
{
    vsnprintf(logged, sizeof logged, format, arguments);
}

void log_warning(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    keep(format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    keep(format, arguments);
    va_end(arguments);
}

void log_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    keep(format, arguments);
    va_end(arguments);
}

/* Lets it tell all, and looks whether that is what was expected. */
static void tells(const char *expected)
{
    said[0] = '\0';
    do
        turn();
    while (delay == 0 && asked.done == NULL);
    assert_string_equal(said, expected);
}

/* Nothing is told, and the next time is at least that many milliseconds away. */
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
    const struct list_events told = {on_listed, on_left, on_complete, NULL};

    list = list_new(NULL, NULL, &conf, &told);
    assert_non_null(list);
}

static int setup(void **state)
{
    (void)state;
    struct cloud_conf_error error;

    cloud_conf_defaults(&conf);
    strcpy(conf.accounts_url, FIRST);
    assert_true(cloud_conf_line(&conf, "allow = abcdefghij*", 19, &error));
    wall_clock = 1800000000;
    timer = NULL;
    working = NULL;
    memset(&asked, 0, sizeof asked);
    requests = events = workers = 0;
    next_is_bad = false;
    quiet();
    start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    list_free(list);
    assert_null(working);
    return 0;
}

/* The list as it is after the first time: staging and staging2 on page 1, production on page 2. */
static void two_pages(void)
{
    turn();
    page("\"1\"", "staging staging2", "?page=2");
    turn();
    page("\"2\"", "production", NULL);
    assert_true(work_is_done());
    tells("+staging +staging2 +production =3 ");
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
    wall_clock += 5;
    turn();
    assert_string_equal(asked.url, FIRST "?page=2");
    page("\"2\"", "production", NULL);
    assert_true(work_is_done());
    assert_string_equal(said, "");
    tells("+staging +staging2 +production =4 ");
    assert_int_equal(asked_wall, 1800000000);
    assert_true(delay >= 240000 && delay <= 288000);
}

/* What takes a login with no list at all. */
static void test_none(void **state)
{
    (void)state;
    list_free(list);
    conf.accounts_url[0] = '\0';
    timer = NULL;
    start();
    assert_null(timer);
    assert_int_equal(workers, 0);
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
    wall_clock += 300;
    turn();
    assert_string_equal(asked.etag, "\"1\"");
    unchanged();
    turn();
    assert_string_equal(asked.url, FIRST "?page=2");
    assert_string_equal(asked.etag, "\"2\"");
    unchanged();
    assert_null(working);
    tells("+staging +staging2 +production =3 ");
    assert_int_equal(asked_wall, 1800000300);
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
    tells("-staging2 +staging +production =2 ");
    turn();
    assert_string_equal(asked.etag, "\"1b\"");
    unchanged();
    turn();
    unchanged();
    tells("+staging +production =2 ");
}

/* A page in front of the others: those are found again by their URLs. */
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
    tells("+staging +staging2 +staging3 +production =4 ");
}

static void test_emptied(void **state)
{
    (void)state;
    two_pages();
    turn();
    page("", "", NULL);
    assert_true(work_is_done());
    tells("-staging -staging2 -production =0 ");
    turn();
    page("", "staging", NULL);
    assert_true(work_is_done());
    tells("+staging =1 ");
}

static void test_first_counts(void **state)
{
    (void)state;
    turn();
    page("\"1\"", "staging staging production", "?page=2");
    turn();
    page("\"2\"", "staging2 production", NULL);
    assert_true(work_is_done());
    tells("+staging +production +staging2 =5 ");
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
    /* From the start, with what the last whole list was made of. */
    turn();
    assert_string_equal(asked.url, FIRST);
    assert_string_equal(asked.etag, "\"1\"");
    unchanged();
    turn();
    unchanged();
    assert_non_null(strstr(logged, "well again"));
    tells("+staging +staging2 +production =3 ");
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
    tells("+staging =1 ");
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
    body("", "{\"items\":[{\"project\":\"abcdefghij\",\"environment\":\"staging\"}]}");
    fails("page 1: invalid: items[0].account: missing", 1000);
    turn();
    body("", "<html>");
    assert_non_null(strstr(logged, "invalid: the document: not JSON"));
}

/* Never more than a slice a turn, of what left too. */
static void test_slices(void **state)
{
    (void)state;
    static char text[400000];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"items\":[");

    for (unsigned i = 0; i < 1250; i++)
        n +=
            (size_t)snprintf(text + n, sizeof text - n,
                             "%s{\"project\":\"abcdefghij\",\"environment\":\"x-%07u\",\"account\":"
                             "{\"uid\":200001,\"gid\":200001,\"home\":\"/app/x\",\"shell\":"
                             "\"/bin/bash\"}}",
                             i == 0 ? "" : ",", i);
    snprintf(text + n, sizeof text - n, "]}");
    turn();
    body("", text);
    assert_true(work_is_done());
    for (unsigned expected = LIST_SLICE; expected <= 1250 + LIST_SLICE; expected += LIST_SLICE) {
        turn();
        assert_int_equal(events, expected > 1250 ? 1251 : expected);
    }
    assert_true(delay > 0);
    turn();
    page("", "staging", NULL);
    assert_true(work_is_done());
    events = 0;
    turn();
    assert_int_equal(events, LIST_SLICE);
    for (unsigned i = 0; i <= 1250 / LIST_SLICE; i++)
        turn();
    assert_int_equal(events, 1252);
    assert_true(delay > 0);
}

/* ---- Settings
 * ------------------------------------------------------------------------------------
 */

static void test_reload_same(void **state)
{
    (void)state;
    two_pages();
    list_configure(list, &conf, false);
    tells("+staging +staging2 +production =3 ");
    assert_non_null(asked.done);
    assert_string_equal(asked.etag, "\"1\"");
}

/* What is under way was asked by other settings. */
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
    tells("+staging +staging2 +production =3 ");
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
    list_configure(list, &conf, true); /* while the whole is being built */
    assert_true(work_is_done());
    tells("");
    page("", "staging3", NULL);
    assert_true(work_is_done());
    tells("+staging3 =1 ");
}

static void test_reload_while_telling(void **state)
{
    (void)state;
    two_pages();
    turn();
    page("", "staging", NULL);
    assert_true(work_is_done());
    list_configure(list, &conf, false);
    tells("-staging2 -production +staging =1 ");
    assert_non_null(asked.done);
    page("", "production", NULL);
    assert_true(work_is_done());
    list_configure(list, &conf, true);
    tells("");
    assert_non_null(asked.done);
}

/* Another API: nothing has left its list. */
static void test_reload_forgets(void **state)
{
    (void)state;
    two_pages();
    list_configure(list, &conf, true);
    tells("");
    assert_string_equal(asked.etag, "");
    page("", "staging", NULL);
    assert_true(work_is_done());
    tells("+staging =1 ");
    conf.accounts_url[0] = '\0';
    list_configure(list, &conf, false);
    assert_null(timer);
    strcpy(conf.accounts_url, FIRST);
    list_configure(list, &conf, false);
    tells("");
    page("", "staging2", NULL);
    assert_true(work_is_done());
    tells("+staging2 =1 ");
}

/* What is kept was read by the old rules: it is not told past the new ones, nor kept by a 304. */
static void test_reload_rules(void **state)
{
    (void)state;
    struct cloud_conf_error error;

    two_pages();
    conf.grammar.allow.used = 0;
    assert_true(cloud_conf_line(&conf, "allow = abcdefghij_stg abcdefghij_stg3", 38, &error));
    list_configure(list, &conf, false);
    tells("+staging =3 ");
    assert_string_equal(asked.etag, "");
    page("\"1\"", "staging staging2 staging3", NULL);
    assert_true(work_is_done());
    tells("-staging2 -production +staging +staging3 =3 ");
    turn();
    unchanged();
    tells("+staging +staging3 =3 ");
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
        cmocka_unit_test_setup_teardown(test_two_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unchanged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_page_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_page_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_emptied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_page_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unchanged_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_circle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_invalid_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_while_asking, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_while_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_while_telling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_while_working, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
