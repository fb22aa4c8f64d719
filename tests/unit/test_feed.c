/* SPDX-License-Identifier: Apache-2.0 */

/* The change feed with a scripted API, a worker that runs when it is told to, and a fake clock. */
#include "base/log.h"
#include "cloudauthd/api/feed.h"
#include "cloudauthd/api/feed_answer.h"
#include "cloudauthd/api/url.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST      "https://api.example.com/v1/changes"
#define WAIT       10000
#define WINDOW     (WAIT + API_POLL_SLACK_MS)
#define STAGING    "{\"project\":\"abcdefghij\",\"environment\":\"staging\"}"
#define CHANGED    "{\"changed\":[" STAGING "]}"
#define WHOLE      "{\"changed\":[" STAGING "],\"whole\":true}"
#define NEXT       "\"_links\":{\"next\":{\"href\":\"?page=2\"}}"
#define PROJECT(e) "{\"project\":\"abcdefghij\",\"environment\":\"" e "\"}"

static struct cloud_conf conf;
static struct feed *feed;

/* ---- The loop's timers, by the fake clock ---- */

static struct loop_timer *timers[4];

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t milliseconds)
{
    (void)loop;
    timer->set = true;
    timer->at = fake_ms + (milliseconds > 0 ? milliseconds : 0);
    for (size_t i = 0; i < 4; i++)
        if (timers[i] == timer)
            return;
    for (size_t i = 0; i < 4; i++)
        if (timers[i] == NULL) {
            timers[i] = timer;
            return;
        }
    fail_msg("too many timers");
}

/* The timer's memory may be freed afterwards. */
void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    timer->set = false;
    for (size_t i = 0; i < 4; i++)
        if (timers[i] == timer)
            timers[i] = NULL;
}

static struct loop_timer *earliest(void)
{
    struct loop_timer *first = NULL;

    for (size_t i = 0; i < 4; i++)
        if (timers[i] != NULL && timers[i]->set && (first == NULL || timers[i]->at < first->at))
            first = timers[i];
    return first;
}

/* Time passes, and the timers run that become due. */
static void pass(int64_t milliseconds)
{
    int64_t end = fake_ms + milliseconds;
    struct loop_timer *timer;

    while ((timer = earliest()) != NULL && timer->at <= end) {
        fake_ms = timer->at > fake_ms ? timer->at : fake_ms;
        timer->set = false;
        timer->due(timer->arg);
    }
    fake_ms = end;
}

/* ---- Random times ---- */

static uint32_t randoms;

/* Offers wait as long as they may, so that a test which does not wait for them gets none. The other
 * times are different from each other, and the same in each run. */
uint32_t __wrap_arc4random_uniform(uint32_t bound);

uint32_t __wrap_arc4random_uniform(uint32_t bound)
{
    if (bound == FEED_DELAY_MS)
        return bound - 1;
    randoms = randoms * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)randoms * bound >> 32);
}

/* ---- The worker ---- */

static struct work *working;
static struct worker *const the_worker = (struct worker *)&working;

void worker_add(struct worker *worker, struct work *work)
{
    assert_ptr_equal(worker, the_worker);
    assert_null(working);
    working = work;
}

static void work_ends(void)
{
    struct work *work = working;

    assert_non_null(work);
    working = NULL;
    work->run(work);
    work->finish(work);
}

/* ---- The API ---- */

static struct {
    api_done *done;
    void *arg;
    char url[URL_SIZE], etag[256];
    int64_t at;
} asked;
static unsigned requests;

void api_poll(struct api *api, const char *url, const struct validator *validator, api_done *done,
              void *arg)
{
    (void)api;
    asked.done = done;
    asked.arg = arg;
    snprintf(asked.url, sizeof asked.url, "%s", url);
    snprintf(asked.etag, sizeof asked.etag, "%s", validator->etag);
    asked.at = fake_ms;
    requests++;
}

