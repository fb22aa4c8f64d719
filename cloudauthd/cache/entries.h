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
 * The cache's entries, one for each environment that was used lately: found by project and
 * environment, evicted by LRU, and each with a state that changes by the tables below. What an
 * evicted entry knew is on the disk (store.h), and is read again before anything else is done with
 * its environment.
 *
 * So an entry that knows more than the disk stays: one that the disk has refused, and one whose
 * absence is withheld, up to ENTRIES_WITHHELD_MAX of the latter. If entries take ENTRIES_OVERFLOW
 * times the memory that they may, because the disk has refused them, they are evicted all the same;
 * then the disk is not read again until a restart, because it has older documents than were
 * answered.
 */

#ifndef ENTRIES_BYTES_MAX
/* Bytes of the entries with a document, and of their documents. */
#define ENTRIES_BYTES_MAX ((size_t)32 << 20)
#endif
#define ENTRIES_UNKNOWN_MAX  10000 /* the most entries without a document */
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
 * An event changes the state (entries_apply):
 *
 *   event      UNKNOWN  CURRENT  STALE    ABSENT   FAILING
 *   DOCUMENT   CURRENT  CURRENT  CURRENT  CURRENT  CURRENT   a document was accepted
 *   CONFIRM    -        CURRENT  CURRENT  -        -         the document is unchanged
 *   ABSENCE    ABSENT   ABSENT   ABSENT   ABSENT   ABSENT    there is no such environment
 *   FAILURE    FAILING  STALE    STALE    FAILING  FAILING   no answer, or one that is not used
 *   FORGET     UNKNOWN  UNKNOWN  UNKNOWN  UNKNOWN  UNKNOWN   the API is another one, or a stored
 *                                                            document may not be used
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
 * What is under way for an entry. The phase is not part of the state above, because each state can
 * have a request in flight: a CURRENT document serves while it is revalidated, a STALE one while
 * the API is probed.
 *
 *   phase      what is under way
 *   IDLE       nothing
 *   LOADING    the entry's file is being read from the store, before any request is sent
 *   SENT       a request is in flight, or its answer is being read
 *   ORPHANED   a request or the reading of a file, to be ignored: the API is another one since
 *   WRITING    the answer is being written to the store: waiters are answered after that
 *
 * A step changes the phase (entries_step):
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

/* The limit that an entry's request counts against, from its start until `release` (request.c). */
enum entry_budget {
    ENTRY_FREE = 0,   /* no limit: the request revalidates a known document that is in use */
    ENTRY_LOOKUP,     /* for an unknown environment that root looks up */
    ENTRY_LOGIN,      /* for an unknown environment of a login (root's PAM, cloudauth-keys) */
    ENTRY_OTHERS,     /* for an unknown environment that another user asks for */
    ENTRY_BACKGROUND, /* no login or lookup waits for the request (background.h) */
};

/* What the store has of an entry's document. */
enum entry_stored {
    ENTRY_MAY_BE_STORED = 0, /* the file has what was last written, or is from before the start */
    ENTRY_NOT_STORED,        /* there is no file */
    ENTRY_STORE_FAILED,      /* the last write or removal failed, and is to be tried again */
};

/* What is done with an answer that a known environment is absent (limits.h, the guard). The next
 * answer that is not a failure sets ENTRY_BELIEVED. */
enum entry_absence {
    ENTRY_BELIEVED = 0, /* there was no such answer, or the last one is believed */
    ENTRY_WITHHELD,     /* the answer is not believed: the last good document stays */
    ENTRY_CONFIRMED,    /* an operator has confirmed the absence: the next one is believed */
};

/* Entries in the order of their use, the least recently used first. */
struct lru {
    TAILQ_HEAD(lru_list, cache_entry) list;
    size_t used;
};

/* The waiters of an entry, the newest first. */
LIST_HEAD(waiter_list, cache_waiter);

