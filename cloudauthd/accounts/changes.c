/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/changes.h"

#include "base/fatal.h"
#include "cloudauthd/accounts/snapshot_write.h"

#include <stdlib.h>
#include <string.h>

void changes_start(struct changes *changes)
{
    *changes = (struct changes){0};
    table_start(&changes->table);
}

bool changes_any(const struct changes *changes)
{
    return changes->table.used > 0 || changes->clear || changes->older != 0;
}

static struct change *change_of(const struct table_node *node)
{
    return TABLE_OWNER(node, struct change, node);
}

static bool has_names_of(const struct table_node *node, const void *key)
{
    const struct cloud_snapshot_record *one = change_of(node)->record, *other = key;

    return strcmp(one->strings, other->strings) == 0 &&
           strcmp(snapshot_environment(one), snapshot_environment(other)) == 0;
}

static uint64_t hash_names(const struct changes *changes,
                           const struct cloud_snapshot_record *record)
{
    return table_hash_pair(&changes->table, record->strings, snapshot_environment(record));
}

struct change *changes_find(const struct changes *changes,
                            const struct cloud_snapshot_record *record)
{
    struct table_node *node =
        table_find(&changes->table, hash_names(changes, record), has_names_of, record);

    return node == NULL ? NULL : change_of(node);
}

void changes_put(struct changes *changes, struct cloud_snapshot_record *record, bool removed)
{
    struct change *change = changes_find(changes, record);

    if (change == NULL) {
        change = xcalloc(1, sizeof *change);
        table_insert(&changes->table, &change->node, hash_names(changes, record));
    }
    free(change->record);
    change->record = record;
    change->removed = removed;
}

static void visit_drop(void *arg, struct table_node *node)
{
    struct changes *changes = arg;
    struct change *change = change_of(node);

    table_remove(&changes->table, node);
    free(change->record);
    free(change);
}

void changes_drop(struct changes *changes, const struct cloud_snapshot_record *record)
{
    struct change *change = changes_find(changes, record);

    if (change != NULL)
        visit_drop(changes, &change->node);
}

static void visit_age(void *arg, struct table_node *node)
{
    const int64_t *seconds = arg;

    change_of(node)->record->fresh -= *seconds;
    change_of(node)->record->expires -= *seconds;
}

void changes_age(struct changes *changes, int64_t seconds)
{
    table_each(&changes->table, visit_age, &seconds);
    changes->older += seconds;
}

void changes_clear(struct changes *changes)
{
    table_each(&changes->table, visit_drop, changes);
    changes->clear = true;
}

struct adding {
    struct changes *to, *from;
};

static void visit_add(void *arg, struct table_node *node)
{
    struct adding *adding = arg;
    struct change *change = change_of(node);

    changes_put(adding->to, change->record, change->removed);
    change->record = NULL;
    visit_drop(adding->from, node);
}

void changes_add(struct changes *changes, struct changes *later)
{
    struct adding adding = {.to = changes, .from = later};

    if (later->clear)
        changes_clear(changes);
    changes_age(changes, later->older);
    table_each(&later->table, visit_add, &adding);
}

void changes_end(struct changes *changes)
{
    table_each(&changes->table, visit_drop, changes);
    table_end(&changes->table);
}