bool url_next(const struct url_link *link, char out[URL_SIZE], char *why, size_t size)
{
    bool bad = strstr(link->href, "://") != NULL;

    assert_string_equal(link->first, FIRST);
    assert_memory_equal(link->page, FIRST, strlen(FIRST));
    snprintf(out, URL_SIZE, "%s%s", FIRST, link->href);
    snprintf(why, size, "its next link leads to another origin");
    return !bad;
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

/* The answer comes, and the worker has it. */
static void comes(const char *etag, const char *text)
{
    size_t n = strlen(text);
    char *body = malloc(n + 1); /* of exactly its length, so that a sanitizer notices an overrun */
    struct api_result result = {.verdict = API_DOCUMENT, .body = body, .length = n};

    assert_non_null(body);
    memcpy(body, text, n);
    snprintf(result.validator.etag, sizeof result.validator.etag, "%s", etag);
    api_says(&result);
    free(body);
}

static void answer(const char *etag, const char *text)
{
    comes(etag, text);
    work_ends();
}

/* Waits for the next request, which must be sent within that time. */
static void next_request(int64_t within)
{
    unsigned before = requests;

    for (int64_t end = fake_ms + within; requests == before && fake_ms < end;)
        pass(1);
    assert_int_equal(requests, before + 1);
}

/* ---- Events ---- */

static char said[65536]; /* "staging project:abcdefghij ALL +staging " */
static char logged[512];
static unsigned refusals; /* how many offers are still refused */
static bool live_at_event;

static void say(const char *prefix, const char *what)
{
    size_t n = strlen(said);

    live_at_event = live_at_event || feed_is_live(feed);
    if (n < sizeof said - 300)
        snprintf(said + n, sizeof said - n, "%s%s ", prefix, what);
}

static void on_named(void *arg, const char *project, const char *environment)
{
    (void)arg;
    say(environment == NULL ? "project:" : "", environment == NULL ? project : environment);
}

static void on_all_named(void *arg)
{
    (void)arg;
    say("", "ALL");
}

static bool on_offer(void *arg, const char *project, const char *environment)
{
    (void)arg;
    assert_string_equal(project, "abcdefghij");
    if (refusals > 0) {
        refusals--;
        return false;
    }
    say("+", environment);
    return true;
}

void log_at(int level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(logged, sizeof logged, format, arguments);
    va_end(arguments);
}

static void says(const char *expected)
{
    assert_string_equal(said, expected);
    said[0] = '\0';
}

/* The feed is not live, for that reason, and nothing of the answer was used. */
static void fails(const char *why)
{
    struct feed_view view;

    feed_look(feed, &view);
    assert_false(view.live);
    if (strstr(view.why, why) == NULL)
        fail_msg("%s: not in: %s", why, view.why);
    says("");
}

static const struct feed_events receiver = {on_named, on_all_named, on_offer, NULL};

static int setup(void **state)
{
    struct cloud_conf_error error;

    (void)state;
    cloud_conf_defaults(&conf);
    strcpy(conf.changes_url, FIRST);
    assert_true(cloud_conf_line(&conf, "allow = abcdefghij abcdefghij_* abcdefghij-*", 44, &error));
    memset(timers, 0, sizeof timers);
    memset(&asked, 0, sizeof asked);
    working = NULL;
    requests = refusals = 0;
    live_at_event = false;
    said[0] = logged[0] = '\0';
    feed = feed_new(NULL, NULL, the_worker, &conf, &receiver);
    assert_non_null(feed);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (feed != NULL)
        feed_free(feed);
    feed = NULL;
    assert_null(earliest());
    if (working != NULL)
        work_ends();
    return 0;
}

/* Becomes live by a first answer that names nothing, and polls with its cursor. */
static void go_live(void)
{
    next_request(FEED_RETRY_MS);
    answer("\"1\"", "{\"changed\":[],\"whole\":true}");
    says("ALL ");
    assert_true(feed_is_live(feed));
    next_request(FEED_PAUSE_MS);
    assert_string_equal(asked.etag, "\"1\"");
}

/* ---- Live or not ---- */

static void test_first(void **state)
{
    struct feed_view view;

    (void)state;
    assert_false(feed_is_live(NULL));
    assert_false(feed_is_live(feed));
    next_request(FEED_FIRST_MS);
    assert_string_equal(asked.url, FIRST);
    assert_string_equal(asked.etag, "");
    comes("\"1\"", WHOLE);
    assert_false(feed_is_live(feed));
    work_ends();
    says("ALL ");
    assert_false(live_at_event);
    assert_string_equal(logged, "change feed: live");
    feed_look(feed, &view);
    assert_true(view.used && view.live);
    assert_int_equal(view.since, fake_ms);
    assert_int_equal(view.answered, fake_ms);
    assert_int_equal(view.alls, 1);
    assert_int_equal(view.answers, 1);
    assert_int_equal(view.waiting, 1);
    assert_string_equal(view.why, "");
    pass(FEED_DELAY_MS);
    assert_non_null(strstr(said, "+staging "));
    feed_look(feed, &view);
    assert_int_equal(view.waiting, 0);
}

/* Without a cursor any answer names all: what changed before it is not known. */
static void test_first_is_not_whole(void **state)
{
    (void)state;
    next_request(FEED_FIRST_MS);
    answer("\"1\"", CHANGED);
    says("ALL ");
    next_request(FEED_PAUSE_MS);
    answer("\"2\"", CHANGED);
    says("staging ");
}

static void test_none(void **state)
{
    struct feed_view view;

    (void)state;
    go_live();
    conf.changes_url[0] = '\0';
    feed_configure(feed, &conf, false);
    assert_false(feed_is_live(feed));
    assert_null(earliest());
    feed_look(feed, &view);
    assert_false(view.used);
    comes("\"2\"", CHANGED); /* of the request that was under way */
    assert_null(working);
    says("");
}

static void test_unchanged(void **state)
{
    struct feed_view view;

    (void)state;
    go_live();
    for (int i = 0; i < 5; i++) {
        pass(WAIT);
        assert_true(feed_is_live(feed));
        api_fails(API_UNCHANGED, 0);
        next_request(FEED_PAUSE_MS);
        assert_string_equal(asked.etag, "\"1\"");
    }
    says("");
    feed_look(feed, &view);
    assert_int_equal(view.unchanged, 5);
}

/* It is live until the end of the window after the last answer, to the millisecond. */
static void test_silence(void **state)
{
    struct feed_view view;

    (void)state;
    go_live();
    feed_look(feed, &view);
    fake_ms = view.answered + WINDOW - 1;
    assert_true(feed_is_live(feed));
    fake_ms++;
    assert_false(feed_is_live(feed)); /* before any timer has run */
    pass(0);
    assert_non_null(strstr(logged, "not live"));
    fails("no answer in time");
    feed_look(feed, &view);
    assert_int_equal(view.since, fake_ms);
}

/* CLOCK_BOOTTIME goes on while the host is suspended: what waited in the kernel meanwhile is as old
 * as its request may be. */
static void test_suspended(void **state)
{
    (void)state;
    go_live();
    fake_ms += 3600000;
    assert_false(feed_is_live(feed));
    api_fails(API_UNCHANGED, 0);
    assert_false(feed_is_live(feed));
    fails("the answer came too late");
    next_request(FEED_RETRY_MS);
    fake_ms += WINDOW + 1;
    comes("\"2\"", CHANGED);
    fails("the answer came too late");
}

/* It stands still while a virtual machine is paused, and the wall clock is set when that goes on:
 * the feed is not live until its next good answer, nor by one that waited in the kernel. */
static void test_paused(void **state)
{
    struct feed_view view;

    (void)state;
    go_live();
    fake_time += 3600;
    assert_false(feed_is_live(feed));
    feed_look(feed, &view);
    assert_string_equal(view.why, "no answer in time");
    api_fails(API_UNCHANGED, 0);
    fails("the answer came too late");
    next_request(FEED_RETRY_MS);
    api_fails(API_UNCHANGED, 0);
    assert_true(feed_is_live(feed));
    fake_time -= 3600; /* a wall clock that is put back ends nothing, and prolongs nothing */
    assert_true(feed_is_live(feed));
    fake_ms += WINDOW;
    assert_false(feed_is_live(feed));
}

/* ---- Failures ---- */

/* The first request after a failure comes at a random moment, the further ones at the same place of
 * each period. */
static void test_failure(void **state)
{
    int64_t first, longest = 0, sum = 0;

    (void)state;
    go_live();
    for (int i = 0; i < 200; i++) {
        first = fake_ms;
        api_fails(API_OUTAGE, 0);
        fails("connection refused");
        assert_int_equal(logged[0] != '\0', true);
        logged[0] = '\0';
        next_request(FEED_RETRY_MS);
        assert_string_equal(asked.etag, "\"1\"");
        sum += fake_ms - first;
        if (fake_ms - first > longest)
            longest = fake_ms - first;
        first = fake_ms;
        api_fails(API_OUTAGE, 0);
        assert_int_equal(logged[0] != '\0', false);
        next_request(FEED_RETRY_MS);
        assert_int_equal(fake_ms - first, FEED_RETRY_MS);
        api_fails(API_UNCHANGED, 0);
        assert_true(feed_is_live(feed));
        assert_string_equal(logged, "change feed: live");
        says("");
        next_request(FEED_PAUSE_MS);
    }
    assert_in_range(longest, FEED_RETRY_MS * 8 / 10, FEED_RETRY_MS);
    assert_in_range(sum / 200, FEED_RETRY_MS * 4 / 10, FEED_RETRY_MS * 6 / 10);
}

static void test_retry_after(void **state)
{
    int64_t failed;

    (void)state;
    go_live();
    failed = fake_ms;
    api_fails(API_OUTAGE, 30);
    next_request(30000 + FEED_RETRY_MS + 1);
    assert_true(fake_ms - failed >= 30000);
}

static void test_absent(void **state)
{
    (void)state;
    go_live();
    api_fails(API_ABSENT, 0);
    fails("there is no such page");
}

static void test_unchanged_nothing(void **state)
{
    (void)state;
    next_request(FEED_FIRST_MS);
    api_fails(API_UNCHANGED, 0);
    fails("unchanged");
}

/* Without a validator the same changes would be named for ever, or those in between never. */
static void test_no_validator(void **state)
{
    (void)state;
    go_live();
    comes("", CHANGED);
    assert_null(working);
    fails("no ETag");
    next_request(FEED_RETRY_MS);
    assert_string_equal(asked.etag, "\"1\"");
}

static void test_last_modified(void **state)
{
    struct api_result result = {.verdict = API_DOCUMENT,
                                .body = WHOLE,
                                .length = strlen(WHOLE),
                                .validator.modified = "Sat, 28 Nov 2026 17:00:00 GMT"};

    (void)state;
    next_request(FEED_FIRST_MS);
    api_says(&result);
    fails("no ETag");
    assert_false(feed_is_live(feed));
}

static void test_invalid(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "the document: not JSON"},
        {"{\"changed\":[" STAGING, "the document: not JSON"},
        {CHANGED " x", "the document: not JSON: bytes follow"},
        {"[" STAGING "]", "the document: not an object"},
        {"{\"whole\":true}", "changed: missing"},
        {"{\"changed\":null}", "changed: missing"},
        {"{\"changed\":{}}", "changed: not an array"},
        {"{\"changed\":[],\"changed\":[" STAGING "]}", "changed: given twice"},
        {"{\"changed\":[],\"whole\":1}", "whole: neither true nor false"},
        {"{\"changed\":[],\"whole\":\"true\"}", "whole: neither"},
        {"{\"changed\":[" STAGING ",[1]]}", "changed[1]: not an object"},
        {"{\"changed\":[\"abcdefghij/staging\"]}", "changed[0]: not an object"},
        {"{\"changed\":[{\"environment\":\"staging\"}]}", "changed[0].project: missing"},
        {"{\"changed\":[{\"project\":\"Abcdefghij\"}]}", "changed[0].project: not one"},
        {"{\"changed\":[{\"project\":\"abcdefghij\",\"environment\":[]}]}",
         "changed[0].environment: not a string"},
        {"{\"changed\":[{\"project\":\"abcdefghij\",\"project\":\"abcdefghij\"}]}",
         "changed[0].project: given twice"},
        {"{\"changed\":[],\"_links\":[1]}", "_links: not an object"},
        {"{\"changed\":[],\"_links\":{\"next\":\"?page=2\"}}", "_links.next: not an object"},
        {"{\"changed\":[],\"_links\":{\"next\":{}}}", "_links.next.href: missing"},
        {"{\"changed\":[],\"_links\":{\"next\":{\"href\":2}}}", "_links.next.href: not a string"},
        {"{\"changed\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "the document: nested too deeply"},
        {"{\"changed\":[\"\377\"]}", "the document: not UTF-8"},
    };

    (void)state;
    go_live();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        answer("\"bad\"", bad[i].text);
        fails(bad[i].why);
        next_request(FEED_RETRY_MS);
        assert_string_equal(asked.etag, "\"1\"");
    }
    answer("\"2\"", CHANGED);
    says("staging ");
    assert_true(feed_is_live(feed));
}

