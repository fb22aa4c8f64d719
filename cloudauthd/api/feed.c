/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/feed.h"

#include "base/elapsed.h"
#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/api/feed_answer.h"
#include "cloudauthd/api/url.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

STAILQ_HEAD(answers, feed_answer);

/* A point in time by two clocks: cloud_clock_ms(), and time(2). */
struct moment {
    int64_t boot, wall;
};

/* A request for a page, and afterwards the worker's job that parses the page. */
struct query {
    struct work work; /* the first member: run_query and finish_query cast it to the query */
    LIST_ENTRY(query) entry;
    struct feed *feed; /* NULL once the feed is freed */
    bool working;      /* the worker has the job */
    struct cloud_grammar grammar;
    char *body;
    size_t length;
    struct feed_answer *answer;
    struct document_problem problem;
};

struct feed {
    struct loop *loop;
    struct api *api;
    struct worker *worker;
    struct feed_events events;
    struct loop_timer poll;    /* sends the next request */
    struct loop_timer silence; /* ends the live state; set while the feed is live */
    struct loop_timer offers;  /* makes the next offers of the queue */
    LIST_HEAD(, query) queries;
    struct query *query; /* the query whose answer is awaited, or NULL */
    /* From the settings: */
    char url[CLOUD_URL_SIZE]; /* "": there is no feed */
    int64_t window;           /* milliseconds for which the feed is live after an answer */
    struct cloud_grammar grammar;
    /* The answer that is being fetched, page by page: */
    struct answers pages;
    size_t page, bytes, names;  /* pages received so far; bytes that their names take; number of
                                   names, also of those that are dropped (drop_foreign) */
    bool whole;                 /* one of these pages says `whole` (feed_answer.h) */
    struct validator validator; /* the validator of the answer's first page */
    char at[URL_SIZE];          /* URL of the page that is being requested */
    struct moment sent, first;  /* times: last request sent; first page received */
    /* Since the last good answer: */
    struct moment heard;     /* when the answer's first page was received */
    struct validator cursor; /* the answer's validator, for the next request; empty: none */
    bool failing;            /* the last request failed */
    bool live;               /* the feed is live, unless `window` is over since `heard` */
    char why[320];           /* why the feed is not live */
    /* The pages with names that are still to be offered (feed_events.offer). Of the first page, the
     * names before `next` have been offered; `next` NULL: none of them. */
    struct answers queue;
    const char *next;
    size_t queued; /* bytes of names in `queue` */
    struct feed_view view;
};

static struct moment now(void)
{
    return (struct moment){cloud_clock_ms(), (int64_t)time(NULL)};
}

/* Milliseconds that have passed since `then`. */
static int64_t since(struct moment then)
{
    struct moment at = now();

    return elapsed_ms(at.boot - then.boot, at.wall - then.wall);
}

/* Last-Modified alone is no cursor: it counts in seconds, and another change of the same second
 * would never be named. */
static bool has_validator(const struct validator *validator)
{
    return validator->etag[0] != '\0';
}

static void drop_answers(struct answers *answers)
{
    struct feed_answer *answer;

    while ((answer = STAILQ_FIRST(answers)) != NULL) {
        STAILQ_REMOVE_HEAD(answers, entry);
        feed_answer_free(answer);
    }
}

/* Drops the pages received so far of the answer that is being fetched. */
static void drop_pages(struct feed *feed)
{
    drop_answers(&feed->pages);
    feed->page = feed->bytes = feed->names = 0;
    feed->whole = false;
}

/* ---- Whether the feed is live ---- */

bool feed_is_live(const struct feed *feed)
{
    return feed != NULL && feed->live && since(feed->heard) < feed->window;
}

static void end_live(struct feed *feed, const char *why)
{
    if (feed->live)
        feed->view.since = cloud_clock_ms();
    if (feed->live || strcmp(feed->why, why) != 0)
        log_warning("change feed: not live, documents are asked for as without it: %s", why);
    feed->live = false;
    loop_timer_clear(feed->loop, &feed->silence);
    snprintf(feed->why, sizeof feed->why, "%s", why);
}

/* The function of the timer `silence`: the last answer is too old. */
static void on_silence(void *arg)
{
    struct feed *feed = arg;

    end_live(feed, "no answer in time");
}

/* Makes the feed live, unless the answer took longer than the window. Called after all events of
 * the answer have been sent. */
