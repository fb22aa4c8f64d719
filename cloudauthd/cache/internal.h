/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_INTERNAL_H
#define CLOUDAUTHD_CACHE_INTERNAL_H

#include "access/envelope.h"
#include "base/worker.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/cache/answers.h"
#include "cloudauthd/cache/entries.h"
#include "cloudauthd/cache/freshness.h"
#include "cloudauthd/cache/limits.h"
#include "cloudauthd/cache/marks.h"
#include "cloudauthd/state/store.h"

/*
 * The cache itself, for its own files alone: cache.c (questions), load.c (documents on the disk),
 * request.c (requests and answers), take.c (what the API says), background.c (requests that no one
 * waits for).
 */

/* A project's part of a budget. Projects with the same hash share one, so the table is large;
 * memory is used only for the parts of projects that were asked for. */
struct share {
    struct bucket bucket;
    unsigned in_flight;
};

/* A budget of requests for unknown environments. */
struct askers {
    struct share project[65536];
    struct bucket strangers; /* of all projects without a known document */
    unsigned in_flight;
};

/* cache_survey, and how far it has got. */
struct survey {
    void (*done)(void *arg);
    void *arg;
    char *names, *at; /* of store_list, or NULL; the next one */
    size_t left;      /* names from there on */
    unsigned loads;   /* in flight */
    bool is_listing;
    bool missed; /* since the start: a document that the disk or memory did not give */
    bool again;  /* from the beginning, when those in flight are done */
};

struct cache {
    struct cache_setup setup;
    bool stopping;
    unsigned loads; /* in flight */
    struct survey survey;
    size_t unread;          /* bytes of documents that the workers have not read yet */
    struct signers signers; /* none: documents are not signed */
    cache_told *told;       /* or NULL */
    void *told_arg;
    struct entries entries;
    struct guard guard;
    struct marks marks; /* what the change feed has named */
    struct cache_figures figures;
    struct askers lookups, logins, others; /* ENTRY_LOOKUP, ENTRY_LOGIN, ENTRY_OTHERS */
    bool some_fail;                        /* the state of an entry may be STALE */
    unsigned background;                   /* background requests in flight */
    TAILQ_HEAD(, cache_entry) due;         /* known documents that are asked for, not yet overdue */
    struct loop_timer timer;               /* for the first of them */
    struct bucket prefetches;
    int64_t ahead;              /* the most that the wall clock was ahead of the time since boot */
    unsigned prefetch_failures; /* in a row: then one prefetch goes at a time, */
    int64_t prefetch_pause;     /* and none before this cloud_clock_ms() */
};

static inline struct freshness_rules internal_rules(const struct cache *cache)
{
    return (struct freshness_rules){cache->setup.conf->max_stale, cache->signers.n > 0};
}

/* The environment's entry, made if there is none; NULL if out of memory. */
static inline struct cache_entry *internal_find(struct cache *cache, const char *project,
                                                const char *environment)
{
    struct cache_entry *entry = entries_find_or_add(&cache->entries, project, environment);

    if (entry != NULL)
        entry->cache = cache;
    return entry;
}

/*
 * request.c: one request of an entry to the API, from when it is sent until its waiters are
 * answered: the answer is taken, then written to the store, and only then given to the waiters, so
 * that no crash brings back a person who was removed.
 */

/* Sends a request for an entry that is IDLE; if its file is due to be read, does that first, and
 * then the waiters ask again. Either counts for the budget until its answer is there. */
void request_start(struct cache_entry *entry, enum entry_budget budget);

/* The entry's file has been read: what waits for it goes on. */
void request_resume(struct cache_entry *entry);

/* cache.c: answers a question, or has the waiter wait for a request. paid: the budget for which a
 * permit has been taken already. within: it is called by cache_ask. */
void internal_ask(struct cache_entry *entry, struct cache_waiter *waiter, enum entry_budget paid,
                  bool within);

/* load.c: whether the entry's file has to be read before a request; whether that counts for no
 * budget, because there may well be one; and that it is read: then request_resume is called. False
 * if out of memory. */
bool load_is_due(const struct cache_entry *entry);
bool load_is_free(const struct cache_entry *entry);
bool load_start(struct cache_entry *entry);

/* The budget of a request that the waiter needs. */
enum entry_budget request_budget(const struct cache_entry *entry,
                                 const struct cache_waiter *waiter);

/* The limits of a budget for unknown environments, or NULL, and what the entry's project has of
 * them. */
struct askers *request_askers(struct cache *cache, enum entry_budget budget);
struct share *request_share(struct askers *askers, const struct cache_entry *entry);

/* Whether the change feed has named the environment since its last good answer was asked for. */
bool request_is_named(const struct cache_entry *entry);

/* Whether the change feed has named it since the last request was sent. */
bool request_is_outdated(const struct cache_entry *entry);

/* cloud_clock_ms() before which the API is not asked again after a failure. A name that has come
 * since the failed request was sent ends that time. */
int64_t request_retry(const struct cache_entry *entry);

/* Whether the last good answer is fresh enough for a need: it was asked for lately, or the change
 * feed is live and has not named the environment since. */
bool request_is_fresh(const struct cache_entry *entry, enum cache_need need,
                      struct freshness_now now);

/* Whether the API has not answered within connect_timeout: from then on hurried waiters have the
 * last good document. */
bool request_is_overdue(const struct cache_entry *entry, struct freshness_now now);

/* Whether the waiter would have it then: not where the feed says that it has changed. */
bool request_is_hurried(const struct cache_entry *entry, const struct cache_waiter *waiter);

/* Answers the hurried waiters of overdue requests; arg is the cache. */
void request_overdue(void *arg);

/* The answer that the entry gives without a new request. */
struct cache_answer request_known(const struct cache_entry *entry, enum cache_need need,
                                  struct freshness_now now);

/* Answers a waiter that is in no list. */
void request_answer(struct cache *cache, struct cache_waiter *waiter,
                    const struct cache_answer *answer);

#endif
