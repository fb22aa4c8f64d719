/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_INTERNAL_H
#define CLOUDAUTHD_CACHE_INTERNAL_H

#include "access/envelope.h"
#include "base/worker.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/cache/answers.h"
#include "cloudauthd/cache/entries.h"
#include "cloudauthd/cache/limits.h"
#include "cloudauthd/state/store.h"

/* What the cache's own files share: cache.c (questions), load.c (documents on the disk), request.c
 * (requests and answers), take.c (what the API says), freshness.c (the age of answers),
 * background.c (requests for which no login or lookup waits). */

/*
 * When the change feed last named an environment, its project, or all environments, as
 * cloud_clock_ms(). Names are not stored: a keyed hash maps each name to one of a fixed number of
 * marks, so an environment can seem to be named when another one is. That costs one more request
 * for its document, and until the API has answered, hurried waiters do not get the last good
 * document (request_is_hurried).
 */
#define MARKS 65536

struct marks {
    int64_t all;         /* when all environments were last named; INT64_MIN: never */
    int64_t mark[MARKS]; /* when a name with this hash was last named; 0: never */
};

/* A project's share of a budget. Projects whose hashes collide have one share in common, so the
 * table is large to make that rare; the kernel allocates only the pages of shares that were
 * used. */
struct share {
    struct bucket bucket;
    unsigned in_flight; /* requests in flight */
};

/* A budget of requests for unknown environments. */
struct askers {
    struct share project[65536];
    struct bucket strangers; /* shared by all projects without a bound environment */
    unsigned in_flight;      /* requests in flight for all projects */
};

/* The progress of cache_survey. */
struct survey {
    void (*done)(void *arg);
    void *arg;
    char *names, *at; /* the result of store_list, or NULL; the next name in it */
    size_t left;      /* the number of environments from `at` on */
    unsigned loads;   /* loads of the survey in flight */
    bool is_listing;  /* a worker is listing the stored documents */
    bool missed;      /* a document could not be read since the start: the disk or memory failed */
    bool again;       /* the survey has to start over when the loads in flight are done */
    int64_t retry;    /* cloud_clock_ms() from which the documents, which could not be listed, are
                         listed again; 0: they could, or are being listed */
};

struct cache {
    struct cache_setup setup;
    bool stopping;
    unsigned loads; /* loads in flight, the survey's included */
    struct survey survey;
    size_t unread;          /* bytes of answers that wait for the reader (cache_setup.worker) */
    size_t unasked;         /* bytes of answers that wait for the asker */
    unsigned asking;        /* answers that wait for the asker */
    struct signers signers; /* the keys that sign documents; empty: documents are not signed */
    cache_told *told;       /* the function of the subscriber, or NULL */
    void *told_arg;
    struct entries entries;
    struct guard guard;
    struct marks marks; /* when the change feed last named environments and projects */
    struct cache_figures figures;
    struct askers lookups, logins, others; /* the budgets ENTRY_LOOKUP, ENTRY_LOGIN, ENTRY_OTHERS */
    int64_t answered;    /* cloud_clock_ms() when the last request was sent that the API answered */
    bool some_fail;      /* an entry may be STALE, so background_probe has to look for it */
    unsigned background; /* the number of background requests in flight */
    struct bucket prefetches;   /* the token bucket of background_prefetch */
    unsigned prefetch_failures; /* prefetches that failed in a row; unless 0, only one is sent at a
                                   time */
    int64_t prefetch_pause;     /* cloud_clock_ms() before which no prefetch is sent */
};

/* Returns the environment's entry, which is created if there is none. */
static inline struct cache_entry *internal_find(struct cache *cache, const char *project,
                                                const char *environment)
{
    struct cache_entry *entry = entries_find_or_add(&cache->entries, project, environment);

    entry->cache = cache;
    return entry;
}

/*
 * freshness.c: how old an entry's answer is, and whether its document may still be used.
 *
 * An age is measured by two clocks, and the larger result counts: the time since boot stands still
 * while a virtual machine is paused, and the wall clock can be put back.
 */
struct freshness_now {
    int64_t boot; /* the time as cloud_clock_ms() */
    int64_t wall; /* the time in seconds since 1970 */
};
struct freshness_now freshness_now(void);

/* Whether the last good answer was requested less than `milliseconds` ago. */
bool freshness_is_within(const struct cache_entry *entry, struct freshness_now now,
                         int64_t milliseconds);

/* Seconds since the entry's document was signed or, if documents are not signed, since the last
 * good answer was requested. */
uint32_t freshness_age(const struct cache_entry *entry, struct freshness_now now);

/* The outage bound, in seconds: how long after the last good answer the document may still be used
 * while the API fails. The smaller of the host's max_stale and the document's own. */
int64_t freshness_bound(const struct cache *cache, const struct document *document);