static void set_live(struct feed *feed)
{
    int64_t left = feed->window - since(feed->first);

    feed->failing = false;
    feed->heard = feed->first;
    feed->view.answered = cloud_clock_ms();
    if (left <= 0) {
        end_live(feed, "the answer took too long");
        return;
    }
    if (!feed->live) {
        feed->view.since = feed->view.answered;
        log_info("change feed: live");
    }
    feed->live = true;
    feed->why[0] = '\0';
    loop_timer_set(feed->loop, &feed->silence, left);
}

/* Schedules the next request `milliseconds` from now, but at least FEED_PAUSE_MS after the last
 * one. */
static void schedule(struct feed *feed, int64_t milliseconds)
{
    int64_t pause = feed->sent.boot + FEED_PAUSE_MS - cloud_clock_ms();

    loop_timer_set(feed->loop, &feed->poll, milliseconds > pause ? milliseconds : pause);
}

/*
 * Ends a request or an answer as failed, and schedules the next request, at least retry_after
 * seconds from now. There is no back-off that grows: after its first failure each host of a fleet
 * waits a random part of FEED_RETRY_MS, and after each further one all of it. So the requests of
 * the fleet stay evenly spread, however long the server fails.
 */
static void fail(struct feed *feed, const char *why, uint32_t retry_after)
{
    char text[sizeof feed->why];

    snprintf(text, sizeof text, "%s%.300s", feed->page > 0 ? "a further page: " : "", why);
    drop_pages(feed);
    feed->view.failures++;
    end_live(feed, text);
    schedule(feed, (int64_t)retry_after * 1000 +
                       (feed->failing ? FEED_RETRY_MS : arc4random_uniform(FEED_RETRY_MS)));
    feed->failing = true;
}

/* ---- Offers ---- */

static void drop_queue(struct feed *feed)
{
    drop_answers(&feed->queue);
    feed->queued = feed->view.waiting = 0;
    feed->next = NULL;
}

/* Offers the next name of the queue, and moves on to the one after it. False, without moving on, if
 * the receiver refused the offer. */
static bool offer(struct feed *feed, struct feed_answer *first)
{
    struct feed_name name;

    if (feed->next == NULL)
        feed->next = first->block;
    name = feed_answer_name(feed->next);
    if (!feed->events.offer(feed->events.arg, name.project, name.environment))
        return false;
    feed->view.waiting--;
    feed->next = feed_answer_after(&name);
    return true;
}

/* The function of the timer `offers`: offers names of the queue, at most FEED_SLICE in this turn of
 * the loop. */
static void on_offers(void *arg)
{
    struct feed *feed = arg;
    struct feed_answer *first;

    for (unsigned n = 0; (first = STAILQ_FIRST(&feed->queue)) != NULL; n++) {
        if (feed->next == first->block + first->used || first->names == 0) {
            STAILQ_REMOVE_HEAD(&feed->queue, entry);
            feed->queued -= first->used;
            feed->next = NULL;
            feed_answer_free(first);
        } else if (n == FEED_SLICE || !offer(feed, first)) {
            loop_timer_set(feed->loop, &feed->offers, n == FEED_SLICE ? 0 : FEED_PAUSE_MS);
            return;
        }
    }
}

/* Drops the names of the answer that are not offered: what only tell_names needs. */
static void drop_foreign(struct feed *feed)
{
    struct feed_answer *page;

    feed->bytes = 0;
    STAILQ_FOREACH(page, &feed->pages, entry) {
        feed_answer_keep_listed(page);
        feed->bytes += page->used;
    }
}

/* Queues the names of the answer, so that they are offered. If the queue has no room for them, they
 * are not offered, and their documents are fetched only when a login or lookup needs them. */
static void queue_names(struct feed *feed)
{
    struct feed_answer *page;

    if (feed->whole)
        drop_queue(feed);
    drop_foreign(feed);
    if (feed->queued + feed->bytes > FEED_BYTES_MAX || feed->bytes == 0)
        return;
    if (!feed->offers.set)
        loop_timer_set(feed->loop, &feed->offers, arc4random_uniform(FEED_DELAY_MS));
    STAILQ_FOREACH(page, &feed->pages, entry)
        feed->view.waiting += page->names;
    STAILQ_CONCAT(&feed->queue, &feed->pages);
    feed->queued += feed->bytes;
}

