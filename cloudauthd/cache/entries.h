/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_ENTRIES_H
#define CLOUDAUTHD_CACHE_ENTRIES_H

#include "access/document.h"
#include "base/table.h"
#include "base/validator.h"
#include "cloudauthd/api/api.h"

#include "common/name.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Where the cache's entries are: found by project and environment, the longest unused let go, the
 * projects counted that a document is known of. What an entry means is cache.c's alone.
 */

#define ENTRIES_KNOWN_MAX   200000       /* entries with a document */
#define ENTRIES_BYTES_MAX   (512u << 20) /* of all documents */
#define ENTRIES_UNKNOWN_MAX 10000        /* entries without one: absent, failed */
/*
 * Entries without a document that remember the issued_at of a signed one, so that none older is
 * taken. Only a publisher's signature makes one. Past this number the longest unused is forgotten,
 * and of that environment a document can be taken that is older than the last one: as on a host
 * that was just installed, by at most max_stale.
 */
#define ENTRIES_ISSUED_MAX 50000

/* A list of entries, the longest unused first. */
struct lru {
    struct cache_entry *first, *last;
    size_t used;
};

struct cache_entry {
    struct table_node node;
    struct entries *entries;
    struct cache *cache;
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];

    struct document *document;       /* the last good one, or NULL */
    unsigned char hash[DIGEST_SIZE]; /* of its body */
    struct validator validator;
    int64_t asked;      /* cloud_clock_ms() when the request was sent that last confirmed it */
    int64_t asked_wall; /* the same on the wall clock, seconds */
    int64_t refresh; /* cloud_clock_ms() from which a lookup has it asked for in the background */
    bool absent;     /* the API said there is none; `asked` tells when */
    int64_t issued;  /* signed documents: the last accepted issued_at, of a tombstone too; or 0 */

    int64_t signed_at; /* the document's issued_at as cloud_clock_ms(), by the clock when it was
                          taken */

    bool failing; /* the last request did not tell anything */
    unsigned failures;
    int64_t retry;    /* cloud_clock_ms() before which the API is not probed again */
    char detail[256]; /* of the failure */

    int64_t told;           /* `asked_wall` as was told last (cache_tell), or 0 */
    bool committing;        /* it is being written or removed; nobody is answered before */
    bool removed;           /* the store is known to have no file of it */
    bool unkept;            /* the store refused it: it is given it again (cache.c, keep) */
    int64_t kept;           /* `asked` as the store has it */
    bool stranger;          /* its request counts as one for what nobody knows */
    bool trusted;           /* root or cloudauth-keys had it sent: it counts as one of theirs */
    bool recheck;           /* to be asked for again, however fresh it is (cache_recheck) */
    bool background;        /* its request is one of cache_recheck or cache_prefetch */
    bool in_flight, orphan; /* orphan: the API changed under the request; its answer counts not */
    int64_t sent, sent_wall;
    struct cache_waiter *waiters;

    struct lru *list;
    struct cache_entry *before, *after;
};

struct entries {
    struct table table, projects;
    struct lru known, unknown, issued; /* with a document; without; without, but with `issued` */
    size_t bytes;
};

/* False if memory is out. */
bool entries_start(struct entries *entries);
void entries_end(struct entries *entries);

/* The environment's entry, made if there is none; NULL if memory is out. A new one is on no list
 * until it is touched. */
struct cache_entry *entries_find_or_add(struct entries *entries, const char *project,
                                        const char *environment);

/* The entry was used just now. Then the longest unused make room; what is waited for stays. */
void entries_touch(struct cache_entry *entry);
void entries_make_room(struct entries *entries);

/* Whether the documents have taken seven eighths of what they may: those that nobody has asked for
 * yet do not take the rest, and so evict none. */
bool entries_nearly_full(const struct entries *entries);

/* Gives the entry another document, or NULL; the old one is freed. */
void entries_set_document(struct cache_entry *entry, struct document *document);

/* Lets go of all that is known of the environment but `issued`, and of the entry where there is
 * none. Nobody may wait for it, and nothing be under way. */
void entries_let_go(struct cache_entry *entry);

/* Forgets the environment. The same holds. */
void entries_drop(struct cache_entry *entry);

/* All that was learnt from the API is forgotten; the entry stays. */
void entries_forget(struct cache_entry *entry);

/* Whether a document of that project is known. */
bool entries_know_project(const struct entries *entries, const char *project);

#endif
