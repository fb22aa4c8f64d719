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
 * The change feed (docs/api.md, "The change feed"): a long poll of changes_url. Its answers name
 * the environments that may have changed, whose documents are then to be requested again. It
 * carries no policy.
 *
 * An answer counts when all its pages have come. Then, in one turn of the loop, its events are sent
 * (feed_events) and the feed is live: until a request fails, or until changes_wait +
 * API_POLL_SLACK_MS have passed since the first page of the last answer came. Of the time since
 * boot and the wall clock the one that has gone on further counts (base/elapsed.h). An answer whose
 * pages take longer than that does not make the feed live.
 */
#define FEED_FIRST_MS  1000  /* at the start, the first request is sent within this time */
#define FEED_PAUSE_MS  200   /* the least time from one request, or refused offer, to the next */
#define FEED_RETRY_MS  25000 /* a failed request is repeated after this time, or sooner at first */
#define FEED_DELAY_MS  60000 /* the names of an answer are offered, at first, within this time */
#define FEED_SLICE     100   /* the most offers in one turn of the loop */
#define FEED_NAMED_MAX 4096  /* the most `named` events of an answer; else one `all_named` */
#define FEED_PAGES_MAX 10000 /* the most pages of an answer */
#define FEED_BYTES_MAX (64u << 20) /* bytes of names: of an answer, and of all queued offers */

/* The receiver of events, called with arg. None of these functions may free or configure the
 * feed. */
struct feed_events {
    /* The environment may have changed or, if environment is NULL, any environment of the project.
     * `allow` need not list the project. */
    void (*named)(void *arg, const char *project, const char *environment);
    /* Any environment may have changed. */
    void (*all_named)(void *arg);
    /* Offers a named environment that `allow` lists, so that its document is fetched in the
     * background. False: not now; the same environment is offered again after FEED_PAUSE_MS. */
    bool (*offer)(void *arg, const char *project, const char *environment);
    void *arg;
};

struct feed;

/* conf must have passed api_check, and is not kept. worker may have other users, and must be freed
 * after the feed. */
struct feed *feed_new(struct loop *loop, struct api *api, struct worker *worker,
                      const struct cloud_conf *conf, const struct feed_events *events);

/* Frees the feed. To be called after api_free, which drops a request that is in flight. */
void feed_free(struct feed *feed);

/*
 * Applies new settings: the awaited answer is ignored, and a request is sent at once. If
 * changes_url, `allow` or the grammar of names has changed, or forget is set because the API is
 * another one, the validators of the last answer are dropped too: the feed is not live until the
 * next answer, which counts as naming all environments.
 */
void feed_configure(struct feed *feed, const struct cloud_conf *conf, bool forget);

/* Whether every change that the server knew of at its last answer has been sent as an event, and
 * that answer is recent. A document is then current if it was requested after the last event that
 * names its environment. False if feed is NULL. */
bool feed_is_live(const struct feed *feed);

/* Figures for operators. */
struct feed_view {
    bool used;          /* changes_url is set */
    bool live;          /* the result of feed_is_live */
    int64_t since;      /* cloud_clock_ms() when the feed last became live, or not live */
    int64_t answered;   /* cloud_clock_ms() of the last answer that counted; 0: none */
    const char *why;    /* why the feed is not live, borrowed; "": it is */
    uint64_t answers;   /* answers with status 200 since the start, of any number of pages */
    uint64_t unchanged; /* answers with status 304 since the start */
    uint64_t failures;  /* requests that failed, or whose answers were invalid, since the start */
    uint64_t names;     /* `named` events since the start */
    uint64_t alls;      /* `all_named` events since the start */
    uint64_t waiting;   /* names that are still to be offered (feed_events.offer) */
};
void feed_look(const struct feed *feed, struct feed_view *out);

#endif
