/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_MAP_H
#define CLOUD_NSS_CLOUD_MAP_H

#include "common/snapshot.h"

#include <stdbool.h>

/*
 * The map of accounts.snapshot that this process keeps, so that a lookup that hits makes no system
 * call. Any thread may use it at any time, also after a fork at any instant: nothing here waits.
 *
 * A few slots hold maps; one is the current one. Who reads counts himself in at its slot and out
 * again, and a map is given back only when nobody is counted at it. A fork in the middle leaves a
 * count that never ends, and a slot that is never used again: where no slot is left, a lookup maps
 * the file for itself alone.
 */
struct map {
    const struct cloud_snapshot *snapshot; /* NULL: there is none */
    int slot;                              /* or MAP_OWN */
    struct cloud_snapshot own;
};

#define MAP_OWN (-1)

/*
 * Counts the caller in at the current map, whatever its state. False if there is none. No system
 * call. To be followed by map_leave.
 */
bool map_enter(struct map *kept);

/*
 * Opens the file anew and makes it the current one; counts the caller in at it. False with errno as
 * of cloud_snapshot_map if it cannot be used: then the old one stays. To be followed by map_leave
 * if true. System calls.
 */
bool map_renew(struct map *kept);

void map_leave(struct map *kept);

#endif
