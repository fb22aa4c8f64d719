/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_MAP_H
#define CLOUD_NSS_CLOUD_MAP_H

#include "common/conf.h"
#include "common/snapshot.h"

#include <stdbool.h>
#include <sys/stat.h>

/*
 * The settings and the map of accounts.snapshot that this process keeps, so that most lookups make
 * no system call. Any thread may call these functions at any time, and so may the child of a
 * fork(2) that happened at any moment: they never wait for a lock, and allocate whole pages with
 * mmap(2).
 *
 * There are a few slots, each with settings and a map, and one slot is the current one. A reader
 * increments the count of a slot before it uses the slot, and decrements it afterwards; a slot is
 * emptied only while its count is 0. If a process forks while a count is not 0, that count never
 * drops to 0 in the child, which therefore never reuses that slot. If no slot is left, a lookup
 * reads both files for itself.
 */
struct map_held {
    struct cloud_conf *conf;
    struct stat read_as;            /* stat(2) of the settings file, just before it was read */
    struct cloud_snapshot snapshot; /* snapshot.map NULL: no snapshot is mapped */
};

struct map {
    const struct map_held *held;
    int slot;            /* index of the slot that has `held`, or MAP_OWN */
    bool out_of_sight;   /* this process sees no snapshot file, as after chroot(2) */
    struct map_held own; /* what `held` points to if slot is MAP_OWN */
};

#define MAP_OWN (-1)

/* Gives the caller the current slot, however old its content is, and increments its count. False if
 * there is no current slot, or if other threads keep changing it. If true, the caller must call
 * map_release. Makes no system call. */
bool map_acquire(struct map *map);

/*
 * Does what map_acquire does, but reads the settings again if the file has changed. Settings that
 * cannot be parsed do not replace those that are kept. False if no settings are kept and the file
 * cannot be read or parsed. Never maps a snapshot, because lookups of local users' names get here,
 * too.
 */
bool map_settings(struct map *map);

/* If the caller's map is not live and there is a live snapshot, replaces *map by a map of it. If
 * this process sees no snapshot file, sets map->out_of_sight. May change errno. */
void map_snapshot(struct map *map);

/* Whether the map has a snapshot that the daemon has not retired. */
bool map_is_live(const struct map *map);

/* Whether the settings file was not yet looked at in this second. Makes no system call. */
bool map_is_due(void);

void map_release(struct map *map);

#endif
