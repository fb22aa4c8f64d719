/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_ENTRIES_H
#define CLOUDAUTHD_CACHE_ENTRIES_H

#include "access/document.h"
#include "base/digest.h"
#include "base/table.h"
#include "base/validator.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * The cache's entries, one for each environment that was asked for lately: found by project and
 * environment, evicted by LRU, and each with a state that changes by the tables below. What an
 * evicted one knew is on the disk (store.h), and is read again before anything else is done with
 * its environment.
 *
 * So an entry that knows more than the disk stays: one that the disk has refused, and one whose
 * absence is withheld, up to ENTRIES_WITHHELD_MAX of them. Where the first kind takes
 * ENTRIES_OVERFLOW times the memory of all, the disk is not read again until a restart: what it
 * has is older than what was answered.
 */

#ifndef ENTRIES_BYTES_MAX
#define ENTRIES_BYTES_MAX ((size_t)32 << 20) /* of entries with a document, and of that */
#endif
#define ENTRIES_UNKNOWN_MAX  10000 /* entries without a document */
#define ENTRIES_WITHHELD_MAX 1000
#define ENTRIES_OVERFLOW     4

/*
 * What is known of an environment.
 *
 *   state     document   last request          the answer without a new request
 *   UNKNOWN   none       there was none        none
 *   CURRENT   there is   answered              the document, while it is fresh enough
 *   STALE     there is   failed                the document, within the bound of an outage
 *   ABSENT    none       answered: 404, 410    absent, within absent_fresh
 *   FAILING   none       failed                unavailable, until the API may be asked again
 *
 * An event changes it (entries_apply):
 *
 *   event      UNKNOWN  CURRENT  STALE    ABSENT   FAILING
 *   DOCUMENT   CURRENT  CURRENT  CURRENT  CURRENT  CURRENT   a document was accepted
 *   CONFIRM    -        CURRENT  CURRENT  -        -         the document is unchanged
 *   ABSENCE    ABSENT   ABSENT   ABSENT   ABSENT   ABSENT    there is no such environment
 *   FAILURE    FAILING  STALE    STALE    FAILING  FAILING   no answer, or one that is not used
 *   FORGET     UNKNOWN  UNKNOWN  UNKNOWN  UNKNOWN  UNKNOWN   evicted, or the API is another one
 *
 * "-" cannot happen. If it does, it is logged and handled as FAILURE: the environment is
 * unavailable, or its last good document serves within the bound of an outage.
 */
enum entry_state {
    ENTRY_UNKNOWN = 0,
    ENTRY_CURRENT,
    ENTRY_STALE,
    ENTRY_ABSENT,
    ENTRY_FAILING,
    ENTRY_STATES
};

enum entry_event {
    ENTRY_DOCUMENT = 0,
    ENTRY_CONFIRM,
    ENTRY_ABSENCE,
    ENTRY_FAILURE,
    ENTRY_FORGET,
    ENTRY_EVENTS
};

/*
 * What is under way for an entry. This is not part of the state above, because each state can have
 * a request in flight: a CURRENT document serves while it is revalidated, a STALE one while the API
 * is probed.
 *
 *   phase      what is under way
 *   IDLE       nothing
 *   LOADING    its file is being read from the store: first of all in the life of an entry
 *   SENT       a request is in flight, or its answer is being read
 *   ORPHANED   a request to an API that is no longer configured, or a file of it: it is ignored
 *   WRITING    the answer is being written to the store: waiters are answered after that
 *
 * A step changes it (entries_step):
 *
 *   step      IDLE     LOADING   SENT      ORPHANED  WRITING
 *   LOAD      LOADING  -         -         -         -
 *   SEND      SENT     -         -         -         -
 *   ANSWER    -        IDLE      IDLE      IDLE      -         of the store or the API
 *   WRITE     WRITING  -         -         -         -
 *   WRITTEN   -        -         -         -         IDLE
 *   ORPHAN    IDLE     ORPHANED  ORPHANED  ORPHANED  WRITING   the API is another one
 *
 * "-" cannot happen. If it does, it is logged, the phase stays, and the caller does not do what the
 * step stands for.
 */
enum entry_phase {
    ENTRY_IDLE = 0,
    ENTRY_LOADING,
    ENTRY_SENT,
    ENTRY_ORPHANED,
    ENTRY_WRITING,
    ENTRY_PHASES
};

enum entry_step {
    ENTRY_LOAD = 0,
    ENTRY_SEND,
    ENTRY_ANSWER,
    ENTRY_WRITE,
    ENTRY_WRITTEN,
    ENTRY_ORPHAN,
    ENTRY_STEPS
};

/* The limit that an entry's request counts for, from when it is sent until it is released. */
enum entry_budget {
    ENTRY_FREE = 0,   /* none: it revalidates a known document that is being used */
    ENTRY_LOOKUP,     /* for an unknown environment, looked up by root */
    ENTRY_LOGIN,      /* for one, asked for by a login: root's PAM, cloudauth-keys */
    ENTRY_OTHERS,     /* for one, asked for by another user */
    ENTRY_BACKGROUND, /* no login or lookup waits for it (background.h) */
};

