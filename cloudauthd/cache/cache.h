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
 * lesser of its own max_stale_seconds and the host's max_stale, counted from the request for the
 * last good answer. Where documents are signed, the bound counts from their issued_at and holds
 * without an outage too, a document older than the last accepted one is invalid, and only a signed
 * tombstone makes an environment absent.
 *
 * Documents are on the disk (store.h). Memory has those that were used lately (entries.h); any
 * other is first read by the loader. A request for an environment of which no document is known
 * takes a token from its project's bucket: UNKNOWN_RATE a second, or NEIGHBOUR_RATE if ids are
 * bound to an environment of the project; and, if none are, one from a bucket that all such
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
/* The most requests in flight for environments of which no document is known. One project may have
 * as many as are still free: half of them if no other project has any. */
#define UNKNOWN_LOOKUPS_MAX 48
#define UNKNOWN_LOGINS_MAX  16
#define UNKNOWN_OTHERS_MAX  24

struct cache;

/* Makes a cache; *setup is copied. A document that the API has sent is in the store, on disk,
 * before any waiter is answered by it, so that no crash brings back a person who was removed. The
 * caller must free the workers first, then the store, then the cache. */
struct cache *cache_new(const struct cache_setup *setup);

/* At the start: has a worker list the stored documents. The worker must be freed, so that the list
 * is complete, before cache_bind_stored. */
void cache_list_stored(struct cache *cache, struct worker *worker);

/*
 * At the start: reads the stored documents of environments without bound ids, and binds the ids in
 * them. A line of the bindings log was lost, and without it another environment could be given
 * those ids; so it does not matter whether the document may be used. To be called before any
 * question is answered, because it waits for the disk; it extends the start's time-out at the
 * service manager. surveys: cache_survey will be called, and uses the same list. Ends the daemon if
 * the documents could not be listed.
 */
void cache_bind_stored(struct cache *cache, const struct notify *notify, bool surveys);

/* From now on the end of a load starts no request and no other load. To be called before the API
 * and the loader are freed. */
void cache_stop(struct cache *cache);
void cache_free(struct cache *cache);

/* Asks for the document of an environment. waiter->answered is called exactly once, perhaps before
 * cache_ask returns, unless cache_forget comes first. */
void cache_ask(struct cache *cache, const char *project, const char *environment,
               enum cache_need need, struct cache_waiter *waiter);
void cache_forget(struct cache_waiter *waiter);

/*
 * Returns the time of a login and the client's address (`from`, or NULL) for policy.h; the caller
 * sets `offered`. The time is the wall clock. After that was put back the time is what the clock
 * would show otherwise, or less if the API's clock says so. So no step of the clock makes a right
 * last longer. A clock that was ahead ends rights early until the API's next answer or, with
 * file://, where the API has no clock, until the documents are confirmed and the daemon is
 * restarted.
 */
struct policy_visit cache_visit(struct cache *cache, const char *from);

/*
 * The change feed has named an environment or, with environment NULL, all of the project's
 * (cache_named), or all environments (cache_all_named). A document that was requested before then
 * answers no later question, unless the API does not answer. As long as the feed is live
 * (cache_setup.feed_lives), a document answers without a request if its environment was never
 * named, or if it was requested CACHE_SETTLE_MS or more after its environment was last named.
 */
void cache_named(struct cache *cache, const char *project, const char *environment);
void cache_all_named(struct cache *cache);

/* cloud_clock_ms() when the feed last named the environment or its project; 0: never. */
int64_t cache_named_at(const struct cache *cache, const char *project, const char *environment);

/* cloud_clock_ms() when the feed last named the environment, its project or all environments;
 * INT64_MIN: never. */
int64_t cache_last_named_at(const struct cache *cache, const char *project,
                            const char *environment);

/* Calls each for the last good document in memory, however old, of every environment of the
 * project, until each returns false. Not for decisions, only for names in log lines. */
void cache_each_of(const struct cache *cache, const char *project,
                   bool (*each)(void *arg, const struct document *document), void *arg);

/*
 * Subscribes to changes of documents: those that come, also from the disk, that change and that go;
 * and to their confirmations as often as account_fresh needs them. Documents in memory are reported
 * at once, also if this is called again; all others by cache_survey. There is one subscriber; it
 * and arg outlive the cache.
 */
void cache_subscribe(struct cache *cache, cache_told *told, void *arg);

/* This host's denials have changed: reports the documents in memory again at once, then all others
 * by cache_survey. */
void cache_denials_changed(struct cache *cache);

/*
 * Loads the documents that are on the disk and not in memory, a few at a time, and reports each to
 * the subscriber. No document in use is evicted for them. A document that cannot be loaded is
 * skipped. Then calls done, which may be NULL, unless the disk or memory has failed for any
 * document since the start. If the documents cannot be listed, that is logged and done is not
 * called. A call during a survey begins the survey anew, and the former done is not called.
 */
void cache_survey(struct cache *cache, void (*done)(void *arg), void *arg);

/* An operator confirms that the environment is deleted: the next answer that it is absent is
 * believed. False if no such answer is withheld (limits.h, the guard). */
bool cache_confirm_absent(struct cache *cache, const char *project, const char *environment);

/* What is known of one environment. All pointers are borrowed for the call of cache_see. */
struct cache_view {
    const char *project, *environment;
    const struct document *document; /* the last good document, or NULL */
    bool usable;                     /* the document may decide logins now */
    bool taken;                      /* the subscriber has said that this host takes the document */
    bool fresh;                      /* the document answers lookups without a request */
    bool absent;
    bool withheld;      /* the API says that the environment is absent, but the guard disbelieves */
    bool failing;       /* the last request failed */
    uint32_t age;       /* seconds since the document was signed or, unsigned, requested */
    const char *detail; /* why the last request failed; "" if it did not */
};
/* Called for an entry. Returns true to have the walk end after this bucket of the hash table. */
typedef bool cache_see(void *arg, const struct cache_view *view);

/* Calls see for the entries of whole buckets of the hash table, from bucket `from` on, until it has
 * returned true. Returns the bucket to continue with, or 0 at the end. Entries that are added or
 * evicted between two calls may be missed or seen twice. */
size_t cache_walk(struct cache *cache, size_t from, cache_see *see, void *arg);

/* Whether the cache has an entry for the environment in memory. */
bool cache_has(const struct cache *cache, const char *project, const char *environment);

void cache_look(const struct cache *cache, struct cache_figures *out);

/* What a change of the settings leaves of the documents in memory, and of requests under way. */
enum cache_change {
    CACHE_SAME = 0,      /* all */
    CACHE_OTHER_API,     /* nothing: access_url is another one */
    CACHE_OTHER_SIGNERS, /* nothing: signing_key is another one. What is on the disk is read again,
                          * as after a restart, if one of the keys has signed it */
};

/* Applies the new settings in *conf of cache_setup. */
void cache_configure(struct cache *cache, enum cache_change change);

#endif