static void test_lenient(void **state)
{
    (void)state;
    go_live();
    answer("\"2\"", "{\"changed\":[{\"project\":\"abcdefghij\",\"environment\":null,\"at\":1}],"
                    "\"whole\":null,\"_links\":[],\"more\":true}");
    says("project:abcdefghij ");
}

/* ---- Names ---- */

/* Each is an event, and what `allow` lists is fetched. An environment that cannot have a login name
 * counts as all of its project. */
static void test_names(void **state)
{
    (void)state;
    go_live();
    answer("\"2\"", "{\"changed\":[" STAGING ",{\"project\":\"klmnopqrst\"},"
                    "{\"project\":\"klmnopqrst\",\"environment\":\"production\"},"
                    "{\"project\":\"abcdefghij\",\"environment\":\"feature/1\"}]}");
    says("staging project:klmnopqrst production project:abcdefghij ");
    pass(FEED_DELAY_MS);
    says("+staging ");
}

/* An environment that `allow` serves by the names of its applications, or by the gateway's, alone,
 * is not fetched before a login needs it. */
static void test_names_of_applications(void **state)
{
    static const char allow[] = "allow = abcdefghij-*--mymagento 1.ent-abcdefghij-staging-*";
    struct cloud_conf_error error;

    (void)state;
    cloud_conf_defaults(&conf);
    strcpy(conf.changes_url, FIRST);
    assert_true(cloud_conf_line(&conf, allow, sizeof allow - 1, &error));
    feed_configure(feed, &conf, false);
    go_live();
    answer("\"2\"",
           "{\"changed\":[" STAGING "," PROJECT("smith-a12b34c") "," PROJECT("production") "]}");
    says("staging smith-a12b34c production ");
    pass(FEED_DELAY_MS);
    says("");
}

