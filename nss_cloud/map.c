/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/map.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

/* The owner that the settings file must have. The unit tests, which run as any user, define
 * another. */
#ifndef CLOUD_CONF_OWNER
#define CLOUD_CONF_OWNER 0
#endif

#define SLOTS       8
#define NONE        (-1)
#define TAKEN       0x80000000u /* set in a slot's count while a thread fills or empties the slot */
#define TRIES       64 /* tries of map_acquire while other threads change the current slot */
#define RENEW_TRIES 2  /* tries to map a snapshot, which may be retired right afterwards */

/*
 * The slots need no lock, because their accesses are sequentially consistent: all threads see them
 * in the same order. A reader increments the count of the current slot, and then checks that the
 * slot is still the current one. A thread that empties a slot checks that the slot is not the
 * current one, replaces a count of exactly 0 by TAKEN, and checks again. Only a thread that holds
 * TAKEN makes a slot the current one, before it drops TAKEN.
 */
struct slot {
    atomic_uint count;
    struct map_held held; /* held.conf NULL: empty; only the holder of TAKEN writes it */
};

static struct slot slots[SLOTS];
static atomic_int current = NONE;
static _Atomic time_t looked; /* time(2) when the settings file was last looked at */

static void drop(struct map_held *held)
{
    if (held->snapshot.map != NULL)
        cloud_snapshot_unmap(&held->snapshot);
    if (held->conf != NULL)
        munmap(held->conf, sizeof *held->conf);
    held->conf = NULL;
}

bool map_acquire(struct map *map)
{
    map->out_of_sight = false;
    for (int i = 0; i < TRIES; i++) {
        int now = atomic_load(&current);
        if (now == NONE)
            return false;
        atomic_fetch_add(&slots[now].count, 1);
        if (atomic_load(&current) == now) {
            map->held = &slots[now].held;
            map->slot = now;
            return true;
        }
        atomic_fetch_sub(&slots[now].count, 1);
    }
    return false;
}

void map_release(struct map *map)
{
    if (map->slot == MAP_OWN)
        drop(&map->own);
    else
        atomic_fetch_sub(&slots[map->slot].count, 1);
    map->held = NULL;
}

bool map_is_live(const struct map *map)
{
    return map->held->snapshot.map != NULL && !cloud_snapshot_retired(&map->held->snapshot);
}

bool map_is_due(void)
{
    return time(NULL) != atomic_load_explicit(&looked, memory_order_relaxed);
}

/* Sets TAKEN in the slot's count. False if the slot is the current one or has a reader. */
static bool take_slot(int slot)
{
    unsigned none = 0;

    if (atomic_load(&current) == slot ||
        !atomic_compare_exchange_strong(&slots[slot].count, &none, TAKEN))
        return false;
    if (atomic_load(&current) != slot)
        return true;
    atomic_fetch_sub(&slots[slot].count, TAKEN);
    return false;
}

/* Empties all slots that are not current and have no reader. */
static void empty_slots(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (take_slot(i)) {
            drop(&slots[i].held);
            atomic_fetch_sub(&slots[i].count, TAKEN);
        }
}

static int find_slot(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (take_slot(i))
            return i;
    return NONE;
}

/* Puts `held` into a free slot, makes that slot the current one and counts the caller as its
 * reader. If no slot is free, only the caller gets `held` (map->own). */
static void keep(const struct map_held *held, struct map *map)
{
    int slot = find_slot();

    map->slot = slot;
    if (slot == NONE) {
        map->own = *held;
        map->slot = MAP_OWN;
        map->held = &map->own;
        return;
    }
    drop(&slots[slot].held);
    slots[slot].held = *held;
    atomic_fetch_add(&slots[slot].count, 1);
    atomic_store(&current, slot);
    atomic_fetch_sub(&slots[slot].count, TAKEN);
    map->held = &slots[slot].held;
    empty_slots();
}

/* ---- The files ---- */

/* Whether the settings file has been replaced or changed since the map's settings were read. */
static bool is_outdated(const struct map *map)
{
    const struct stat *old = &map->held->read_as;
    struct stat st;

    atomic_store_explicit(&looked, time(NULL), memory_order_relaxed);
    return stat(CLOUD_CONF_PATH, &st) == 0 &&
           (st.st_dev != old->st_dev || st.st_ino != old->st_ino || st.st_size != old->st_size ||
            st.st_ctim.tv_sec != old->st_ctim.tv_sec || st.st_ctim.tv_nsec != old->st_ctim.tv_nsec);
}

/*
 * Allocates held->conf and fills it: copies the settings of `old` if that is not NULL and the file
 * has not changed, otherwise reads the file. False if they cannot be read; the caller must drop
 * `held`. The memory is from mmap(2): a thread may have only 16 KiB of stack, and in the child of a
 * fork(2) the lock of malloc(3) may be held for ever.
 */
static bool read_settings(struct map_held *held, const struct map *old)
{
    struct cloud_conf_error error;
    void *pages =
        mmap(NULL, sizeof *held->conf, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return false;
    held->conf = pages;
    if (old != NULL && !is_outdated(old)) {
        *held->conf = *old->held->conf;
        held->read_as = old->held->read_as;
        return true;
    }
    return stat(CLOUD_CONF_PATH, &held->read_as) == 0 &&
           cloud_conf_read(held->conf, CLOUD_CONF_PATH, CLOUD_CONF_OWNER, &error);
}

bool map_settings(struct map *map)
{
    struct map_held fresh = {.conf = NULL};
    bool kept = map_acquire(map);

    if (kept && !is_outdated(map))
        return true;
    if (!read_settings(&fresh, NULL)) {
        drop(&fresh);
        return kept;
    }
    if (kept)
        map_release(map);
    keep(&fresh, map);
    return true;
}

void map_snapshot(struct map *map)
{
    for (int i = 0; i < RENEW_TRIES && !map_is_live(map); i++) {
        struct map_held fresh = {.conf = NULL};
        map->out_of_sight = false;
        if (!cloud_snapshot_map(&fresh.snapshot)) {
            map->out_of_sight = errno == ENOENT;
            return;
        }
        /* The settings are read after the snapshot was mapped. The daemon retires the snapshot when
         * it takes new settings; so if the snapshot is live, the settings are at least as new as
         * those it was made with. */
        if (!read_settings(&fresh, map)) {
            drop(&fresh);
            return;
        }
        map_release(map);
        keep(&fresh, map);
    }
}
