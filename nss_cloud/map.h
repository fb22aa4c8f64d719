/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_MAP_H
#define CLOUD_NSS_CLOUD_MAP_H

#include "common/conf.h"
#include "common/snapshot.h"

#include <stdbool.h>
#include <sys/stat.h>

/*
 * The settings and the map of accounts.snapshot that this process keeps, so that a lookup that hits
 * makes no system call. Any thread may call these functions at any time, also after fork(2) at any
 * instant: they never wait, and allocate pages alone.
 *
 * A few slots hold settings with a map, and one of them is the current one. A reader counts itself
 * in at a slot and out again; a slot is emptied only while no reader is counted in. A fork in
 * between leaves a count that never drops, and a slot that is never used again. Where no slot is
 * left, a lookup reads both files for itself alone.
 */
struct map_held {
    struct cloud_conf *conf;
    struct stat read_as;            /* the file of conf, just before it was read */
    struct cloud_snapshot snapshot; /* map NULL: there is none */
};

struct map {
    const struct map_held *held;
    int slot;            /* or MAP_OWN */
    bool out_of_sight;   /* this process can reach no snapshot, as after chroot(2) */
    struct map_held own; /* MAP_OWN */
};

#define MAP_OWN (-1)

/*
 * Counts the caller in at what is kept, whatever the state of the files. False if nothing is. To be
 * followed by map_release. No system call.
 */
bool map_acquire(struct map *map);

/*
 * The same, but reads the settings again if root's file is another one than was read. Broken ones
 * do not replace those that are kept. False if there are none. Touches no map of the snapshot:
 * local users' logins come here.
 */
bool map_settings(struct map *map);

/*
 * Replaces what the caller is counted in at by a map of a snapshot that is not retired, if it is
 * none and there is one. May change errno.
 */
void map_snapshot(struct map *map);

/* Whether the map is of a snapshot that the daemon has not retired. */
bool map_is_live(const struct map *map);

/* Whether a second has begun since the settings' file was last looked at. No system call. */
bool map_is_due(void);

void map_release(struct map *map);

#endif
