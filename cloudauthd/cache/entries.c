/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/entries.h"

#include <stdlib.h>
#include <string.h>

static void unlink_entry(struct cache_entry *entry)
{
    struct lru *list = entry->list;

    if (list == NULL)
        return;
    *(entry->before == NULL ? &list->first : &entry->before->after) = entry->after;
    *(entry->after == NULL ? &list->last : &entry->after->before) = entry->before;
    entry->before = entry->after = NULL;
    entry->list = NULL;
    list->used--;
}

/* Puts an entry at the end of the list where it belongs now: it was used just now. */
void entries_touch(struct cache_entry *entry)
{
    struct entries *entries = entry->entries;
    struct lru *list = entry->document != NULL ? &entries->known
                       : entry->issued != 0    ? &entries->issued
                                               : &entries->unknown;

    unlink_entry(entry);
    entry->list = list;
    entry->before = list->last;
    *(list->last == NULL ? &list->first : &list->last->after) = entry;
    list->last = entry;
    list->used++;
}

/* A project with documents here: who asks for another environment of it is no stranger. */
struct project {
    struct table_node node;
    size_t documents;
    char name[CLOUD_PROJECT_MAX + 1];
};

static bool is_project(const struct table_node *node, const void *key)
{
    return strcmp(TABLE_OWNER(node, struct project, node)->name, key) == 0;
}

static struct project *find_project(const struct entries *entries, const char *name)
{
    uint64_t hash = table_hash(&entries->projects, name, strlen(name));
    struct table_node *node = table_find(&entries->projects, hash, is_project, name);

    return node == NULL ? NULL : TABLE_OWNER(node, struct project, node);
}

static void count_project(struct entries *entries, const char *name)
{
    struct project *project = find_project(entries, name);

    if (project == NULL) {
        project = calloc(1, sizeof *project);
        if (project == NULL)
            return; /* then its other names count as strangers' */
        strcpy(project->name, name);
        table_insert(&entries->projects, &project->node,
                     table_hash(&entries->projects, name, strlen(name)));
    }
    project->documents++;
}

static void uncount_project(struct entries *entries, const char *name)
{
    struct project *project = find_project(entries, name);

    if (project == NULL || --project->documents > 0)
        return;
    table_remove(&entries->projects, &project->node);
    free(project);
}

void entries_set_document(struct cache_entry *entry, struct document *document)
{
    struct entries *entries = entry->entries;

    if (document != NULL && entry->document == NULL)
        count_project(entries, entry->project);
    if (document == NULL && entry->document != NULL)
        uncount_project(entries, entry->project);
    if (entry->document != NULL) {
        entries->bytes -= entry->document->bytes;
        document_free(entry->document);
    }
    entry->document = document;
    if (document != NULL)
        entries->bytes += document->bytes;
    entries_touch(entry);
}

void entries_drop(struct cache_entry *entry)
{
    entries_set_document(entry, NULL);
    unlink_entry(entry);
    table_remove(&entry->entries->table, &entry->node);
    free(entry);
}

void entries_forget(struct cache_entry *entry)
{
    entry->absent = entry->failing = false;
    entry->failures = 0;
    entry->asked = entry->asked_wall = entry->issued = 0;
    /* Else the API would say "unchanged" of what is not there any more. */
    memset(&entry->validator, 0, sizeof entry->validator);
    entries_set_document(entry, NULL);
}

void entries_let_go(struct cache_entry *entry)
{
    int64_t issued = entry->issued;

    if (issued == 0) {
        entries_drop(entry);
        return;
    }
    entries_forget(entry);
    entry->issued = issued;
    entries_touch(entry);
}

/* From the longest unused on; what somebody waits for stays, and the youngest. */
static void evict(struct lru *list, size_t most, const size_t *bytes)
{
    struct cache_entry *entry = list->first, *next;

    for (; entry != NULL && (list->used > most || (bytes != NULL && *bytes > ENTRIES_BYTES_MAX));
         entry = next) {
        next = entry->after;
        if (next == NULL || entry->in_flight || entry->committing || entry->waiters != NULL)
            continue;
        if (entry->document != NULL)
            entries_let_go(entry);
        else
            entries_drop(entry);
    }
}

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

struct cache_entry *entries_find_or_add(struct entries *entries, const char *project,
                                        const char *environment)
{
    const struct wanted wanted = {project, environment};
    uint64_t hash = table_hash_pair(&entries->table, project, environment);
    struct table_node *node = table_find(&entries->table, hash, is_wanted, &wanted);
    struct cache_entry *entry;

    if (node != NULL)
        return TABLE_OWNER(node, struct cache_entry, node);
    if (strlen(project) >= sizeof entry->project ||
        strlen(environment) >= sizeof entry->environment)
        return NULL;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->entries = entries;
    strcpy(entry->project, project);
    strcpy(entry->environment, environment);
    table_insert(&entries->table, &entry->node, hash);
    return entry;
}

void entries_make_room(struct entries *entries)
{
    evict(&entries->known, ENTRIES_KNOWN_MAX, &entries->bytes);
    evict(&entries->unknown, ENTRIES_UNKNOWN_MAX, NULL);
    evict(&entries->issued, ENTRIES_ISSUED_MAX, NULL);
}

bool entries_nearly_full(const struct entries *entries)
{
    return entries->known.used >= ENTRIES_KNOWN_MAX / 8 * 7 ||
           entries->bytes >= ENTRIES_BYTES_MAX / 8 * 7;
}

bool entries_know_project(const struct entries *entries, const char *project)
{
    return find_project(entries, project) != NULL;
}

bool entries_start(struct entries *entries)
{
    memset(entries, 0, sizeof *entries);
    return table_start(&entries->table) && table_start(&entries->projects);
}

static void drop_all(struct lru *list)
{
    for (struct cache_entry *entry = list->first, *after; entry != NULL; entry = after) {
        after = entry->after;
        entries_drop(entry);
    }
}

void entries_end(struct entries *entries)
{
    drop_all(&entries->known);
    drop_all(&entries->unknown);
    drop_all(&entries->issued);
    table_end(&entries->table);
    table_end(&entries->projects);
}
