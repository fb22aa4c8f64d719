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
 * The access documents that this host knows. An environment has at most one request in flight,
 * however many waiters it has. In an outage the last good document stays in use until its outage
 * bound: the smaller of its own max_stale_seconds and the host's max_stale, counted from the
 * request for the last good answer. If documents are signed, the bound counts from issued_at of the
 * document and also applies without an outage; a document older than the last accepted one is
 * invalid; and only a signed tombstone makes an environment absent.
 *
 * Documents are kept on the disk (store.h). Those that were used recently are also in memory
 * (entries.h); any other is first loaded from the disk.
 *
 * A request for an environment of which no document is known takes a token from its project's
 * bucket, which gets NEIGHBOUR_RATE tokens a second if ids are bound to an environment of the
 * project, otherwise UNKNOWN_RATE. In the latter case it also takes a token from a bucket that all
 * such projects share (STRANGERS_RATE a second). Lookups by root, logins (PAM and cloudauth-keys),
 * and all other users each have their own buckets. If there is no token, the answer is
 * CACHE_UNAVAILABLE; that is not remembered, so the next question tries again. With file:// no
 * token is needed.
 */
#define UNKNOWN_RATE    10
#define UNKNOWN_BURST   50
#define NEIGHBOUR_RATE  50
#define NEIGHBOUR_BURST 200
#define STRANGERS_RATE  100
#define STRANGERS_BURST 400
/* The most requests in flight, by kind of asker, for environments of which no document is known. A
 * project may have as many in flight as are still free, so a single project gets at most half. */
#define UNKNOWN_LOOKUPS_MAX 48
#define UNKNOWN_LOGINS_MAX  16
#define UNKNOWN_OTHERS_MAX  24

struct cache;

/* Creates a cache; *setup is copied. When the API has sent a document, the cache writes it to the
 * disk before it answers the questions that wait for it: after a crash the older document cannot
 * let in a person who has been removed. The caller must free the workers first, then the store,
 * then the cache. */
struct cache *cache_new(const struct cache_setup *setup);

/* At the start: makes a worker list the stored documents. The worker must be freed before
 * cache_bind_stored is called, so that the list is complete. */
void cache_list_stored(struct cache *cache, struct worker *worker);

/*
 * At the start: binds the ids in stored documents whose environments have lost their binding
 * (admission_lacks_ids): its line of the bindings log is missing or damaged. Otherwise another
 * environment could get those ids; so they are bound even if the document itself may not be used.
 * Waits for the disk, so it must be called before any question is answered; meanwhile it extends
 * the service manager's start timeout. Ends the daemon if the documents could not be listed.
 */
void cache_bind_stored(struct cache *cache, const struct notify *notify);

/* From now on, a load that ends starts no request and no other load. To be called before the API
 * and the loader are freed. */
void cache_stop(struct cache *cache);
void cache_free(struct cache *cache);

/* Asks for the document of an environment. waiter->answered is called exactly once, possibly before
 * cache_ask returns, unless cache_forget is called first. */
void cache_ask(struct cache *cache, const char *project, const char *environment,
               enum cache_need need, struct cache_waiter *waiter);
void cache_forget(struct cache_waiter *waiter);

/*
 * Returns the circumstances of a login for policy.h: its time and the client's address (`from`, or
 * NULL); the caller sets `offered`. Normally the member `now` is the wall clock. After the wall
 * clock was put back, `now` is what it would show if it had not been put back, or less if the API's
 * clock is behind that; so putting the clock back never makes a right last longer. If the wall
 * clock had been ahead before, rights end early until the next answer of the API. With file:// the
 * API has no clock; there they end early until the documents are confirmed and the daemon is
 * restarted.
 */
struct policy_visit cache_visit(const struct cache *cache, const char *from);

/*
 * To be called when the change feed names an environment, all environments of a project
 * (environment NULL), or all environments (cache_all_named). A document that was requested before
 * that no longer decides logins, unless the API fails; a lookup still gets it, and has it
 * revalidated. While the feed is live (cache_setup.feed_lives), a document stays fresh for up to an
 * hour if its environment was never named, or if the document was requested CACHE_SETTLE_MS or more
 * after its environment was last named.
 */
void cache_named(struct cache *cache, const char *project, const char *environment);
void cache_all_named(struct cache *cache);

/* Returns the cloud_clock_ms() when the feed last named the environment or its project; 0:
 * never. */