/* What the store has of an entry. */
enum entry_stored {
    ENTRY_MAY_BE_STORED = 0, /* what it was given last, or a file from before the start */
    ENTRY_NOT_STORED,        /* it has removed the file */
    ENTRY_STORE_FAILED,      /* it could not write or remove the document: that is tried again */
};

/* What is done with an answer that a known environment is absent (limits.h, the guard). The next
 * good answer puts it back to ENTRY_BELIEVED. */
enum entry_absence {
    ENTRY_BELIEVED = 0, /* there was none, or it is believed */
    ENTRY_WITHHELD,     /* the last good document stays */
    ENTRY_CONFIRMED,    /* an operator has confirmed it: the next such answer is believed */
};

/* Entries in the order of their use, the least recently used first. */
struct lru {
    TAILQ_HEAD(lru_list, cache_entry) list;
    size_t used;
};

/* Newest first. */
LIST_HEAD(waiter_list, cache_waiter);

struct cache_entry {
    struct table_node node;
    TAILQ_ENTRY(cache_entry) link;
    LIST_ENTRY(cache_entry) beside; /* of the same project */
    struct project *of;             /* NULL: not among its entries */
    struct lru *lru;                /* the list that it is on, or NULL */
    struct entries *entries;
    struct cache *cache;
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];

    enum entry_state state;
    enum entry_phase phase;
    enum entry_budget budget;
    enum entry_stored stored;
    enum entry_absence absence;
    bool loaded; /* its file has been looked for in the store */
    bool cold;   /* only background work has asked for it: it is evicted first */
    struct waiter_list waiters;
    bool is_due; /* it is on the cache's list of requests that may become overdue, */
    TAILQ_ENTRY(cache_entry) due; /* in the order of `sent` */

    struct document *document; /* CURRENT, STALE: the last good one; else NULL */
    unsigned char hash[DIGEST_SIZE];
    struct validator validator;
    int64_t asked; /* cloud_clock_ms() when the last good answer was asked for; 0: there is none */
    int64_t asked_wall; /* the same on the wall clock, seconds since 1970 */
    int64_t refresh;    /* cloud_clock_ms() from which a lookup has it revalidated behind it */
    int64_t issued;     /* issued_at of the last signed document or tombstone; 0: none */
    int64_t signed_at;  /* the document's issued_at as cloud_clock_ms(), when it was taken */
    int64_t sent;       /* cloud_clock_ms() when the last request was sent */
    int64_t sent_wall;  /* the same on the wall clock */

    unsigned failures; /* requests that have failed in a row */
    int64_t retry;     /* cloud_clock_ms() before which the API is not asked again */
    char detail[256];  /* of the last failure */

    int64_t told; /* `asked_wall` when the subscriber was told last; 0: never (cache_subscribe) */
    bool taken;   /* whether it said then that this host takes the document */
    int64_t kept; /* `asked` as the store has it */
};

struct entries {
    struct table table, projects;
    struct lru known, unknown; /* with a document; without */
    size_t bytes;              /* of all documents */
    size_t withheld;           /* entries that are ENTRY_WITHHELD */
    bool overflowed;           /* too many are ENTRY_STORE_FAILED */
};

/* False if out of memory. */
bool entries_start(struct entries *entries);
void entries_end(struct entries *entries);

/* The environment's entry, or NULL. */
struct cache_entry *entries_find(const struct entries *entries, const char *project,
                                 const char *environment);

/* The environment's entry, made if there is none; NULL if out of memory. A new one is on no LRU
 * list until entries_touch. */
struct cache_entry *entries_find_or_add(struct entries *entries, const char *project,
                                        const char *environment);

/* Frees an entry that find_or_add has made and that was not used; entry may be NULL. */
void entries_drop_if_new(struct cache_entry *entry);

/* Marks the entry as the most recently used of its list; a cold one as the least recently used. */
void entries_touch(struct cache_entry *entry);

/* Evicts entries that are past the limits, the least recently used first, but for those that have
 * waiters or something under way or know more than the disk, and the most recently used one of each
 * list. */
void entries_evict(struct entries *entries);

/* Applies an event to the state. document: ENTRY_DOCUMENT: the new one, which the entry owns from
 * then on; else NULL. The document that was known before is freed unless it stays. */
void entries_apply(struct cache_entry *entry, enum entry_event event, struct document *document);

/* Applies a step to the phase. False, logged, if it is impossible in this phase. */
bool entries_step(struct cache_entry *entry, enum entry_step step);

/* Sets `absence` of the entry, and counts it. */
void entries_set_absence(struct cache_entry *entry, enum entry_absence absence);

/* Whether the last request failed. */
bool entries_is_failing(const struct cache_entry *entry);

/* Forgets everything that the API has said; the entry stays. */
void entries_forget(struct cache_entry *entry);

/* A keyed hash of the entry's project. */
uint64_t entries_hash_project(const struct cache_entry *entry);

/* The entries of a project with a document, by their `beside`; NULL if there are none. */
struct cache_entry *entries_of_project(const struct entries *entries, const char *project);

#endif
