/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_MIRROR_H
#define CLOUDAUTHD_ACCOUNTS_MIRROR_H

#include "base/table.h"
#include "common/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * The records that the next accounts.snapshot is made of, one for each environment. The mirror
 * belongs to the worker thread; the loop's thread sends it changes, in order.
 */
struct mirror {
    struct table table;
};

/* A change of the mirror. */
struct mirror_change {
    STAILQ_ENTRY(mirror_change) next;
    enum {
        MIRROR_PUT,
        MIRROR_REMOVE,
        MIRROR_CLEAR,
        MIRROR_AGE, /* the wall clock was put back */
    } what;
    struct cloud_snapshot_record *record; /* PUT, and REMOVE, for its names; malloc'ed */
    int64_t seconds;                      /* AGE: by how many the clock was put back */
    bool withdraws;  /* what is published of the environment, or of all, is void */
    bool may_differ; /* PUT: void if it differs from the record */
};
STAILQ_HEAD(mirror_changes, mirror_change);

/* False if memory is out. */
bool mirror_start(struct mirror *mirror);
void mirror_end(struct mirror *mirror);

/* Applies the changes in order, owns them and their records from then on, and leaves the queue
 * empty. If there is no memory for a record it is dropped, and lookups of its account ask the
 * daemon. */
void mirror_apply(struct mirror *mirror, struct mirror_changes *changes);

/* Frees changes that are not to be applied. */
void mirror_discard(struct mirror_changes *changes);

/* Lists all records, in no order: an array of *n borrowed pointers, to be freed with free(3), or
 * NULL if memory is out. */
struct cloud_snapshot_record **mirror_list(struct mirror *mirror, size_t *n);

#endif