/* Whether the last good answer of an entry with a document was requested within freshness_bound. */
bool freshness_is_in_bound(const struct cache_entry *entry, struct freshness_now now);

/* Returns when the outage bound of a document ends, counted from asked_wall, when it was requested,
 * or from its issued_at if documents are signed and that is earlier. Both times are in seconds
 * since 1970. 0 if asked_wall is 0: the age of the document is not known. */
int64_t freshness_usable_until(const struct cache *cache, const struct document *document,
                               int64_t asked_wall);

/* Returns why the entry's document may not be used even if the API confirms it: its signature is
 * older than freshness_bound, or from the future. NULL if neither is the case or documents are not
 * signed. The entry must have a document. */
const char *freshness_signature_fault(const struct cache_entry *entry, struct freshness_now now);

/* Like freshness_signature_fault, but a wall clock that was put back to before the last good answer
 * is a fault, too. */
const char *freshness_fault(const struct cache_entry *entry, struct freshness_now now);

/* Returns why the entry's document may not decide logins now, or NULL: it has a freshness_fault, or
 * the API fails and freshness_bound is over. The entry must have a document. The result may point
 * to entry->detail. */
const char *freshness_why_not(const struct cache_entry *entry, struct freshness_now now);

/* request.c: one request of an entry to the API, from when it is sent until its waiters are
 * answered. The answer is first written to the store and only then given to the waiters, so that a
 * crash cannot bring back a person who was removed. */

/* Sends a request for an IDLE entry. If the entry's file has not been read yet, reads it instead;
 * the waiters then ask again. The request or the load counts against the budget until it ends. */
void request_start(struct cache_entry *entry, enum entry_budget budget);

/* Called when the load of an entry's file has ended: its waiters ask again, and a background
 * request is sent if it is still needed. Sends nothing after cache_stop. */
void request_resume(struct cache_entry *entry);

/* cache.c: answers a question, or makes the waiter wait for a request. `paid`: the budget from
 * which a permit was already taken, or ENTRY_FREE. `within`: cache_ask is the caller, so that an
 * immediate answer is given before cache_ask returns (cache_answer.at_once). */
void internal_ask(struct cache_entry *entry, struct cache_waiter *waiter, enum entry_budget paid,
                  bool within);

/* load.c. load_is_due: whether the entry's file has to be read before a request is sent.
 * load_is_free: whether that load is due and counts against no budget: the environment is bound, so
 * it probably has a file. load_start: reads the file, then calls request_resume. load_probe: goes
 * on with a survey that could not list the documents, after a pause; to be called every second. */
bool load_is_due(const struct cache_entry *entry);
bool load_is_free(const struct cache_entry *entry);
void load_start(struct cache_entry *entry);
void load_probe(struct cache *cache);

/* Returns the budget of the request that the waiter needs. */
enum entry_budget request_budget(const struct cache_entry *entry,
                                 const struct cache_waiter *waiter);

/* request_askers: the limits of a budget for unknown environments; NULL for other budgets.
 * request_share: the entry's project's share of them. */
struct askers *request_askers(struct cache *cache, enum entry_budget budget);
struct share *request_share(struct askers *askers, const struct cache_entry *entry);

/* Whether the change feed has named the environment since its last good answer was requested. */
bool request_is_named(const struct cache_entry *entry);

/* Whether the change feed has named the environment since the last request was sent. */
bool request_is_outdated(const struct cache_entry *entry);

/* Returns the cloud_clock_ms() before which the API is not asked again after a failure; 0 if the
 * change feed has named the environment since the failed request was sent. */
int64_t request_retry(const struct cache_entry *entry);

/* Whether the last good answer is fresh enough for `need`: the change feed has not named the
 * environment since it was requested, and that was within account_fresh or keys_fresh, or within a
 * longer time while the feed is live. */
bool request_is_fresh(const struct cache_entry *entry, enum cache_need need,
                      struct freshness_now now);

/* Whether the entry's request was sent connect_timeout or longer ago and is not answered yet. From
 * then on hurried waiters get the last good document. */
bool request_is_overdue(const struct cache_entry *entry, struct freshness_now now);

/* Whether the waiter may get the last good document while the request is overdue: `hurried` is set,
 * the question is not CACHE_NOW, and the change feed has named neither the environment nor its
 * project since the last good document was requested. */
bool request_is_hurried(const struct cache_entry *entry, const struct cache_waiter *waiter);

/* Returns the answer that the entry gives without a new request. */
struct cache_answer request_known(const struct cache_entry *entry, enum cache_need need,
                                  struct freshness_now now);

/* Answers a waiter that is on no list. */
void request_answer(struct cache *cache, struct cache_waiter *waiter,
                    const struct cache_answer *answer);

#endif
