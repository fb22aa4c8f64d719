/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_ENTRIES_H
#define CLOUDAUTHD_CACHE_ENTRIES_H

#include "access/document.h"
#include "base/digest.h"
#include "base/loop.h"
#include "base/table.h"
#include "base/validator.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * The cache's entries: one for each environment that was used recently, found by project and
 * environment, and evicted by LRU. The tables below say how an entry changes. What an evicted entry
 * knew is on the disk (store.h), and is read back before the environment is used again.
 *
 * Therefore an entry that knows more than the disk is not evicted: one whose last write or removal
 * failed, or whose absence is withheld (enum entry_absence), unless more than ENTRIES_WITHHELD_MAX
 * are withheld. If a list grows beyond ENTRIES_OVERFLOW times its limit because writes fail, such
 * entries are evicted all the same. From then on until a restart the disk is not read, because its
 * documents may be older than those that have already been used.
 */

#ifndef ENTRIES_BYTES_MAX
/* The most bytes that the entries with a document take, documents included. */
#define ENTRIES_BYTES_MAX ((size_t)32 << 20)
#endif
#define ENTRIES_UNKNOWN_MAX  10000 /* the most entries without a document */
#define ENTRIES_WITHHELD_MAX 1000
#define ENTRIES_OVERFLOW     4

/*
 * What is known about an environment.
 *
 *   state     document   last request          answer without a new request
 *   UNKNOWN   no         none                  none
 *   CURRENT   yes        answered              the document, while it is fresh enough
 *   STALE     yes        failed                the document; for logins, within the outage bound
 *   ABSENT    no         answered: absent      absent, within absent_fresh
 *   FAILING   no         failed                unavailable, until the API may be asked again
 *
 * The outage bound is freshness_bound (internal.h). A document or an absence that is read from the
 * store counts as an answer.
 *
 * An event changes the state (entries_apply):
 *
 *   event      UNKNOWN  CURRENT  STALE    ABSENT   FAILING
 *   DOCUMENT   CURRENT  CURRENT  CURRENT  CURRENT  CURRENT   a document was accepted
 *   CONFIRM    -        CURRENT  CURRENT  -        -         the API confirmed the document
 *   ABSENCE    ABSENT   ABSENT   ABSENT   ABSENT   ABSENT    there is no such environment
 *   FAILURE    FAILING  STALE    STALE    FAILING  FAILING   no answer, or one that is rejected
 *   FORGET     UNKNOWN  UNKNOWN  UNKNOWN  UNKNOWN  UNKNOWN   the API or its signing keys changed,
 *                                                            or a stored document is unusable
 *
 * "-" must not happen. If it does, it is logged and handled as FAILURE: the environment is
 * unavailable, or its last good document stays in use within the outage bound.
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
 * have a request in flight: a CURRENT document is in use while it is revalidated, a STALE one while
 * the API is probed.
 *
 *   phase      what is under way
 *   IDLE       nothing
 *   LOADING    the entry's file is being read from the store, before any request is sent
 *   SENT       a request is in flight, or its answer is being read
 *   ORPHANED   a request or load whose result is ignored: the API or its signing keys changed
 *   WRITING    the answer is being written to the store; the waiters are answered afterwards
 *
 * A step changes the phase (entries_step):
 *
 *   step      IDLE     LOADING   SENT      ORPHANED  WRITING
 *   LOAD      LOADING  -         -         -         -
 *   SEND      SENT     -         -         -         -
 *   ANSWER    -        IDLE      IDLE      IDLE      -         the store or the API answered
 *   WRITE     WRITING  -         -         -         -
 *   WRITTEN   -        -         -         -         IDLE
 *   ORPHAN    IDLE     ORPHANED  ORPHANED  ORPHANED  WRITING   the API or its keys changed
 *
 * "-" must not happen. If it does, it is logged, the phase stays as it is, and entries_step returns
 * false, so that the caller does not take the step.
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

/* The limit against which an entry's request or load counts, until `release` (request.c). */
enum entry_budget {
    ENTRY_FREE = 0,   /* no limit: a known document, or the load of a bound environment's file */
    ENTRY_LOOKUP,     /* root looks up an unknown environment: one of which no document is known */
    ENTRY_LOGIN,      /* a login or an operator asks for an unknown environment (as root or
                         cloudauth-keys) */
    ENTRY_OTHERS,     /* another user asks for an unknown environment */
    ENTRY_BACKGROUND, /* no login or lookup waits for the request (background.h) */
};

/* What the store holds for an entry. */
enum entry_stored {
    ENTRY_MAY_BE_STORED = 0, /* there may be a file, from the last write or from before the start */
    ENTRY_NOT_STORED,        /* there is no file */
    ENTRY_STORE_FAILED,      /* the last write or removal failed and has to be repeated */
};

/* Whether an answer that a known environment is absent is believed (the guard in limits.h). The
 * next answer that is not a failure resets this to ENTRY_BELIEVED, and so does a document that this
 * host refuses. */
