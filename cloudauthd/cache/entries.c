/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/entries.h"

#include "base/fatal.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVICT_STEPS 1024 /* the most entries that one call of `evict` looks at */

/* ---- States and phases: the tables of entries.h ---- */

#define STATE_IMPOSSIBLE ENTRY_STATES
#define NO_PHASE         ENTRY_PHASES

static const enum entry_state next_state[ENTRY_EVENTS][ENTRY_STATES] = {
    [ENTRY_DOCUMENT] = {ENTRY_CURRENT, ENTRY_CURRENT, ENTRY_CURRENT, ENTRY_CURRENT, ENTRY_CURRENT},
    [ENTRY_CONFIRM] = {STATE_IMPOSSIBLE, ENTRY_CURRENT, ENTRY_CURRENT, STATE_IMPOSSIBLE,
                       STATE_IMPOSSIBLE},
    [ENTRY_ABSENCE] = {ENTRY_ABSENT, ENTRY_ABSENT, ENTRY_ABSENT, ENTRY_ABSENT, ENTRY_ABSENT},
    [ENTRY_FAILURE] = {ENTRY_FAILING, ENTRY_STALE, ENTRY_STALE, ENTRY_FAILING, ENTRY_FAILING},
    [ENTRY_FORGET] = {ENTRY_UNKNOWN, ENTRY_UNKNOWN, ENTRY_UNKNOWN, ENTRY_UNKNOWN, ENTRY_UNKNOWN},
};

static const enum entry_phase next_phase[ENTRY_STEPS][ENTRY_PHASES] = {
    [ENTRY_LOAD] = {ENTRY_LOADING, NO_PHASE, NO_PHASE, NO_PHASE, NO_PHASE},
    [ENTRY_SEND] = {ENTRY_SENT, NO_PHASE, NO_PHASE, NO_PHASE, NO_PHASE},
    [ENTRY_ANSWER] = {NO_PHASE, ENTRY_IDLE, ENTRY_IDLE, ENTRY_IDLE, NO_PHASE},
    [ENTRY_WRITE] = {ENTRY_WRITING, NO_PHASE, NO_PHASE, NO_PHASE, NO_PHASE},
    [ENTRY_WRITTEN] = {NO_PHASE, NO_PHASE, NO_PHASE, NO_PHASE, ENTRY_IDLE},
    [ENTRY_ORPHAN] = {ENTRY_IDLE, ENTRY_ORPHANED, ENTRY_ORPHANED, ENTRY_ORPHANED, ENTRY_WRITING},
};

bool entries_step(struct cache_entry *entry, enum entry_step step)
{
    enum entry_phase next = next_phase[step][entry->phase];

    if (next == NO_PHASE) {
        log_error("internal error: document %s/%s: step %d in phase %d", entry->project,
                  entry->environment, (int)step, (int)entry->phase);
        return false;
    }
    entry->phase = next;
    return true;
}

void entries_set_absence(struct cache_entry *entry, enum entry_absence absence)
{
    entry->entries->withheld -= entry->absence == ENTRY_WITHHELD;
    entry->entries->withheld += absence == ENTRY_WITHHELD;
    entry->absence = absence;
}

bool entries_is_failing(const struct cache_entry *entry)
{
    return entry->state == ENTRY_STALE || entry->state == ENTRY_FAILING;
}

/* ---- LRU lists ---- */

static void unlink_entry(struct cache_entry *entry)
{
    if (entry->lru == NULL)
        return;
    TAILQ_REMOVE(&entry->lru->list, entry, link);
    entry->lru->used--;
    entry->lru = NULL;
}

void entries_touch(struct cache_entry *entry)
{
    struct entries *entries = entry->entries;

    unlink_entry(entry);
    entry->lru = entry->document != NULL ? &entries->known : &entries->unknown;
    if (entry->cold)
        TAILQ_INSERT_HEAD(&entry->lru->list, entry, link);
    else
        TAILQ_INSERT_TAIL(&entry->lru->list, entry, link);
    entry->lru->used++;
}

/* ---- Documents ---- */

/* Replaces the entry's document, or removes it if `document` is NULL, and frees the former one.
 * Moves the entry to the LRU list to which it now belongs (entries_touch). */
static void set_document(struct cache_entry *entry, struct document *document)
{
    struct entries *entries = entry->entries;

    if (entry->document != NULL) {
        entries->bytes -= entry->document->bytes;
        document_free(entry->document);
    }
    entry->document = document;
    if (document != NULL)
        entries->bytes += document->bytes;
    entries_touch(entry);
}

void entries_apply(struct cache_entry *entry, enum entry_event event, struct document *document)
{
    enum entry_state next = next_state[event][entry->state];

    if (next == STATE_IMPOSSIBLE || (event == ENTRY_DOCUMENT && document == NULL)) {
        log_error("internal error: document %s/%s: event %d in state %d", entry->project,
                  entry->environment, (int)event, (int)entry->state);
        snprintf(entry->detail, sizeof entry->detail, "internal error");
        event = ENTRY_FAILURE;
        next = next_state[event][entry->state];
    }
    entry->state = next;
    if (event != ENTRY_FAILURE)
        entries_set_absence(entry, ENTRY_BELIEVED);
    if (event == ENTRY_DOCUMENT)
        set_document(entry, document);
    else if (event == ENTRY_ABSENCE || event == ENTRY_FORGET)
        set_document(entry, NULL);
}

