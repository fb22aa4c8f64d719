/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The account list with a real loop and a real worker thread, for ThreadSanitizer (make
 * check-tsan): pages are parsed and lists built while the settings change.
 */
#include "cloudauthd/accounts/list.h"
#include "cloudauthd/api/url.h"
#include "tests/unit/support.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST  "https://api.example.com/list"
#define PAGES  4u
#define ITEMS  300u
#define ROUNDS 20u

static struct loop *loop;
static struct list *list;
static struct cloud_conf conf;
static unsigned round_now; /* the first environment of the list */
static unsigned lefts;

/* Answers with the page that the end of the URL names. The second page does not change. */
void api_get_url(struct api *api, const char *url, const struct validator *validator,
                 api_done *done, void *arg)
{
    static char text[ITEMS * 200 + 100];
    unsigned page = url[strlen(url) - 1] == 't' ? 0 : (unsigned)(url[strlen(url) - 1] - '0');
    struct api_result result = {.verdict = API_DOCUMENT, .body = text, .validator.etag = "1"};
    size_t n = (size_t)snprintf(text, sizeof text, "{\"items\":[");

    (void)api;
    for (unsigned i = 0; i < ITEMS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "%s{\"project\":\"abcdefghij\",\"environment\":\"x-%07u\"}",
                              i == 0 ? "" : ",", (page == 1 ? 0 : round_now) + page * ITEMS + i);
    n += (size_t)snprintf(text + n, sizeof text - n, "]");
    if (page + 1 < PAGES)
        n += (size_t)snprintf(text + n, sizeof text - n, ",\"_links\":{\"next\":{\"href\":\"%u\"}}",
                              page + 1);
    result.length = n + (size_t)snprintf(text + n, sizeof text - n, "}");
    if (page == 1 && validator->etag[0] != '\0')
        result.verdict = API_UNCHANGED;
    done(arg, &result);
}

bool url_next(const struct url_link *link, char out[URL_SIZE], char *why, size_t size)
{
    (void)why;
    (void)size;
    snprintf(out, URL_SIZE, "%s%s", link->first, link->href);
    return true;
}

static bool on_listed(void *arg, const struct list_item *item)
{
    unsigned number = (unsigned)strtoul(item->environment + 2, NULL, 10);

    (void)arg;
    if (number == round_now + PAGES * ITEMS - 1) /* the last one of this round's list */
        loop_stop(loop);
    return true;
}

static void on_left(void *arg, const struct list_item *item)
{
    (void)arg;
    lefts += strlen(item->environment) == 9;
}

/* The settings change again, while the list is being fetched. */
static void on_timer(void *arg)
{
    (void)arg;
    list_configure(list, &conf, round_now % 3 == 0);
}

static void test_threads(void **state)
{
    const struct list_events events = {on_listed, on_left, NULL};
    struct loop_timer timer = {.due = on_timer};
    struct cloud_conf_error error;
    struct worker *worker;

    (void)state;
    cloud_conf_defaults(&conf);
    assert_true(cloud_conf_line(&conf, "allow = *", 9, &error));
    strcpy(conf.accounts_url, FIRST);
    loop = loop_new();
    assert_non_null(loop);
    worker = worker_new(loop);
    assert_non_null(worker);
    list = list_new(loop, NULL, worker, &conf, &events);
    assert_non_null(list);
    for (unsigned i = 0; i < ROUNDS; i++) {
        round_now += 10;
        list_configure(list, &conf, false);
        assert_true(loop_timer_set(loop, &timer, i % 5));
        assert_true(loop_run(loop));
        loop_timer_clear(loop, &timer);
    }
    assert_true(lefts > 0);
    list_configure(list, &conf, true); /* freed while the worker has it */
    list_free(list);
    worker_free(worker);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