int64_t cache_named_at(const struct cache *cache, const char *project, const char *environment);

/* Returns the cloud_clock_ms() when the feed last named the environment, its project or all
 * environments; INT64_MIN: never. */
int64_t cache_last_named_at(const struct cache *cache, const char *project,
                            const char *environment);

/* Calls `each` with every last good document of the project, however old, that is among the
 * CACHE_EACH_MAX most recently used, until `each` returns false. To be used only for names in log
 * lines, not for decisions. */
#define CACHE_EACH_MAX 4096
void cache_each_of(const struct cache *cache, const char *project,
                   bool (*each)(void *arg, const struct document *document), void *arg);

/*
 * Subscribes to changes: documents that are added (also by a load from the disk), replaced or
 * removed, and confirmations, for each document at most one per account_fresh / 4 seconds. Each
 * call reports all documents in memory at once; cache_survey reports the others. There is only one
 * subscriber, which must outlive the cache, as must arg.
 */
void cache_subscribe(struct cache *cache, cache_told *told, void *arg);

/* To be called when this host's denials have changed: reports all documents to the subscriber
 * again, those in memory at once, the others by cache_survey. */
void cache_denials_changed(struct cache *cache);

/*
 * Loads the documents that are on the disk but not in memory, a few at a time, and reports each to
 * the subscriber. They are evicted before any document that is in use. A document that cannot be
 * loaded is skipped. At the end calls `done`, which may be NULL, unless a document could not be
 * read since the start because the disk or memory failed. If the documents cannot be listed, that
 * is logged, and background_probe lists them again every 10 seconds. A call during a survey starts
 * it over, and the former `done` is not called.
 */
void cache_survey(struct cache *cache, void (*done)(void *arg), void *arg);

/* To be called when an operator confirms that the environment is deleted: the next answer that it
 * is absent is believed. False if no such answer was withheld (the guard in limits.h). */
bool cache_confirm_absent(struct cache *cache, const char *project, const char *environment);

/* What is known about one environment. All pointers are borrowed for the call of cache_see. */
struct cache_view {
    const char *project, *environment;
    const struct document *document; /* the last good document, or NULL */
    bool usable;                     /* the document may decide logins now */
    bool taken;                      /* the subscriber has said that this host takes the document */
    bool fresh;                      /* the document answers lookups without a request */
    bool absent;        /* the API's last good answer is that there is no such environment */
    bool withheld;      /* the API says that there is none, but the guard does not believe it */
    bool failing;       /* the last request failed. If no document is known, only as long as that
                           tells something: the environment has bound ids, or the API has sent a
                           document that is not accepted, or has answered no request since. Not a
                           name that a stranger tried in an outage that is over */
    uint32_t age;       /* seconds since the document was signed or, if unsigned, requested; or
                           CACHE_AGE_UNKNOWN */
    const char *detail; /* why the last request failed, `failing` or not; "" if it did not */
};
/* Called for each entry. Returns true to end the walk after the current bucket of the hash
 * table. */
typedef bool cache_see(void *arg, const struct cache_view *view);

/*
 * Walks the hash table of the entries from bucket `from` on (0: the first), and calls `see` for
 * each entry, until `see` has returned true and its bucket is done. Returns the bucket to continue
 * with, or 0 at the end. Entries that are added or evicted between two calls may be missed or seen
 * twice.
 */
size_t cache_walk(struct cache *cache, size_t from, cache_see *see, void *arg);

/* Whether the cache has an entry for the environment in memory. */
bool cache_has(const struct cache *cache, const char *project, const char *environment);

void cache_look(const struct cache *cache, struct cache_figures *out);

/* What happens to documents in memory, and to requests in flight, when the settings change. */
enum cache_change {
    CACHE_SAME = 0,      /* they stay */
    CACHE_OTHER_HOST,    /* they stay: host_id has changed. The next confirmation of each is stored,
                            since documents of another host are not used after a restart */
    CACHE_OTHER_API,     /* they are dropped: access_url has changed. Documents on the disk are read
                            again, as after a restart, and used if they are of the new API */
    CACHE_OTHER_SIGNERS, /* they are dropped: signing_key has changed. Documents on the disk are
                            read again, and used if one of the keys has signed them */
};

/* Applies the settings that are now in *conf of cache_setup, and ends all back-offs. */
void cache_configure(struct cache *cache, enum cache_change change);

#endif