/* ---- Answers ---- */

static void tell_names(struct feed *feed)
{
    struct feed_answer *page;

    STAILQ_FOREACH(page, &feed->pages, entry) {
        const char *at = page->block;
        while (at < page->block + page->used) {
            const struct feed_name name = feed_answer_name(at);
            feed->events.named(feed->events.arg, name.project,
                               name.environment[0] == '\0' ? NULL : name.environment);
            at = feed_answer_after(&name);
        }
    }
    feed->view.names += feed->names;
}

/* Whether the answer that is being fetched counts as naming all environments, by what has come of
 * it. Once it does, it still does at its end, and its names are only offered. */
static bool names_all(const struct feed *feed)
{
    return !has_validator(&feed->cursor) || feed->whole || feed->names > FEED_NAMED_MAX;
}

/* Takes an answer once all its pages have been received. Sends its events before the feed becomes
 * live, because from then on a document that no event has named counts as current. */
static void take_answer(struct feed *feed)
{
    if (names_all(feed)) {
        feed->view.alls++;
        feed->events.all_named(feed->events.arg);
    } else {
        tell_names(feed);
    }
    feed->view.answers++;
    feed->cursor = feed->validator;
    queue_names(feed);
    drop_pages(feed);
    set_live(feed);
    schedule(feed, 0);
}

static void take_page(struct feed *feed, struct feed_answer *answer)
{
    const struct url_link link = {feed->url, feed->at, answer->next};
    char why[256], next[URL_SIZE];

    STAILQ_INSERT_TAIL(&feed->pages, answer, entry);
    feed->bytes += answer->used;
    feed->names += answer->names;
    feed->whole = feed->whole || answer->whole;
    if (names_all(feed))
        drop_foreign(feed);
    if (answer->next == NULL) {
        take_answer(feed);
    } else if (!url_next(&link, next, why, sizeof why)) {
        fail(feed, why, 0);
    } else if (++feed->page == FEED_PAGES_MAX || feed->bytes > FEED_BYTES_MAX) {
        fail(feed, "the answer has too many pages or names", 0);
    } else {
        memcpy(feed->at, next, sizeof next);
        schedule(feed, 0);
    }
}

static void query_free(struct query *query)
{
    if (query->feed != NULL)
        LIST_REMOVE(query, entry);
    feed_answer_free(query->answer);
    free(query->body);
    free(query);
}

static void run_query(struct work *work)
{
    struct query *query = (struct query *)(void *)work;

    query->answer = feed_answer_parse(query->body, query->length, &query->grammar, &query->problem);
}

static void finish_query(struct work *work)
{
    struct query *query = (struct query *)(void *)work;
    struct feed *feed = query->feed;
    char why[sizeof query->problem.text + 32];

    if (feed != NULL && feed->query == query) {
        feed->query = NULL;
        if (query->answer != NULL) {
            take_page(feed, query->answer);
            query->answer = NULL;
        } else {
            snprintf(why, sizeof why, "the answer is invalid: %s", query->problem.text);
            fail(feed, why, 0);
        }
    }
    query_free(query);
}

/* Hands a page to the worker, which parses it. Returns NULL, or why the answer has failed. */
static const char *start_parse(struct query *query, const struct api_result *result)
{
    struct feed *feed = query->feed;

    if (feed->page == 0 && !has_validator(&result->validator))
        return "the answer has no ETag, or came by a redirect";
    query->body = malloc(result->length + 1);
    if (query->body == NULL)
        return "out of memory";
    memcpy(query->body, result->body, result->length);
    query->length = result->length;
    query->grammar = feed->grammar;
    if (feed->page == 0)
        feed->validator = result->validator;
    query->working = true;
    worker_add(feed->worker, &query->work);
    return NULL;
}

/* The api_done function of a query's request. */
static void on_result(void *arg, const struct api_result *result)
{
    struct query *query = arg;
    struct feed *feed = query->feed;
    const char *why = NULL;

    if (feed->query != query) {
        query_free(query);
        return;
    }
    if (feed->page == 0)
        feed->first = now();
    if (result->verdict == API_ABSENT)
        why = "there is no such page";
    else if (result->verdict == API_OUTAGE)
        why = result->detail;
    else if (since(feed->sent) > feed->window)
        /* The answer may have waited in the kernel while this host was suspended. */
        why = "the answer came too late";
    else if (result->verdict == API_DOCUMENT)
        why = start_parse(query, result);
    else if (feed->page > 0 || !has_validator(&feed->cursor))
        why = "unchanged, says the answer, but there is nothing to compare with";
    if (query->working)
        return;
    feed->query = NULL;
    if (why != NULL) {
        fail(feed, why, result->retry_after);
    } else {
        feed->view.unchanged++;
        set_live(feed);
        schedule(feed, 0);
    }
    query_free(query);
}

