/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/mirror.h"

#include "cloudauthd/accounts/snapshot_write.h"

#include <stdlib.h>
#include <string.h>

struct mirrored {
    struct table_node node;
    struct cloud_snapshot_record *record;
};

bool mirror_start(struct mirror *mirror)
{
    return table_start(&mirror->table);
}

static bool has_names_of(const struct table_node *node, const void *key)
{
    const struct cloud_snapshot_record *one = TABLE_OWNER(node, struct mirrored, node)->record;
    const struct cloud_snapshot_record *other = key;

    return strcmp(one->strings, other->strings) == 0 &&
           strcmp(snapshot_environment(one), snapshot_environment(other)) == 0;
}

static uint64_t hash_names(const struct mirror *mirror, const struct cloud_snapshot_record *record)
{
    return table_hash_pair(&mirror->table, record->strings, snapshot_environment(record));
}

static struct mirrored *find(const struct mirror *mirror,
                             const struct cloud_snapshot_record *record)
{
    struct table_node *node =
        table_find(&mirror->table, hash_names(mirror, record), has_names_of, record);

    return node == NULL ? NULL : TABLE_OWNER(node, struct mirrored, node);
}

static void drop(struct mirror *mirror, struct mirrored *mirrored)
{
    table_remove(&mirror->table, &mirrored->node);
    free(mirrored->record);
    free(mirrored);
}

/* Puts a record into the mirror, which owns it from then on. */
static void put(struct mirror *mirror, struct cloud_snapshot_record *record)
{
    struct mirrored *mirrored = find(mirror, record);

    if (mirrored != NULL) {
        free(mirrored->record);
        mirrored->record = record;
        return;
    }
    mirrored = calloc(1, sizeof *mirrored);
    if (mirrored == NULL) {
        free(record);
        return;
    }
    mirrored->record = record;
    table_insert(&mirror->table, &mirrored->node, hash_names(mirror, record));
}

static void visit_drop(void *arg, struct table_node *node)
{
    drop(arg, TABLE_OWNER(node, struct mirrored, node));
}

/* Makes a record older by the seconds by which the clock was put back: its times were set before
 * that. */
static void visit_age(void *arg, struct table_node *node)
{
    const struct mirror_change *change = arg;
    struct cloud_snapshot_record *record = TABLE_OWNER(node, struct mirrored, node)->record;

    record->fresh -= change->seconds;
    record->expires -= change->seconds;
}

static void apply(struct mirror *mirror, struct mirror_change *change)
{
    struct mirrored *mirrored;

    switch (change->what) {
    case MIRROR_PUT:
        put(mirror, change->record);
        break;
    case MIRROR_REMOVE:
        mirrored = find(mirror, change->record);
        if (mirrored != NULL)
            drop(mirror, mirrored);
        free(change->record);
        break;
    case MIRROR_CLEAR:
        table_each(&mirror->table, visit_drop, mirror);
        break;
    case MIRROR_AGE:
        table_each(&mirror->table, visit_age, change);
        break;
    }
}

void mirror_apply(struct mirror *mirror, struct mirror_changes *changes)
{
    struct mirror_change *change;

    while ((change = STAILQ_FIRST(changes)) != NULL) {
        STAILQ_REMOVE_HEAD(changes, next);
        apply(mirror, change);
        free(change);
    }
}

void mirror_discard(struct mirror_changes *changes)
{
    struct mirror_change *change;

    while ((change = STAILQ_FIRST(changes)) != NULL) {
        STAILQ_REMOVE_HEAD(changes, next);
        free(change->record);
        free(change);
    }
}

struct listing {
    struct cloud_snapshot_record **record;
    size_t n;
};

static void visit_list(void *arg, struct table_node *node)
{
    struct listing *listing = arg;

    listing->record[listing->n++] = TABLE_OWNER(node, struct mirrored, node)->record;
}

struct cloud_snapshot_record **mirror_list(struct mirror *mirror, size_t *n)
{
    struct listing listing = {.record = calloc(mirror->table.used + 1, sizeof(void *))};

    if (listing.record != NULL)
        table_each(&mirror->table, visit_list, &listing);
    *n = listing.n;
    return listing.record;
}

void mirror_end(struct mirror *mirror)
{
    table_each(&mirror->table, visit_drop, mirror);
    table_end(&mirror->table);
}
