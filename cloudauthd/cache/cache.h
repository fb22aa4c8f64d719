/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_CACHE_H
#define CLOUDAUTHD_CACHE_CACHE_H

#include "access/document.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/state/store.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The documents this host knows, and how fresh they are. One request is in flight per document,
 * whoever waits for it. In an outage the last good document serves within its bound: the lesser of
 * its own max_stale_seconds and the host's max_stale, told from when it was last asked for.
 * Where documents are signed the bound is told from their issued_at, outage or not; an older one
 * than was accepted before is invalid, and only a signed tombstone makes an environment absent.
 *
 * Bounded: documents by number and bytes, others by number, the longest unused goes first. Names
 * that nobody knows pass a token bucket (UNKNOWN_RATE a second, those of a project that is known
 * here NEIGHBOUR_RATE, from one of their own); when it is empty they are unavailable, and that is
 * not remembered.
 */
#define UNKNOWN_RATE    10
#define UNKNOWN_BURST   50
#define NEIGHBOUR_RATE  50
#define NEIGHBOUR_BURST 200
/* Requests in flight for environments that no document is known of: of root and cloudauth-keys, and
 * of all others together. The others cannot take the place of logins to what is not known yet. */
#define STRANGERS_MAX        48
#define STRANGERS_OTHERS_MAX 32

struct cache;

enum cache_need {
    CACHE_ACCOUNT, /* who the account is: fresh for account_fresh */
    CACHE_KEYS,    /* who may enter: fresh for keys_fresh */
    CACHE_NOW,     /* an operator wants to know: asked for whatever is known, and whatever failed */
};

enum cache_result {
    CACHE_UNAVAILABLE = 0, /* an outage, and nothing that may still be used */
    CACHE_DOCUMENT,
    CACHE_ABSENT, /* the API said so */
};

struct cache_answer {
    enum cache_result result;
    const struct document *document; /* CACHE_DOCUMENT: borrowed for the call */
    bool stale;                      /* the API could not be asked: it is the last good one */
    uint32_t age;                    /* seconds since it was last the truth */
    bool at_once;                    /* cache_ask has not returned yet: nothing was waited for */
    int64_t asked; /* cloud_clock_ms() when the API was last asked with a good answer; 0: never */
    const char *detail; /* stale or CACHE_UNAVAILABLE: why, for logs */
};

/* Somebody who waits; the caller owns it and keeps it until answered or cache_forget. */
struct cache_waiter {
    void (*answered)(void *arg, const struct cache_answer *answer);
    void *arg;
    bool trusted; /* root or cloudauth-keys asks: not held back by what others ask for */
    /* the cache's own: */
    struct cache_entry *entry;
    struct cache_waiter *next;
    enum cache_need need;
    int64_t since;
};

/* Whether this host takes a new document, with the reason in why if not. */
typedef bool cache_accept(void *arg, const struct document *document, char *why, size_t size);

/* NULL if memory is out. conf (its signing_key is one that envelope_parse_signers takes) and api
 * outlive the cache. */
struct cache *cache_new(const struct cloud_conf *conf, struct api *api, cache_accept *accept,
                        void *arg);
void cache_free(struct cache *cache);

/*
 * Asks for a document. waiter->answered is called exactly once, perhaps before cache_ask returns,
 * unless cache_forget comes first.
 */
void cache_ask(struct cache *cache, const char *project, const char *environment,
               enum cache_need need, struct cache_waiter *waiter);
void cache_forget(struct cache_waiter *waiter);

/* The last good document as it stands, however old, or NULL; borrowed for the call. Asks nobody,
 * and decides nothing: only to put a name to a key in a log. */
const struct document *cache_peek(struct cache *cache, const char *project,
                                  const char *environment);

/*
 * Asks again for documents whose last request failed, each after its back-off, while the last good
 * one may be used: else the first login after a fault that is long over would still be decided by
 * it. To be called every second or so; at most CACHE_PROBES go at a time.
 */
