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
 * the environments whose documents may have changed and are to be requested again. They carry no
 * policy.
 *
 * An answer counts once all its pages have been received. Then, in one turn of the loop, its events
 * are sent (feed_events) and the feed becomes live. It stays live until a request fails, or until
 * changes_wait + API_POLL_SLACK_MS have passed since the first page of the last answer was
 * received: by the time since boot or by the wall clock, whichever has advanced further
 * (base/elapsed.h). An answer whose pages take longer than that does not make the feed live.
 */
#define FEED_FIRST_MS  1000  /* the first request is sent after a random part of this time */
#define FEED_PAUSE_MS  200   /* the least time between requests; the wait after a refused offer */
#define FEED_RETRY_MS  25000 /* the wait after a failed request; after the first, a part of it */
#define FEED_DELAY_MS  60000 /* an answer's names are offered after a random part of this time */
#define FEED_SLICE     100   /* the most offers in one turn of the loop */
#define FEED_NAMED_MAX 4096  /* an answer with more names causes one `all_named` */
#define FEED_PAGES_MAX 10000 /* the most pages of an answer */
#define FEED_BYTES_MAX (64u << 20) /* the most bytes of names in an answer, and in the queue */

/* The functions that receive events, called with `arg`. They must not call feed_configure or
 * feed_free. */
struct feed_events {
    /* The document of the environment may have changed; if environment is NULL, that of any
     * environment of the project. They may be ones that this host does not serve. */
    void (*named)(void *arg, const char *project, const char *environment);
    /* The document of any environment may have changed. */
    void (*all_named)(void *arg);
    /* Offers a named environment whose main login name or sFTP name `allow` lists, so that its
     * document is fetched in the background. Returns false to be offered it again, after
     * FEED_PAUSE_MS. */
    bool (*offer)(void *arg, const char *project, const char *environment);
    void *arg;
};

struct feed;

/* Creates the feed. conf must have passed api_check; it is not used after the call. worker may have
 * other users, and must be freed after the feed. */
struct feed *feed_new(struct loop *loop, struct api *api, struct worker *worker,
                      const struct cloud_conf *conf, const struct feed_events *events);

/* Frees the feed. Must be called after api_free, which drops a request that is in flight. */
void feed_free(struct feed *feed);

/*
 * Applies new settings: ignores the answer that is awaited, and sends a new request at once. If
 * changes_url, `allow` or the grammar of names has changed, or if forget is set because the API is
 * another one, also drops the validators of the last answer: then the feed is not live until the
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
    int64_t since;      /* cloud_clock_ms() when the feed last became live, or ceased to be live */
    int64_t answered;   /* cloud_clock_ms() of the last answer that counted; 0: none */
    const char *why;    /* why the feed is not live, borrowed; "" if it is live */
    uint64_t answers;   /* answers with status 200 since the start; all pages count as one */
    uint64_t unchanged; /* answers with status 304 since the start */
    uint64_t failures;  /* requests that failed, or whose answers were invalid, since the start */
    uint64_t names;     /* `named` events since the start */
    uint64_t alls;      /* `all_named` events since the start */
    uint64_t waiting;   /* names that are still to be offered (feed_events.offer) */
};
void feed_look(const struct feed *feed, struct feed_view *out);

#endif
