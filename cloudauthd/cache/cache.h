/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_CACHE_H
#define CLOUDAUTHD_CACHE_CACHE_H

#include "base/notify.h"
#include "base/worker.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/cache/answers.h"
#include "cloudauthd/state/store.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The access documents that this host knows. An environment has one request in flight at most,
 * however many waiters it has. In an outage the last good document serves within its bound: the
 * lesser of its own max_stale_seconds and the host's max_stale, counted from when it was last asked
 * for. Where documents are signed, the bound counts from their issued_at and also holds in good
 * health, a document older than the last accepted one is invalid, and only a signed tombstone makes
 * an environment absent.
 *
 * Documents are on the disk (store.h). Memory has those that were asked for lately (entries.h); one
 * that is not there is read first, by the loader. A request for an environment of which no document
 * is known takes a token from its project's bucket: UNKNOWN_RATE a second, or NEIGHBOUR_RATE if ids
 * are bound to an environment of the project; and, if none are, one from a bucket that all such
 * projects share, STRANGERS_RATE a second. Lookups by root, logins (PAM and cloudauth-keys) and all
 * other users have buckets of their own. Without a token the environment is unavailable, which is
 * not remembered.
 */
#define UNKNOWN_RATE    10
#define UNKNOWN_BURST   50
#define NEIGHBOUR_RATE  50
#define NEIGHBOUR_BURST 200
#define STRANGERS_RATE  100
#define STRANGERS_BURST 400
/* The most of such requests in flight. A project may have as many as are still free, which is half
 * of them if no other project has any. */
#define UNKNOWN_LOOKUPS_MAX 48
#define UNKNOWN_LOGINS_MAX  16
#define UNKNOWN_OTHERS_MAX  24

struct cache;

/* NULL if out of memory. A document that the API has sent is in the store, on disk, before any
 * waiter is answered by it, so that no crash brings back a person who was removed. The caller
 * must free the workers first, then the store, then the cache. */
struct cache *cache_new(const struct cache_setup *setup);

/*
 * Reads the stored documents of environments that have no bound ids, and binds theirs: a line of
 * the bindings log was lost, and another environment could be given those ids. Whether a document
 * may be used does not matter for that. For the start alone, before anything is answered, because
 * it waits for the disk; the service manager is notified that it goes on. False, logged, if the
 * documents cannot be listed.
 */
bool cache_bind_stored(struct cache *cache, const struct notify *notify);

/* From now on no request and no survey follows the reading of a document. To be called before the
 * API and the loader are freed. */
void cache_stop(struct cache *cache);
void cache_free(struct cache *cache);

/*
 * Asks for a document. waiter->answered is called exactly once, perhaps before cache_ask returns,
 * unless cache_forget comes first.
 */
void cache_ask(struct cache *cache, const char *project, const char *environment,
               enum cache_need need, struct cache_waiter *waiter);
void cache_forget(struct cache_waiter *waiter);

/*
 * How a person comes from that address, which may be NULL, now; the caller sets `offered`. The time
 * is the wall clock, but never runs back or behind the time since boot, nor before the last change
 * of the store: so no step of the clock makes a right last longer. A clock that was ahead therefore
 * ends rights early, until the documents are confirmed and the daemon is restarted then.
 */
struct policy_visit cache_visit(struct cache *cache, const char *from);

/*
 * The change feed names an environment, or with environment NULL all of the project's, or all
 * environments: a question that comes after this is answered by no document that was asked for
 * before it, unless the API does not answer. Documents that were asked for CACHE_SETTLE_MS after it
 * or that were not named answer without a request as long as the feed is live (cache_setup's
 * feed_lives).
 */
void cache_named(struct cache *cache, const char *project, const char *environment);
void cache_all_named(struct cache *cache);

/* cloud_clock_ms() when the feed last named the environment or its project; 0: never. */
int64_t cache_named_at(const struct cache *cache, const char *project, const char *environment);

/* The same, or when the feed last named all environments, whichever is later; INT64_MIN:
 * never. */
int64_t cache_last_named_at(const struct cache *cache, const char *project,
                            const char *environment);

/* Calls each for the last good document in memory, however old, of every environment of the
 * project, until it returns false. Not for decisions, only for names in log lines. */
void cache_each_of(const struct cache *cache, const char *project,
                   bool (*each)(void *arg, const struct document *document), void *arg);

/*
 * Subscribes to changes: documents that come, also from the disk, change and go, and confirmations
 * as often as account_fresh needs them. Documents in memory are reported at once, also where this
 * is called again; all others by cache_survey. There is one subscriber; it and arg outlive the
 * cache.
 */
void cache_subscribe(struct cache *cache, cache_told *told, void *arg);

/* This host's denials have changed: reports the documents in memory again, then all others. */
void cache_denials_changed(struct cache *cache);

/*
 * Loads the documents that are on the disk and not in memory, a few at a time, and reports each to
 * the subscriber. No document in use is evicted for them. A document that cannot be loaded is
 * skipped. Then calls done, which may be NULL, unless the disk or memory has failed for any; if
 * the documents cannot be listed, that is logged instead. A call during a survey begins it anew,
 * and the former done is not called.
 */
void cache_survey(struct cache *cache, void (*done)(void *arg), void *arg);

/* An operator confirms that the environment is deleted: the next answer that it is absent is
 * believed. False if no such answer is withheld (limits.h, the guard). */
bool cache_confirm_absent(struct cache *cache, const char *project, const char *environment);

/* What is known of one environment; the strings are borrowed for the call. */
struct cache_view {
    const char *project, *environment;
    const struct document *document; /* the last good one, or NULL */
    bool usable;                     /* it may decide logins now */
    bool taken; /* the subscriber said that this host takes it (cache_subscribe) */
    bool fresh; /* and the API need not be asked for account data */
    bool absent;
    bool withheld;      /* the API says that it is absent, which is not believed */
    bool failing;       /* the last request failed */
    uint32_t age;       /* seconds since it was certainly true */
    const char *detail; /* failing: why; else "" */
};
/* Called for an entry. Returns true to end the walk in this bucket. */
typedef bool cache_see(void *arg, const struct cache_view *view);

/*
 * Calls see for the entries of the hash table's buckets, from the given one on, until it has seen
 * enough in a bucket. Returns the bucket to continue with, or 0 at the end. Entries that are added
 * or evicted between two calls may be missed or seen twice.
 */
size_t cache_walk(struct cache *cache, size_t from, cache_see *see, void *arg);

/* Whether the environment is among those. */
bool cache_has(const struct cache *cache, const char *project, const char *environment);

void cache_look(const struct cache *cache, struct cache_figures *out);

/* The settings have changed. forget: the API or its signatures are others, so nothing that was
 * learnt before is believed. */
void cache_configure(struct cache *cache, bool forget);

#endif
