/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/map.h"

#include <stdatomic.h>
#include <stddef.h>

#define SLOTS 8
#define NONE  (-1)
#define TAKEN 0x80000000u /* in a slot's count: a thread fills or empties the slot */
#define TRIES 64          /* to be counted in while the current map changes */

/*
 * This is safe by the order of the accesses, all of which are sequentially consistent. A reader
 * counts itself in and then checks that the slot is still the current one. A thread that empties a
 * slot sees that it is not the current one, swaps a count of exactly 0 for TAKEN, and checks again.
 * Only the holder of TAKEN makes a slot the current one, before it drops TAKEN.
 */
struct slot {
    atomic_uint count;
    struct cloud_snapshot snapshot; /* map NULL: the slot is empty; written under TAKEN alone */
};

static struct slot slots[SLOTS];
static atomic_int current = NONE;

bool map_acquire(struct map *map)
{
    for (int i = 0; i < TRIES; i++) {
        int now = atomic_load(&current);
        if (now == NONE)
            return false;
        atomic_fetch_add(&slots[now].count, 1);
        if (atomic_load(&current) == now) {
            map->snapshot = &slots[now].snapshot;
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
        cloud_snapshot_unmap(&map->own);
    else
        atomic_fetch_sub(&slots[map->slot].count, 1);
    map->snapshot = NULL;
}

/* Takes a slot that is neither current nor read. */
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

static void empty_slot(int slot)
{
    if (slots[slot].snapshot.map != NULL)
        cloud_snapshot_unmap(&slots[slot].snapshot);
}

/* Unmaps all maps that are neither current nor read. */
static void empty_slots(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (take_slot(i)) {
            empty_slot(i);
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

/* Makes the snapshot the current map, or the caller's own if no slot is left. */
static void keep(const struct cloud_snapshot *snapshot, struct map *map)
{
    int slot = find_slot();

    map->slot = slot;
    if (slot == NONE) {
        map->own = *snapshot;
        map->slot = MAP_OWN;
        map->snapshot = &map->own;
        return;
    }
    empty_slot(slot);
    slots[slot].snapshot = *snapshot;
    atomic_fetch_add(&slots[slot].count, 1);
    atomic_store(&current, slot);
    atomic_fetch_sub(&slots[slot].count, TAKEN);
    map->snapshot = &slots[slot].snapshot;
    empty_slots();
}

bool map_reload(struct map *map)
{
    struct cloud_snapshot fresh;

    if (!cloud_snapshot_map(&fresh))
        return false;
    keep(&fresh, map);
    return true;
}
