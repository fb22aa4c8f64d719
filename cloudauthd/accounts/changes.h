/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_CHANGES_H
#define CLOUDAUTHD_ACCOUNTS_CHANGES_H

#include "base/table.h"
#include "common/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/* What the next accounts.snapshot has otherwise than the published one: the last change of each
 * environment that has any. */
struct changes {
    struct table table; /* of struct change */
    bool clear;         /* no record of the published file stays */
    int64_t older;      /* seconds that are taken off the times of those that stay */
};

struct change {
    struct table_node node;
    struct cloud_snapshot_record *record; /* malloc'ed; removed: its names alone count */
    bool removed;
};

/* False if out of memory; changes_end may be called nevertheless. */
bool changes_start(struct changes *changes);
void changes_end(struct changes *changes);

/* Whether there is any. */
bool changes_any(const struct changes *changes);

/* The change of the environment that a record names, or NULL. */
struct change *changes_find(const struct changes *changes,
                            const struct cloud_snapshot_record *record);

/* Replaces the environment's change. The record is taken over. False if out of memory. */
bool changes_put(struct changes *changes, struct cloud_snapshot_record *record, bool removed);

/* Forgets the environment's change. */
void changes_drop(struct changes *changes, const struct cloud_snapshot_record *record);

/* The wall clock was put back: all records get older by that many seconds. */
void changes_age(struct changes *changes, int64_t seconds);

/* No record stays, neither of those put before nor of the published file. */
void changes_clear(struct changes *changes);

/* Makes the later changes on top of these, and leaves none of them. False if out of memory. */
bool changes_add(struct changes *changes, struct changes *later);

#endif