static void test_whole(void **state)
{
    (void)state;
    go_live();
    answer("\"2\"", WHOLE);
    says("ALL ");
    pass(FEED_DELAY_MS);
    says("+staging ");
}

static size_t waiting(void)
{
    struct feed_view view;

    feed_look(feed, &view);
    return view.waiting;
}

/* Writes a page that names `staging` and environments of another project, with numbers of so many
 * digits. */
static void write_foreign(char *text, size_t size, int count, int digits, const char *end)
{
    size_t n = (size_t)snprintf(text, size, "{\"changed\":[" STAGING);

    for (int i = 0; i < count; i++)
        n +=
            (size_t)snprintf(text + n, size - n,
                             ",{\"project\":\"klmnopqrst\",\"environment\":\"x-%0*d\"}", digits, i);
    snprintf(text + n, size - n, "]%s}", end);
}

/* Of all names of a feed for many hosts no more are kept than `allow` lists, whatever makes the
 * answer count as whole. */
static void test_foreign(void **state)
{
    static char text[1000000];

    (void)state;
    next_request(FEED_FIRST_MS);
    write_foreign(text, sizeof text, 2, 7, "");
    answer("\"1\"", text);
    says("ALL ");
    assert_int_equal(waiting(), 1);
    next_request(FEED_PAUSE_MS);
    write_foreign(text, sizeof text, FEED_NAMED_MAX, 7, "");
    answer("\"2\"", text);
    says("ALL ");
    assert_int_equal(waiting(), 2);
    next_request(FEED_PAUSE_MS);
    write_foreign(text, sizeof text, 2, 7, ",\"whole\":true");
    answer("\"3\"", text);
    says("ALL ");
    assert_int_equal(waiting(), 1); /* what waited is in it */
    next_request(FEED_PAUSE_MS);
    write_foreign(text, sizeof text, 2, 7, "," NEXT);
    answer("\"4\"", text);
    next_request(FEED_PAUSE_MS);
    answer("", "{\"changed\":[],\"whole\":true}");
    says("ALL ");
    assert_int_equal(waiting(), 1);
    next_request(FEED_PAUSE_MS);
    /* Where each is an event, too, only what is listed waits. */
    write_foreign(text, sizeof text, 2, 7, "");
    answer("\"5\"", text);
    says("staging x-0000000 x-0000001 ");
    assert_int_equal(waiting(), 2);
    pass(FEED_DELAY_MS);
    says("+staging +staging ");
    assert_int_equal(waiting(), 0);
}

