/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_CHANGES_H
#define CLOUDAUTHD_ACCOUNTS_CHANGES_H

#include "base/table.h"
#include "common/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/* How the next accounts.snapshot differs from the published one: by the last change of each
 * environment that has changed. */
struct changes {
    struct table table; /* of struct change, by project and environment */
    bool clear;         /* no record of the published file stays */
    int64_t older;      /* seconds by which the times of the records that stay get earlier */
};

struct change {
    struct table_node node;
    struct cloud_snapshot_record *record; /* malloc'ed; if removed, only its names count */
    bool removed;
};

void changes_start(struct changes *changes);
void changes_end(struct changes *changes);

/* Whether the next file differs from the published one. */
bool changes_any(const struct changes *changes);

/* The change of the environment that a record names, or NULL. */
struct change *changes_find(const struct changes *changes,
                            const struct cloud_snapshot_record *record);

/* Replaces the environment's change, and takes ownership of the record. */
void changes_put(struct changes *changes, struct cloud_snapshot_record *record, bool removed);

/* Forgets the environment's change. */
void changes_drop(struct changes *changes, const struct cloud_snapshot_record *record);

/* Makes all records older by that many seconds, because the wall clock was put back: those of the
 * changes, and those of the published file that stay. */
void changes_age(struct changes *changes, int64_t seconds);

/* Drops all changes, and lets no record of the published file stay. */
void changes_clear(struct changes *changes);

/* Moves the later changes into `changes`, where they replace earlier ones of the same
 * environments. */
void changes_add(struct changes *changes, struct changes *later);

#endif
