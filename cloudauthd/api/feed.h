/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FEED_H
#define CLOUDAUTHD_API_FEED_H

#include "base/loop.h"
#include "base/worker.h"
#include "cloudauthd/api/api.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The change feed (docs/api.md, "The change feed"): a long poll of changes_url that names the
 * environments to be asked for again. It carries no policy.
 *
 * An answer counts when all its pages have come. Then, in one turn of the loop, its events are sent
 * and the feed is live. It stays live for changes_wait + API_POLL_SLACK_MS from the first page of
 * the last answer, by the clock that goes on further (base/elapsed.h), and until any failure. An
 * answer that took longer than that does not make it live.
 */
#define FEED_FIRST_MS  1000  /* the first request is sent within this time */
#define FEED_PAUSE_MS  200   /* between the sending of two requests, at least */
#define FEED_RETRY_MS  15000 /* after a failure the next request is sent within this time */
#define FEED_DELAY_MS  60000 /* an answer's names are offered within this time, and later */
#define FEED_SLICE     100   /* offers in a turn of the loop */
#define FEED_NAMED_MAX 4096  /* `named` events of an answer; more are one `all_named` */
#define FEED_PAGES_MAX 10000
#define FEED_BYTES_MAX                                                                             \
    (64u << 20) /* of names, of an answer and of those that are to be offered                      \
                 */

/* The receiver of events. None of these functions may free or configure the feed. */
struct feed_events {
    /* The environment may have changed; if environment is NULL, any environment of the project may
     * have; `allow` may not list the project. */
    void (*named)(void *arg, const char *project, const char *environment);
    /* Any environment may have changed. */
    void (*all_named)(void *arg);
    /* Offers a named environment that `allow` lists, to be fetched in the background. False: not
     * now; the same environment is offered again after FEED_PAUSE_MS. */
    bool (*offer)(void *arg, const char *project, const char *environment);
    void *arg;
};

struct feed;

/*
 * conf has passed api_check and is not kept. The worker may be shared; it outlives the feed or is
 * freed right after it. NULL if out of memory.
 */
struct feed *feed_new(struct loop *loop, struct api *api, struct worker *worker,
                      const struct cloud_conf *conf, const struct feed_events *events);

/* Frees the feed. To be called after api_free, which drops a request that is under way. */
void feed_free(struct feed *feed);

/*
 * The settings have changed: the answer that is awaited is dropped, and the feed is asked at once.
 * Where changes_url, `allow` or the grammar has changed, or the API is another one (forget), the
 * cursor is dropped: the feed is not live until the next answer, which names all.
 */
void feed_configure(struct feed *feed, const struct cloud_conf *conf, bool forget);

/*
 * Whether every change that the server knew of at the last answer has been sent as an event, and
 * that answer is recent. A document is then current if it was asked for (cloud_clock_ms) after the
 * last event that names it. False if feed is NULL.
 */
bool feed_is_live(const struct feed *feed);

/* For operators. */
struct feed_view {
    bool used;          /* changes_url is set */
    bool live;          /* feed_is_live */
    int64_t since;      /* cloud_clock_ms(): live, or not live, since then */
    int64_t answered;   /* the last answer that counted; 0: none */
    const char *why;    /* why it is not live; "": it is. Borrowed */
    uint64_t answers;   /* since the start: 200, all pages of one counted once */
    uint64_t unchanged; /* 304 */
    uint64_t failures;  /* requests that led to neither */
    uint64_t names;     /* `named` events */
    uint64_t alls;      /* `all_named` events */
    uint64_t waiting;   /* names that are still to be offered */
};
void feed_look(const struct feed *feed, struct feed_view *out);

#endif