/* The names of a fleet, more than a host would keep, are no error where few of them are its own. */
static void test_fleet(void **state)
{
    static char text[20000000];
    size_t pages = FEED_BYTES_MAX / (100000 * (strlen("klmnopqrst x- ") + 100)) + 1;

    (void)state;
    next_request(FEED_FIRST_MS);
    write_foreign(text, sizeof text, 100000, 100, "," NEXT);
    for (size_t i = 0; i < pages; i++) {
        answer("\"1\"", text);
        next_request(FEED_PAUSE_MS);
    }
    answer("", "{\"changed\":[" PROJECT("production") "]}");
    says("ALL ");
    assert_true(feed_is_live(feed));
    assert_int_equal(waiting(), pages + 1);
}

/* Many names are the same as all. */
static void test_many(void **state)
{
    static char text[2000000];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"changed\":[" STAGING);

    (void)state;
    go_live();
    for (int i = 1; i < FEED_NAMED_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",{\"project\":\"abcdefghij\"}");
    snprintf(text + n, sizeof text - n, "]}");
    answer("\"2\"", text);
    assert_memory_equal(said, "staging project:abcdefghij project:", 35);
    said[0] = '\0';
    next_request(FEED_PAUSE_MS);
    snprintf(text + n, sizeof text - n, ",{\"project\":\"abcdefghij\"}]}");
    answer("\"3\"", text);
    says("ALL ");
}

