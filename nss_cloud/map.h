/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_MAP_H
#define CLOUD_NSS_CLOUD_MAP_H

#include "common/snapshot.h"

#include <stdbool.h>

/*
 * The map of accounts.snapshot that this process keeps, so that a lookup that hits makes no system
 * call. Any thread may call these functions at any time, also after fork(2) at any instant: they
 * never wait.
 *
 * A few slots hold maps, and one of them is the current one. A reader counts itself in at a slot
 * and out again; a map is unmapped only while no reader is counted in. A fork in between leaves a
 * count that never drops, and a slot that is never used again. Where no slot is left, a lookup maps
 * the file for itself alone.
 */
struct map {
    const struct cloud_snapshot *snapshot;
    int slot;                  /* or MAP_OWN */
    struct cloud_snapshot own; /* MAP_OWN */
};

#define MAP_OWN (-1)

/*
 * Counts the caller in at the current map, whatever the state of its file. False if there is none.
 * To be followed by map_release. No system call.
 */
bool map_acquire(struct map *map);

/*
 * Opens the file, makes its map the current one, and counts the caller in. To be followed by
 * map_release. False with errno as of cloud_snapshot_map if the file cannot be used; the current
 * map then stays.
 */
bool map_reload(struct map *map);

void map_release(struct map *map);

#endif
