/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The change feed with a real loop and a real worker thread, for ThreadSanitizer (make check-tsan):
 * answers are parsed while the settings change.
 */
#include "cloudauthd/api/feed.h"
#include "cloudauthd/api/url.h"
#include "tests/unit/support.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NAMES  1000u
#define ROUNDS 10u

static struct loop *loop;
static struct feed *feed;
static struct cloud_conf conf;
static unsigned polls, names, alls;

void api_poll(struct api *api, const char *url, const struct validator *validator, api_done *done,
              void *arg)
{
    static char text[NAMES * 100];
    struct api_result result = {.verdict = API_DOCUMENT, .body = text, .validator.etag = "1"};
    size_t n = (size_t)snprintf(text, sizeof text, "{\"changed\":[");

    (void)api;
    (void)url;
    (void)validator;
    polls++;
    for (unsigned i = 0; i < NAMES; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "%s{\"project\":\"abcdefghij\",\"environment\":\"x-%07u\"}",
                              i == 0 ? "" : ",", i);
    result.length = n + (size_t)snprintf(text + n, sizeof text - n, "]}");
    done(arg, &result);
}

bool url_next(const struct url_link *link, char out[URL_SIZE], char *why, size_t size)
{
    (void)link;
    (void)out;
    snprintf(why, size, "there is none");
    return false;
}

static void on_named(void *arg, const char *project, const char *environment)
{
    (void)arg;
    (void)project;
    names += strlen(environment) == 9;
    if (names % NAMES == 0)
        loop_stop(loop);
}

static void on_all_named(void *arg)
{
    (void)arg;
    alls++;
}

static bool on_offer(void *arg, const char *project, const char *environment)
{
    (void)arg;
    (void)project;
    (void)environment;
    return true;
}

/* The settings change, perhaps while the worker parses. */
static void on_timer(void *arg)
{
    (void)arg;
    feed_configure(feed, &conf, polls % 3 == 0);
}

static void test_threads(void **state)
{
    const struct feed_events events = {on_named, on_all_named, on_offer, NULL};
    struct loop_timer timer = {.due = on_timer};
    struct cloud_conf_error error;
    struct worker *worker;

    (void)state;
    cloud_conf_defaults(&conf);
    assert_true(cloud_conf_line(&conf, "allow = *", 9, &error));
    strcpy(conf.changes_url, "https://api.example.com/changes");
    loop = loop_new();
    assert_non_null(loop);
    worker = worker_new(loop);
    assert_non_null(worker);
    feed = feed_new(loop, NULL, worker, &conf, &events);
    assert_non_null(feed);
    for (unsigned i = 0; i < ROUNDS; i++) {
        loop_timer_set(loop, &timer, FEED_PAUSE_MS + i % 3);
        assert_true(loop_run(loop));
        loop_timer_clear(loop, &timer);
    }
    assert_true(alls > 0 && names >= NAMES * ROUNDS);
    feed_configure(feed, &conf, true); /* freed while the worker has an answer, perhaps */
    feed_free(feed);
    worker_free(worker);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