static void test_offers(void **state)
{
    static char text[20000];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"whole\":true,\"changed\":[");
    struct feed_view view;

    (void)state;
    for (int i = 0; i < 250; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s" PROJECT("x-%07d"), i == 0 ? "" : ",",
                              i);
    snprintf(text + n, sizeof text - n, "]}");
    next_request(FEED_FIRST_MS);
    answer("\"1\"", text);
    says("ALL ");
    refusals = 3;
    for (int64_t end = fake_ms + FEED_DELAY_MS; refusals == 3 && fake_ms < end;)
        pass(1);
    assert_int_equal(refusals, 2);
    pass(FEED_PAUSE_MS);
    assert_int_equal(refusals, 1);
    pass(FEED_PAUSE_MS);
    says("");
    pass(FEED_PAUSE_MS);
    assert_int_equal(strlen(said), 250 * strlen("+x-0000000 "));
    assert_memory_equal(said, "+x-0000000 +x-0000001 ", 22);
    feed_look(feed, &view);
    assert_int_equal(view.waiting, 0);
}

/* A server that answers with the whole list, again and again: the names of the last one are
 * offered, in time, and no faster than the pause. */
static void test_whole_storm(void **state)
{
    struct feed_view view;
    int64_t start = fake_ms, offers_at;

    (void)state;
    next_request(FEED_FIRST_MS);
    answer("\"1\"", WHOLE);
    offers_at = timers[1]->at; /* the second that was set */
    next_request(FEED_PAUSE_MS);
    while (fake_ms - start < FEED_DELAY_MS + FEED_FIRST_MS) {
        answer("\"1\"", WHOLE);
        assert_true(fake_ms >= offers_at || timers[1]->at == offers_at);
        next_request(FEED_PAUSE_MS);
    }
    assert_non_null(strstr(said, "+staging "));
    assert_true(requests <= (fake_ms - start) / FEED_PAUSE_MS + 1);
    feed_look(feed, &view);
    assert_true(view.waiting <= 1);
    said[0] = '\0';
}