enum entry_absence {
    ENTRY_BELIEVED = 0, /* there was no such answer, or the last one is believed */
    ENTRY_WITHHELD,     /* the answer is not believed: the last good document stays in use */
    ENTRY_CONFIRMED, /* an operator has confirmed the absence: the next such answer is believed */
};

/* Entries in the order of their use, the least recently used first. */
struct lru {
    TAILQ_HEAD(lru_list, cache_entry) list;
    size_t used; /* the number of entries on the list */
};

/* The waiters of an entry, the newest first. */
LIST_HEAD(waiter_list, cache_waiter);

struct cache_entry {
    struct table_node node;
    TAILQ_ENTRY(cache_entry) link; /* link of the list `lru` */
    struct lru *lru;               /* the list that the entry is on, or NULL */
    struct entries *entries;
    struct cache *cache;
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];

    enum entry_state state;
    enum entry_phase phase;
    enum entry_budget budget;
    enum entry_stored stored;
    enum entry_absence absence;
    int64_t counted; /* when the guard last counted the entry (limits_believe_absence) */
    bool loaded; /* the entry's file was looked for in the store, or may be older than the entry */
    unsigned load_failures; /* the number of loads of the file that have failed in a row */
    int64_t load_retry;     /* cloud_clock_ms() before which the file is not read again */
    bool cold;              /* no login or lookup has used the entry yet, so it is evicted first */
    struct waiter_list waiters;
    struct loop_timer overdue; /* set while a request for a known document is in flight */

    struct document *document;       /* the last good document; NULL unless CURRENT or STALE */
    unsigned char hash[DIGEST_SIZE]; /* hash of the document's body */
    struct validator validator;
    int64_t asked; /* cloud_clock_ms() when the last good answer was requested (negative if before
                      the boot); 0: there was none */
    int64_t asked_wall; /* time(2) when the last good answer was requested */
    int64_t refresh;    /* cloud_clock_ms() from which a lookup also starts a revalidation of the
                           document that answers it */
    int64_t issued;     /* issued_at of the last signed document or tombstone that was accepted, in
                           microseconds since 1970; a withheld tombstone is not; 0: none */
    int64_t signed_at;  /* the document's issued_at, converted to cloud_clock_ms() */
    int64_t sent;       /* cloud_clock_ms() when the last request was sent */
    int64_t sent_wall;  /* time(2) when the last request was sent */

    unsigned failures; /* the number of requests that have failed in a row */
    int64_t retry;     /* cloud_clock_ms() before which the API is not asked again */
    char detail[256];  /* the reason of the last failure */
    bool refused;      /* the last request brought a document that is not accepted */

    int64_t told; /* the last `asked_wall` that the subscriber was told; 0: none */
    bool taken;   /* the subscriber's last answer: this host takes the document */
    int64_t kept; /* `asked` as last written to the store */
};

struct entries {
    struct table table;
    struct lru known, unknown; /* the entries with a document, and those without */
    size_t bytes;              /* bytes of all documents */
    size_t withheld;           /* the number of entries that are ENTRY_WITHHELD */
    bool overflowed;           /* too many writes to the disk have failed: it is no longer read */
};

void entries_start(struct entries *entries);
void entries_end(struct entries *entries);

/* Returns the environment's entry, or NULL. */
struct cache_entry *entries_find(const struct entries *entries, const char *project,
                                 const char *environment);

/* Returns the environment's entry, which is created if there is none. A new entry is on no LRU list
 * until entries_touch. */
struct cache_entry *entries_find_or_add(struct entries *entries, const char *project,
                                        const char *environment);

/* Frees the entry if it is new: entries_touch has not been called for it since entries_find_or_add
 * created it. */
void entries_drop_if_new(struct cache_entry *entry);

/* Marks an entry as the most recently used of its list or, if it is cold, as the least recently
 * used. */
void entries_touch(struct cache_entry *entry);

/* Evicts the least recently used entries of each list that is over its limit, except entries that
 * have waiters, are not IDLE or know more than the disk, and the most recently used entry of each
 * list. A call looks at a bounded number of entries, so a list can stay over its limit. */
void entries_evict(struct entries *entries);

/* Applies an event to the state. `document` is the new document for ENTRY_DOCUMENT, of which the
 * entry takes ownership; NULL for the other events. Frees the former document if the event replaces
 * or removes it. */
void entries_apply(struct cache_entry *entry, enum entry_event event, struct document *document);

/* Applies a step to the phase. False, with a line in the log, if the step is impossible in this
 * phase. */
bool entries_step(struct cache_entry *entry, enum entry_step step);

/* Sets `absence` of the entry, and keeps entries->withheld up to date. */
void entries_set_absence(struct cache_entry *entry, enum entry_absence absence);

/* Whether the last request failed. */
bool entries_is_failing(const struct cache_entry *entry);

/* Forgets everything that the API has said; the entry stays. */
void entries_forget(struct cache_entry *entry);

/* Returns a keyed hash of the name of the entry's project. */
uint64_t entries_hash_project(const struct cache_entry *entry);

#endif