static void drop_entry(struct cache_entry *entry)
{
    entries_set_absence(entry, ENTRY_BELIEVED);
    set_document(entry, NULL);
    unlink_entry(entry);
    table_remove(&entry->entries->table, &entry->node);
    free(entry);
}

void entries_drop_if_new(struct cache_entry *entry)
{
    if (entry->lru == NULL)
        drop_entry(entry);
}

void entries_forget(struct cache_entry *entry)
{
    entry->failures = 0;
    entry->asked = entry->asked_wall = entry->issued = 0;
    /* Otherwise the API would answer 304 for a document that is no longer known. */
    memset(&entry->validator, 0, sizeof entry->validator);
    entries_apply(entry, ENTRY_FORGET, NULL);
}

/* Whether an entry must stay in memory: it is not IDLE, it has a waiter, or it knows more than the
 * disk. */
static bool is_pinned(const struct cache_entry *entry)
{
    const struct entries *entries = entry->entries;

    return entry->phase != ENTRY_IDLE || !LIST_EMPTY(&entry->waiters) ||
           (entry->stored == ENTRY_STORE_FAILED && !entries->overflowed) ||
           (entry->absence != ENTRY_BELIEVED && entries->withheld <= ENTRIES_WITHHELD_MAX);
}

/* Whether a list exceeds `times` times its limit: bytes for the known entries, a number of entries
 * for the unknown ones. */
static bool is_over(const struct entries *entries, const struct lru *lru, size_t times)
{
    if (lru == &entries->unknown)
        return lru->used > times * ENTRIES_UNKNOWN_MAX;
    return entries->bytes + lru->used * sizeof(struct cache_entry) > times * ENTRIES_BYTES_MAX;
}

/* Drops entries from the front of a list while it is over its limit. Moves pinned entries to the
 * end, before the most recently used one, so that the next call does not meet them first. */
static void evict(struct entries *entries, struct lru *lru)
{
    struct cache_entry *entry, *next, *last = TAILQ_LAST(&lru->list, lru_list);
    unsigned n = EVICT_STEPS;

    for (entry = TAILQ_FIRST(&lru->list); entry != last && n > 0 && is_over(entries, lru, 1);
         entry = next, n--) {
        next = TAILQ_NEXT(entry, link);
        if (!is_pinned(entry)) {
            drop_entry(entry);
            continue;
        }
        TAILQ_REMOVE(&lru->list, entry, link);
        TAILQ_INSERT_BEFORE(last, entry, link);
    }
}

void entries_evict(struct entries *entries)
{
    evict(entries, &entries->known);
    evict(entries, &entries->unknown);
    if (entries->overflowed || (!is_over(entries, &entries->known, ENTRIES_OVERFLOW) &&
                                !is_over(entries, &entries->unknown, ENTRIES_OVERFLOW)))
        return;
    entries->overflowed = true;
    log_error("the disk has refused too many documents: until a restart it is not read, and the "
              "API is asked for what is not in memory");
}

/* ---- All entries ---- */

struct wanted {
    const char *project, *environment;
};

static bool is_wanted(const struct table_node *node, const void *key)
{
    const struct cache_entry *entry = TABLE_OWNER(node, struct cache_entry, node);
    const struct wanted *wanted = key;

    return strcmp(entry->project, wanted->project) == 0 &&
           strcmp(entry->environment, wanted->environment) == 0;
}

struct cache_entry *entries_find(const struct entries *entries, const char *project,
                                 const char *environment)
{
    const struct wanted wanted = {project, environment};
    uint64_t hash = table_hash_pair(&entries->table, project, environment);
    struct table_node *node = table_find(&entries->table, hash, is_wanted, &wanted);

    return node == NULL ? NULL : TABLE_OWNER(node, struct cache_entry, node);
}

struct cache_entry *entries_find_or_add(struct entries *entries, const char *project,
                                        const char *environment)
{
    struct cache_entry *entry = entries_find(entries, project, environment);

    if (entry != NULL)
        return entry;
    entry = xcalloc(1, sizeof *entry);
    entry->entries = entries;
    LIST_INIT(&entry->waiters);
    strcpy(entry->project, project);
    strcpy(entry->environment, environment);
    table_insert(&entries->table, &entry->node,
                 table_hash_pair(&entries->table, project, environment));
    return entry;
}

uint64_t entries_hash_project(const struct cache_entry *entry)
{
    return table_hash(&entry->entries->table, entry->project, strlen(entry->project));
}

static void start_lru(struct lru *lru)
{
    lru->used = 0;
    TAILQ_INIT(&lru->list);
}

void entries_start(struct entries *entries)
{
    memset(entries, 0, sizeof *entries);
    start_lru(&entries->known);
    start_lru(&entries->unknown);
    table_start(&entries->table);
}

static void drop_all(struct lru *lru)
{
    struct cache_entry *entry, *next;

    for (entry = TAILQ_FIRST(&lru->list); entry != NULL; entry = next) {
        next = TAILQ_NEXT(entry, link);
        drop_entry(entry);
    }
}

void entries_end(struct entries *entries)
{
    drop_all(&entries->known);
    drop_all(&entries->unknown);
    table_end(&entries->table);
}