struct cache_entry {
    struct table_node node;
    TAILQ_ENTRY(cache_entry) link;  /* link of the list `lru` */
    LIST_ENTRY(cache_entry) beside; /* links entries of one project that have a document */
    struct project *of;             /* the entry's project, if the entry has a document */
    struct lru *lru;                /* the list that the entry is on, or NULL */
    struct entries *entries;
    struct cache *cache;
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];

    enum entry_state state;
    enum entry_phase phase;
    enum entry_budget budget;
    enum entry_stored stored;
    enum entry_absence absence;
    bool loaded; /* the entry's file has been looked for in the store */
    bool cold;   /* only background requests have used the entry, so it is evicted first */
    struct waiter_list waiters;
    bool is_due;                  /* the entry is on the list cache->due */
    TAILQ_ENTRY(cache_entry) due; /* link of cache->due, in the order of `sent` */

    struct document *document; /* the last good document, in states CURRENT and STALE; else NULL */
    unsigned char hash[DIGEST_SIZE]; /* hash of the document's body */
    struct validator validator;
    int64_t asked;      /* cloud_clock_ms() when the last good answer was requested; 0: none */
    int64_t asked_wall; /* time(2) when the last good answer was requested */
    int64_t refresh;    /* cloud_clock_ms() from which a lookup also revalidates the document */
    int64_t issued;     /* issued_at of the last signed document or tombstone; 0: none */
    int64_t signed_at;  /* the document's issued_at, converted to cloud_clock_ms() */
    int64_t sent;       /* cloud_clock_ms() when the last request was sent */
    int64_t sent_wall;  /* time(2) when the last request was sent */

    unsigned failures; /* the number of requests that have failed in a row */
    int64_t retry;     /* cloud_clock_ms() before which the API is not asked again */
    char detail[256];  /* the reason of the last failure */

    int64_t told; /* `asked_wall` when the subscriber was last told; 0: never (cache_subscribe) */
    bool taken; /* the subscriber said, when it was last told, that this host takes the document */
    int64_t kept; /* `asked` as last written to the store */
};

struct entries {
    struct table table, projects;
    struct lru known, unknown; /* the entries with a document, and those without */
    size_t bytes;              /* bytes of all documents */
    size_t withheld;           /* the number of entries that are ENTRY_WITHHELD */
    bool overflowed;           /* the disk has refused too many documents, and is no longer read */
};

void entries_start(struct entries *entries);
void entries_end(struct entries *entries);

/* Returns the environment's entry, or NULL. */
struct cache_entry *entries_find(const struct entries *entries, const char *project,
                                 const char *environment);

/* Returns the environment's entry, made if there is none. A new entry is on no LRU list until
 * entries_touch. */
struct cache_entry *entries_find_or_add(struct entries *entries, const char *project,
                                        const char *environment);

/* Frees an entry that entries_find_or_add has made and that entries_touch has not seen. */
void entries_drop_if_new(struct cache_entry *entry);

/* Marks an entry as the most recently used of its list or, if it is cold, as the least recently
 * used. */
void entries_touch(struct cache_entry *entry);

/* Evicts entries of lists that are past their limit, the least recently used first. Left out are
 * those with waiters, those that are not IDLE, those that know more than the disk, and the most
 * recently used entry of each list. */
void entries_evict(struct entries *entries);

/* Applies an event to the state. document is the new document for ENTRY_DOCUMENT, which the entry
 * owns from then on, else NULL. The former document is freed unless it stays. */
void entries_apply(struct cache_entry *entry, enum entry_event event, struct document *document);

/* Applies a step to the phase. False, and logged, if the step is impossible in this phase. */
bool entries_step(struct cache_entry *entry, enum entry_step step);

/* Sets `absence` of the entry, and keeps entries->withheld up to date. */
void entries_set_absence(struct cache_entry *entry, enum entry_absence absence);

/* Whether the last request failed. */
bool entries_is_failing(const struct cache_entry *entry);

/* Forgets everything that the API has said; the entry stays. */
void entries_forget(struct cache_entry *entry);

/* A keyed hash of the entry's project. */
uint64_t entries_hash_project(const struct cache_entry *entry);

/* Returns the first entry of a project with a document, linked to the others by `beside`; NULL if
 * there is none. */
struct cache_entry *entries_of_project(const struct entries *entries, const char *project);

#endif
