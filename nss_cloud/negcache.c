/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/negcache.h"

#include "common/clock.h"
#include "common/name.h"

#include <stdatomic.h>
#include <string.h>

/* A key without its `file`, as 64-bit words: the operation and the id, then the name with at least
 * one NUL. */
struct packed_key {
    uint64_t word[(sizeof(uint64_t) + CLOUD_NAME_MAX + 1 + 7) / 8];
    size_t words; /* words in use */
};
#define WORDS (sizeof(((struct packed_key *)0)->word) / sizeof(uint64_t))

/*
 * A place for one entry, guarded by a sequence lock, for which no thread waits: the count is odd
 * while the entry is written. All words are atomics. The writer stores them after the odd count
 * (release); a reader loads them before it loads the count again (acquire). So a reader that got a
 * word of another entry finds that the count has changed.
 */
struct place {
    atomic_uint count;
    _Atomic int64_t until; /* cloud_clock_ms() at which the entry expires */
    _Atomic uint64_t file, word[WORDS];
};

static struct place places[NEGCACHE_PLACES];

/* Packs a key. False if the name is longer than any login name. */
static bool pack_key(const struct negcache_key *key, struct packed_key *out)
{
    size_t n = key->name == NULL ? 0 : strnlen(key->name, CLOUD_NAME_MAX + 1);

    if (n > CLOUD_NAME_MAX)
        return false;
    out->words = n / 8 + 2;
    memset(out->word, 0, out->words * sizeof *out->word);
    out->word[0] = (uint64_t)key->op << 32 | (key->name == NULL ? key->id : 0);
    if (n > 0)
        memcpy(&out->word[1], key->name, n);
    return true;
}

static struct place *place_of(const struct packed_key *key)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < key->words; i++)
        hash = (hash ^ key->word[i]) * UINT64_C(0x9fb21c651e98df25);
    return &places[(hash >> 32) % NEGCACHE_PLACES];
}

bool negcache_has(const struct negcache_key *key)
{
    struct packed_key packed;

    if (!pack_key(key, &packed))
        return false;
    struct place *place = place_of(&packed);
    unsigned count = atomic_load_explicit(&place->count, memory_order_acquire);
    if (count % 2 != 0 || atomic_load_explicit(&place->file, memory_order_acquire) != key->file)
        return false;
    for (size_t i = 0; i < packed.words; i++)
        if (atomic_load_explicit(&place->word[i], memory_order_acquire) != packed.word[i])
            return false;
    int64_t until = atomic_load_explicit(&place->until, memory_order_acquire);
    return atomic_load_explicit(&place->count, memory_order_relaxed) == count &&
           cloud_clock_ms() < until;
}

void negcache_add(const struct negcache_key *key)
{
    struct packed_key packed;

    if (!pack_key(key, &packed))
        return;
    struct place *place = place_of(&packed);
    unsigned count = atomic_load_explicit(&place->count, memory_order_relaxed);
    if (count % 2 != 0 || !atomic_compare_exchange_strong(&place->count, &count, count + 1))
        return;
    for (size_t i = 0; i < packed.words; i++)
        atomic_store_explicit(&place->word[i], packed.word[i], memory_order_release);
    atomic_store_explicit(&place->file, key->file, memory_order_release);
    atomic_store_explicit(&place->until, cloud_clock_ms() + NEGCACHE_MS, memory_order_release);
    atomic_store_explicit(&place->count, count + 2, memory_order_release);
}
