/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/map.h"

#include <stdatomic.h>
#include <stddef.h>

#define SLOTS 8
#define NONE  (-1)
#define TAKEN 0x80000000u /* in a slot's count: somebody fills or empties it */
#define TRIES 64          /* to be counted in while the current map changes */

/*
 * The order of things is what makes it safe, and all of it is sequentially consistent: a reader
 * counts himself in and then looks whether the slot is still the current one; who empties a slot
 * finds it not current, takes a count of exactly 0, and looks again. Only the holder of TAKEN makes
 * a slot the current one, before he lets it go.
 */
struct slot {
    atomic_uint count;
    struct cloud_snapshot snapshot; /* map NULL: nothing in it; written under TAKEN alone */
};

static struct slot slots[SLOTS];
static atomic_int current = NONE;

bool map_enter(struct map *kept)
{
    for (int i = 0; i < TRIES; i++) {
        int now = atomic_load(&current);
        if (now == NONE)
            return false;
        atomic_fetch_add(&slots[now].count, 1);
        if (atomic_load(&current) == now) {
            kept->snapshot = &slots[now].snapshot;
            kept->slot = now;
            return true;
        }
        atomic_fetch_sub(&slots[now].count, 1);
    }
    return false;
}

void map_leave(struct map *kept)
{
    if (kept->slot == MAP_OWN)
        cloud_snapshot_unmap(&kept->own);
    else
        atomic_fetch_sub(&slots[kept->slot].count, 1);
    kept->snapshot = NULL;
}

/* Whether the slot is now ours to fill or to empty. */
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

/* Gives back the maps that nobody reads any more. */
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

/* Makes it the current map, with the caller counted in; or keeps it for the caller alone. */
static void keep(const struct cloud_snapshot *snapshot, struct map *kept)
{
    int slot = find_slot();

    kept->slot = slot;
    if (slot == NONE) {
        kept->own = *snapshot;
        kept->slot = MAP_OWN;
        kept->snapshot = &kept->own;
        return;
    }
    empty_slot(slot);
    slots[slot].snapshot = *snapshot;
    atomic_fetch_add(&slots[slot].count, 1);
    atomic_store(&current, slot);
    atomic_fetch_sub(&slots[slot].count, TAKEN);
    kept->snapshot = &slots[slot].snapshot;
    empty_slots();
}

bool map_renew(struct map *kept)
{
    struct cloud_snapshot fresh;

    if (!cloud_snapshot_map(&fresh))
        return false;
    keep(&fresh, kept);
    return true;
}
