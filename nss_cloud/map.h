/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_MAP_H
#define CLOUD_NSS_CLOUD_MAP_H

#include "common/conf.h"
#include "common/snapshot.h"

#include <stdbool.h>
#include <sys/stat.h>

/*
 * The settings and the map of accounts.snapshot that this process keeps, so that most lookups make
 * no system call. Any thread may call these functions at any time, also after fork(2) at any
 * moment: they never wait for a lock, and allocate whole pages with mmap(2).
 *
 * There are a few slots, each with settings and a map, and one slot is the current one. A reader
 * increments the count of a slot while it uses the slot; a slot is emptied only while its count is
 * 0. A fork(2) while a count is not 0 leaves the child a count that never drops, and so a slot that
 * is never used again. If no slot is left, a lookup reads both files for itself alone.
 */
struct map_held {
    struct cloud_conf *conf;
    struct stat read_as;            /* the settings file, just before it was read */
    struct cloud_snapshot snapshot; /* snapshot.map NULL: no snapshot is mapped */
};

struct map {
    const struct map_held *held;
    int slot;            /* index of the slot of held, or MAP_OWN */
    bool out_of_sight;   /* this process sees no snapshot file, as after chroot(2) */
    struct map_held own; /* what held points to if slot is MAP_OWN */
};

#define MAP_OWN (-1)

/* Gives the caller the current slot, however old its content is, and increments its count. False if
 * there is no current slot, or if other threads change it all the time. To be followed by
 * map_release if true. Makes no system call. */
bool map_acquire(struct map *map);

/* Does the same as map_acquire, but reads the settings again if the file has changed. Settings that
 * cannot be parsed do not replace the ones that are kept. False if there are no settings. Never
 * maps a snapshot, because lookups of local users' names get here too. */
bool map_settings(struct map *map);

/*
 * Gives the caller a map of a live snapshot, if there is one and the caller's map is not live. May
 * change errno.
 */
void map_snapshot(struct map *map);

/* Whether the map is of a snapshot that the daemon has not retired. */
bool map_is_live(const struct map *map);

/* Whether the settings file was last looked at in an earlier second. Makes no system call. */
bool map_is_due(void);

void map_release(struct map *map);

#endif
