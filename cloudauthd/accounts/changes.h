/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_CHANGES_H
#define CLOUDAUTHD_ACCOUNTS_CHANGES_H

#include "base/table.h"
#include "common/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/* How the next accounts.snapshot differs from the published one: the latest change of each
 * environment that has changed. */
struct changes {
    struct table table; /* of struct change, by project and environment */
    bool clear;         /* the next file takes over no record of the published one */
    int64_t older;      /* seconds to subtract from the times of the records that it takes over */
};

struct change {
    struct table_node node;
    struct cloud_snapshot_record *record; /* malloc'ed; if `removed`, only its names matter */
    bool removed;                         /* the environment has no record in the next file */
};

void changes_start(struct changes *changes);
void changes_end(struct changes *changes);

/* Whether the next file differs from the published one. */
bool changes_any(const struct changes *changes);

/* Returns the change of the environment that the record names, or NULL if there is none. */
struct change *changes_find(const struct changes *changes,
                            const struct cloud_snapshot_record *record);

/* Sets the change of the environment that the record names, in place of any earlier one. Takes
 * ownership of the record. */
void changes_put(struct changes *changes, struct cloud_snapshot_record *record, bool removed);

/* Drops the change of the environment that the record names, if there is one. */
void changes_drop(struct changes *changes, const struct cloud_snapshot_record *record);

/* Subtracts `seconds` from the times of all records, those of the changes and those that the next
 * file takes over, because the wall clock was put back. */
void changes_age(struct changes *changes, int64_t seconds);

/* Drops all changes, and lets the next file take over no record of the published one. */
void changes_clear(struct changes *changes);

/* Moves the changes of `later` into `changes`, where they replace those of the same
 * environments. */
void changes_add(struct changes *changes, struct changes *later);

#endif