/* ---- Pages ---- */

static void test_pages(void **state)
{
    int64_t sent;

    (void)state;
    go_live();
    answer("\"2\"", "{\"changed\":[" STAGING "]," NEXT "}");
    says("");
    assert_true(feed_is_live(feed)); /* by the answer before */
    sent = asked.at;
    next_request(FEED_PAUSE_MS);
    assert_true(asked.at >= sent + FEED_PAUSE_MS);
    assert_string_equal(asked.url, FIRST "?page=2");
    assert_string_equal(asked.etag, "");
    answer("", "{\"changed\":[" PROJECT("production") "]}");
    says("staging production ");
    next_request(FEED_PAUSE_MS);
    /* The cursor is the first page's: what changes while the others come is named after it. */
    assert_string_equal(asked.url, FIRST);
    assert_string_equal(asked.etag, "\"2\"");
    pass(FEED_DELAY_MS);
    assert_non_null(strstr(said, "+staging +production "));
    said[0] = '\0';
}

/* Nothing of an answer counts unless all of it has come. */
static void test_page_fails(void **state)
{
    (void)state;
    go_live();
    for (int i = 0; i < 4; i++) {
        answer("\"2\"", "{\"changed\":[" STAGING "],\"whole\":true," NEXT "}");
        next_request(FEED_PAUSE_MS);
        if (i == 0)
            api_fails(API_OUTAGE, 0);
        else if (i == 1)
            api_fails(API_UNCHANGED, 0);
        else if (i == 2)
            answer("", "{\"changed\":[");
        else
            answer("", "{\"changed\":[],\"_links\":{\"next\":{\"href\":\"https://b.example/\"}}}");
        fails(i == 0   ? "a further page: connection refused"
              : i == 1 ? "a further page: unchanged"
              : i == 2 ? "a further page: the answer is invalid"
                       : "a further page: its next link leads to another origin");
        next_request(FEED_RETRY_MS);
        assert_string_equal(asked.url, FIRST);
        assert_string_equal(asked.etag, "\"1\"");
    }
    answer("\"3\"", CHANGED);
    says("staging ");
}

/* Pages without an end: they are given up, at the pace of the pause. */
static void test_circle(void **state)
{
    (void)state;
    go_live();
    for (int i = 0; i < FEED_PAGES_MAX; i++) {
        answer("\"2\"", "{\"changed\":[]," NEXT "}");
        if (i < FEED_PAGES_MAX - 1)
            pass(FEED_PAUSE_MS);
    }
    fails("too many pages");
}

/* Pages that take longer than the window: their names count, but the feed is as old as the first
 * page. The next answer makes it live. */
static void test_slow_pages(void **state)
{
    (void)state;
    go_live();
    answer("\"2\"", "{\"changed\":[" STAGING "]," NEXT "}");
    next_request(FEED_PAUSE_MS);
    pass(WINDOW - FEED_PAUSE_MS);
    assert_false(feed_is_live(feed));
    answer("", "{\"changed\":[]}");
    says("staging ");
    assert_false(feed_is_live(feed));
    next_request(FEED_PAUSE_MS);
    assert_string_equal(asked.etag, "\"2\"");
    api_fails(API_UNCHANGED, 0);
    assert_true(feed_is_live(feed));
}

/* A first page makes the feed no younger: a removed key may be named on the next one. */
static void test_first_page(void **state)
{
    (void)state;
    go_live();
    fake_ms += WINDOW / 2;
    fake_time += WINDOW / 2000;
    answer("\"2\"", "{\"changed\":[" STAGING "]," NEXT "}");
    assert_true(feed_is_live(feed));
    fake_time += WINDOW / 2000 + 3; /* a paused virtual machine: no timer runs */
    assert_false(feed_is_live(feed));
}