/* The function of the timer `poll`: sends the next request. */
static void on_poll(void *arg)
{
    static const struct validator none;
    struct feed *feed = arg;
    struct query *query = xcalloc(1, sizeof *query);

    feed->sent = now();
    query->work = (struct work){.run = run_query, .finish = finish_query};
    query->feed = feed;
    LIST_INSERT_HEAD(&feed->queries, query, entry);
    feed->query = query;
    if (feed->page == 0)
        strcpy(feed->at, feed->url);
    api_poll(feed->api, feed->at, feed->page == 0 ? &feed->cursor : &none, on_result, query);
}

/* ---- Settings ---- */

static bool same_words(const struct cloud_words *a, const struct cloud_words *b)
{
    return a->used == b->used && memcmp(a->text, b->text, a->used) == 0;
}

static bool same_grammar(const struct cloud_grammar *a, const struct cloud_grammar *b)
{
    return a->project_min == b->project_min && a->project_max == b->project_max &&
           a->suffixes == b->suffixes && memcmp(a->suffix, b->suffix, sizeof a->suffix) == 0 &&
           same_words(&a->allow, &b->allow) && same_words(&a->reserved, &b->reserved);
}

void feed_configure(struct feed *feed, const struct cloud_conf *conf, bool forget)
{
    forget = forget || strcmp(feed->url, conf->changes_url) != 0 ||
             !same_grammar(&feed->grammar, &conf->grammar);
    strcpy(feed->url, conf->changes_url);
    feed->grammar = conf->grammar;
    feed->window = (int64_t)1000 * conf->changes_wait + API_POLL_SLACK_MS;
    feed->query = NULL;
    drop_pages(feed);
    if (forget) {
        drop_queue(feed);
        memset(&feed->cursor, 0, sizeof feed->cursor);
        if (feed->live)
            end_live(feed, "the settings changed");
    }
    loop_timer_clear(feed->loop, &feed->poll);
    if (feed->url[0] != '\0')
        schedule(feed, 0);
}

struct feed *feed_new(struct loop *loop, struct api *api, struct worker *worker,
                      const struct cloud_conf *conf, const struct feed_events *events)
{
    struct feed *feed = xcalloc(1, sizeof *feed);

    feed->loop = loop;
    feed->api = api;
    feed->worker = worker;
    feed->events = *events;
    feed->poll = (struct loop_timer){.due = on_poll, .arg = feed};
    feed->silence = (struct loop_timer){.due = on_silence, .arg = feed};
    feed->offers = (struct loop_timer){.due = on_offers, .arg = feed};
    STAILQ_INIT(&feed->pages);
    STAILQ_INIT(&feed->queue);
    LIST_INIT(&feed->queries);
    feed->sent = now();
    feed->view.since = feed->sent.boot;
    strcpy(feed->why, "no answer yet");
    feed_configure(feed, conf, true);
    if (feed->url[0] != '\0')
        schedule(feed, arc4random_uniform(FEED_FIRST_MS));
    return feed;
}

void feed_free(struct feed *feed)
{
    struct query *query, *next;

    loop_timer_clear(feed->loop, &feed->poll);
    loop_timer_clear(feed->loop, &feed->silence);
    loop_timer_clear(feed->loop, &feed->offers);
    drop_pages(feed);
    drop_queue(feed);
    for (query = LIST_FIRST(&feed->queries); query != NULL; query = next) {
        next = LIST_NEXT(query, entry);
        if (query->working)
            query->feed = NULL; /* finish_query frees the query later */
        else
            query_free(query);
    }
    free(feed);
}

void feed_look(const struct feed *feed, struct feed_view *out)
{
    *out = feed->view;
    out->used = feed->url[0] != '\0';
    out->live = feed_is_live(feed);
    out->why = out->live == feed->live ? feed->why : "no answer in time";
}