#define CACHE_PROBES 64
void cache_probe(struct cache *cache);

/*
 * The account list lacks an environment that it had: if a document of it is known, that is
 * revalidated in the background, however fresh it is, and decides. At most CACHE_PROBES background
 * requests are in flight, the others follow with cache_probe. Returns whether one is known.
 */
bool cache_recheck(struct cache *cache, const char *project, const char *environment);

/*
 * The account list names an environment: if no document of it is known, that is fetched in the
 * background, so that its uid has a name before anyone asks for it. Bounded by CACHE_PROBES, by a
 * token bucket of PREFETCH_RATE a second, and by a back-off while the API fails; nothing is fetched
 * that would evict another document. False: not now, to be called again for the same environment a
 * little later.
 */
#define PREFETCH_RATE  50
#define PREFETCH_BURST 100
bool cache_prefetch(struct cache *cache, const char *project, const char *environment);

/* What has been learnt of an environment. */
struct cache_news {
    const char *project, *environment;
    const struct document *document; /* NULL: there is none any more */
    const struct document *before;   /* what it replaces; the same one: it was confirmed */
    bool changed; /* it means another thing now than when it was told before (denials.h) */
    int64_t asked_wall, until; /* when it was asked for, and until when an outage may use it */
};

/*
 * Tells of every change: of documents that come, change and go, and of confirmations, as far as
 * account_fresh needs them. What is there already is told at once. arg and told outlive the cache.
 */
typedef void cache_told(void *arg, const struct cache_news *news);
void cache_tell(struct cache *cache, cache_told *told, void *arg);

/* Tells of all documents again: what this host denies of them has changed. */
void cache_tell_changed(struct cache *cache);

/*
 * Keeps documents in the store from now on: one that the API has just sent is on the disk before
 * anybody is answered by it, so that no crash brings back who was removed. The store is freed
 * before the cache.
 */
void cache_keep(struct cache *cache, struct store *store);

/* store_each: takes a stored document, if it is valid and this host takes it. arg is the cache. */
store_each cache_restore;

/* An operator says that the environments which turned absent are so (limits.h, the guard). */
void cache_confirm_absent(struct cache *cache);

/* Every document that is taken from now on refers to them; they outlive the cache. */
void cache_deny(struct cache *cache, const struct denials *denials);

/* What is known of one environment; the strings are borrowed for the call. */
struct cache_view {
    const char *project, *environment;
    const struct document *document; /* the last good one, or NULL */
    bool usable;                     /* it may decide logins now */
    bool fresh;                      /* it needs not be asked for again for account data */
    bool absent, failing;
    uint32_t age;       /* seconds since it was last the truth */
    const char *detail; /* failing: why */
};
typedef void cache_see(void *arg, const struct cache_view *view);

/*
 * Calls see for what is in the buckets from the given one on, until full says that it has enough,
 * asked between two buckets. Returns the bucket to go on with, or 0 at the end. What is added or
 * let go between two calls may be missed or seen twice.
 */
size_t cache_walk(struct cache *cache, size_t from, cache_see *see, bool (*full)(void *arg),
                  void *arg);

/* Whether environments that turn absent are not believed (limits.h, the guard). */
bool cache_guarded(const struct cache *cache);

/* Of all documents in memory. */
size_t cache_bytes(const struct cache *cache);

/* Questions and their answers since the start, for metrics. */
struct cache_figures {
    uint64_t hits;        /* answered without waiting for the API */
    uint64_t misses;      /* waited for the API */
    uint64_t limited;     /* refused by a token bucket: the API was not asked */
    uint64_t stale;       /* answers by the last good document, in an outage */
    uint64_t unavailable; /* answers CACHE_UNAVAILABLE */
};
void cache_look(const struct cache *cache, struct cache_figures *out);

/* The settings changed. Where the API is another one (forget), nothing of the old is believed. */
void cache_configure(struct cache *cache, const struct cloud_conf *conf, bool forget);

#endif
