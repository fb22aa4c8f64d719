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
 * background.c (requests that no one waits for). */

/*
 * When the change feed last named an environment, its project, or all environments, as
 * cloud_clock_ms(). Environments share a fixed number of marks by their keyed hash, so that names
 * take no memory: an environment can seem to be named when another one is. That costs one more
 * request for its document; until the API has answered, no hurried waiter gets the last good
 * document (request_is_hurried).
 */
#define MARKS 65536

struct marks {
    int64_t all;         /* when all environments were last named; INT64_MIN: never */
    int64_t mark[MARKS]; /* when a name with this hash was last named; 0: never */
};

/* A project's share of a budget. Projects with the same hash have one share, so the table is large;
 * the kernel allocates only the pages of shares that were used. */
struct share {
    struct bucket bucket;
    unsigned in_flight;
};

/* A budget of requests for unknown environments. */
struct askers {
    struct share project[65536];
    struct bucket strangers; /* shared by all projects of which no environment is bound */
    unsigned in_flight;
};

/* The progress of cache_survey. */
struct survey {
    void (*done)(void *arg);
    void *arg;
    char *names, *at; /* the result of store_list, or NULL; the next name in it */
    size_t left;      /* number of names from `at` on */
    unsigned loads;   /* loads of the survey in flight */
    bool is_listing;
    bool is_first; /* the names are those of cache_list_stored, for the first survey */
    bool missed;   /* the disk or memory has failed for a document since the start */
    bool again;    /* the survey is to begin anew when the loads in flight are done */
};

struct cache {
    struct cache_setup setup;
    bool stopping;
    unsigned loads; /* loads in flight, the survey's included */
    struct survey survey;
    size_t unread;          /* bytes of answers that wait for a worker */
    struct signers signers; /* the keys that sign documents; empty: documents are not signed */
    cache_told *told;       /* the function of the subscriber, or NULL */
    void *told_arg;
    struct entries entries;
    struct guard guard;
    struct marks marks; /* when the change feed last named environments and projects */
    struct cache_figures figures;
    struct askers lookups, logins, others; /* the budgets ENTRY_LOOKUP, ENTRY_LOGIN, ENTRY_OTHERS */
    bool some_fail;      /* an entry may be STALE, so background_probe has to look for it */
    unsigned background; /* the number of background requests in flight */
    TAILQ_HEAD(, cache_entry) due; /* entries with a document and a request, not yet overdue */
    struct loop_timer timer;       /* calls request_overdue for the first entry of `due` */
    struct bucket prefetches;      /* the tokens of background_prefetch */
    int64_t ahead; /* seconds: the most that time(2) was ahead of the time since boot */
    unsigned prefetch_failures; /* prefetches that failed in a row; if any, one is sent at a time */
    int64_t prefetch_pause;     /* cloud_clock_ms() before which no prefetch is sent */
};

/* Returns the environment's entry, made if there is none. */
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
 * Two clocks tell an age, and the larger result counts: the time since boot stands still while a
 * virtual machine is paused, and the wall clock can be put back.
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

/* The bound of an outage, in seconds: the lesser of the host's max_stale and the document's own. */
int64_t freshness_bound(const struct cache *cache, const struct document *document);

/* Whether the last good answer of an entry with a document was requested within freshness_bound. */
bool freshness_is_in_bound(const struct cache_entry *entry, struct freshness_now now);

/* When the bound ends of a document that was requested at asked_wall; both in seconds since
 * 1970. */
int64_t freshness_usable_until(const struct cache *cache, const struct document *document,
                               int64_t asked_wall);

/* Why the entry's document may not be used even if the API confirms it, or NULL: its signature is
 * older than the bound or from the future. The entry must have a document. */
const char *freshness_signature_fault(const struct cache_entry *entry, struct freshness_now now);

/* The same, or that the clock was put back since the last good answer. */
const char *freshness_fault(const struct cache_entry *entry, struct freshness_now now);

/* Why the entry's document may not be used now, or NULL: for a freshness_fault, or because the API
 * fails and the bound of an outage is over. The entry must have a document. The text may be
 * entry->detail. */
const char *freshness_why_not(const struct cache_entry *entry, struct freshness_now now);

/* request.c: one request of an entry to the API, from when it is sent until its waiters are
 * answered. The answer is first written to the store and only then given to the waiters, so that no
 * crash brings back a person who was removed. */

/* Sends a request for an entry that is IDLE. If the entry's file has not been read yet, it is read
 * instead, and then the waiters ask again. The request, or the reading, counts against the budget
 * until it ends. */
void request_start(struct cache_entry *entry, enum entry_budget budget);

/* Ends the reading of an entry's file: its waiters ask again. */
void request_resume(struct cache_entry *entry);

/* cache.c: answers a question, or has the waiter wait for a request. paid: the budget that a permit
 * was taken from already, or ENTRY_FREE. within: cache_ask is the caller. */
void internal_ask(struct cache_entry *entry, struct cache_waiter *waiter, enum entry_budget paid,
                  bool within);

/* load.c. load_is_due: whether the entry's file has to be read before a request. load_is_free:
 * whether that counts against no budget, because the environment is bound and so has a file,
 * probably. load_start: reads the file, then calls request_resume. */
bool load_is_due(const struct cache_entry *entry);
bool load_is_free(const struct cache_entry *entry);
void load_start(struct cache_entry *entry);

/* The budget of the request that the waiter needs. */
enum entry_budget request_budget(const struct cache_entry *entry,
                                 const struct cache_waiter *waiter);

/* request_askers: the limits of a budget for unknown environments; NULL for other budgets.
 * request_share: what the entry's project has of them. */
struct askers *request_askers(struct cache *cache, enum entry_budget budget);
struct share *request_share(struct askers *askers, const struct cache_entry *entry);

/* Whether the change feed has named the environment since its last good answer was requested. */
bool request_is_named(const struct cache_entry *entry);

/* Whether the change feed has named the environment since the last request was sent. */
bool request_is_outdated(const struct cache_entry *entry);

/* cloud_clock_ms() before which the API is not asked again after a failure; 0 if the change feed
 * has named the environment since the failed request was sent. */
int64_t request_retry(const struct cache_entry *entry);

/* Whether the last good answer is fresh enough for a need: it was requested lately, or the change
 * feed is live and has not named the environment since. */
bool request_is_fresh(const struct cache_entry *entry, enum cache_need need,
                      struct freshness_now now);

/* Whether the entry's request has had no answer for connect_timeout. From then on hurried waiters
 * get the last good document. */
bool request_is_overdue(const struct cache_entry *entry, struct freshness_now now);

/* Whether the waiter is hurried, and the change feed has not named the environment since its last
 * good document was requested. */
bool request_is_hurried(const struct cache_entry *entry, const struct cache_waiter *waiter);

/* Answers the hurried waiters of overdue requests. A function `due` of a timer; arg is the
 * cache. */
void request_overdue(void *arg);

/* The answer that the entry gives without a new request. */
struct cache_answer request_known(const struct cache_entry *entry, enum cache_need need,
                                  struct freshness_now now);

/* Answers a waiter that is on no list. */
void request_answer(struct cache *cache, struct cache_waiter *waiter,
                    const struct cache_answer *answer);

#endif