/* ---- The rate ---- */

static void test_spinning(void **state)
{
    int64_t before = 0;

    (void)state;
    go_live();
    for (int i = 0; i < 50; i++) {
        before = asked.at;
        if (i % 2 == 0)
            answer("\"2\"", CHANGED);
        else
            api_fails(API_UNCHANGED, 0);
        next_request(FEED_PAUSE_MS);
        assert_int_equal(asked.at, before + FEED_PAUSE_MS);
    }
    said[0] = '\0';
}

/* ---- Reload ---- */

static void configure(const char *line, bool forget)
{
    struct cloud_conf_error error;

    if (line != NULL)
        assert_true(cloud_conf_line(&conf, line, strlen(line), &error));
    feed_configure(feed, &conf, forget);
}

/* The answer under way is dropped, whenever it comes. */
static void test_reload(void **state)
{
    api_done *done;
    void *arg;
    const struct api_result old = {.verdict = API_UNCHANGED};

    (void)state;
    go_live();
    done = asked.done;
    arg = asked.arg;
    pass(1000);
    configure(NULL, false);
    assert_true(feed_is_live(feed));
    next_request(FEED_PAUSE_MS);
    assert_string_equal(asked.etag, "\"1\"");
    done(arg, &old);
    says("");
    answer("\"2\"", CHANGED);
    says("staging ");
    next_request(FEED_PAUSE_MS);
    comes("\"3\"", CHANGED);
    configure(NULL, false);
    work_ends();
    says("");
    next_request(FEED_PAUSE_MS);
    assert_string_equal(asked.etag, "\"2\"");
}

/* Another URL, another API, or names that were not served before: all may have changed. */
static void test_forget(void **state)
{
    static const char *const lines[] = {NULL, "allow = klmnopqrst*", "project_id_length = 5-20"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        go_live();
        answer("\"2\"", CHANGED);
        says("staging ");
        configure(lines[i], lines[i] == NULL);
        assert_false(feed_is_live(feed));
        assert_non_null(strstr(logged, "the settings changed"));
        next_request(FEED_PAUSE_MS);
        assert_string_equal(asked.etag, "");
        pass(FEED_DELAY_MS);
        says(""); /* the names of before are not offered */
        api_fails(API_OUTAGE, 0);
    }
    strcat(conf.changes_url, "?x");
    go_live();
    configure(NULL, false);
    assert_false(feed_is_live(feed));
    next_request(FEED_PAUSE_MS);
    assert_string_equal(asked.url, FIRST "?x");
    answer("\"9\"", CHANGED);
    says("ALL ");
}

/* A feed is freed while the API has its request, and the worker the answer of an older one. */
static void test_freed(void **state)
{
    (void)state;
    go_live();
    comes("\"2\"", CHANGED);
    configure(NULL, false);
    next_request(FEED_PAUSE_MS);
    feed_free(feed);
    feed = NULL;
    work_ends();
    says("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first),
        TEST(test_first_is_not_whole),
        TEST(test_none),
        TEST(test_unchanged),
        TEST(test_silence),
        TEST(test_suspended),
        TEST(test_paused),
        TEST(test_failure),
        TEST(test_retry_after),
        TEST(test_absent),
        TEST(test_unchanged_nothing),
        TEST(test_no_validator),
        TEST(test_last_modified),
        TEST(test_invalid),
        TEST(test_lenient),
        TEST(test_names),
        TEST(test_names_of_applications),
        TEST(test_whole),
        TEST(test_foreign),
        TEST(test_fleet),
        TEST(test_many),
        TEST(test_offers),
        TEST(test_whole_storm),
        TEST(test_pages),
        TEST(test_page_fails),
        TEST(test_circle),
        TEST(test_slow_pages),
        TEST(test_first_page),
        TEST(test_spinning),
        TEST(test_reload),
        TEST(test_forget),
        TEST(test_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
