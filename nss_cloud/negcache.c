/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/negcache.h"

#include "common/clock.h"
#include "common/name.h"

#include <stdatomic.h>
#include <string.h>

/* What was asked for, filled up with NULs, of which a name has at least one. */
struct key {
    uint64_t word[(sizeof(uint64_t) + CLOUD_NAME_MAX + 1 + 7) / 8];
    size_t words; /* that say something */
};
#define WORDS (sizeof(((struct key *)0)->word) / sizeof(uint64_t))

/*
 * A sequence lock that nobody waits for: the count is odd while the rest is written. Each word is
 * an atomic of its own, written after the odd count (release) and read before the second look at
 * it (acquire): who saw a word of another round sees another count.
 */
struct place {
    atomic_uint count;
    _Atomic int64_t until; /* cloud_clock_ms() */
    _Atomic uint64_t file, word[WORDS];
};

static struct place places[ABSENT_SLOTS];

/* False: no name is so long. */
static bool make_key(const struct negcache *absent, struct key *key)
{
    size_t n = absent->name == NULL ? 0 : strnlen(absent->name, CLOUD_NAME_MAX + 1);

    if (n > CLOUD_NAME_MAX)
        return false;
    key->words = n / 8 + 2;
    memset(key->word, 0, key->words * sizeof *key->word);
    key->word[0] = (uint64_t)absent->op << 32 | (absent->name == NULL ? absent->id : 0);
    if (n > 0)
        memcpy(&key->word[1], absent->name, n);
    return true;
}

static struct place *place_of(const struct key *key)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < key->words; i++)
        hash = (hash ^ key->word[i]) * UINT64_C(0x9fb21c651e98df25);
    return &places[(hash >> 32) % ABSENT_SLOTS];
}

bool negcache_known(const struct negcache *absent)
{
    struct key key;

    if (!make_key(absent, &key))
        return false;
    struct place *place = place_of(&key);
    unsigned count = atomic_load_explicit(&place->count, memory_order_acquire);
    if (count % 2 != 0 || atomic_load_explicit(&place->file, memory_order_acquire) != absent->file)
        return false;
    for (size_t i = 0; i < key.words; i++)
        if (atomic_load_explicit(&place->word[i], memory_order_acquire) != key.word[i])
            return false;
    int64_t until = atomic_load_explicit(&place->until, memory_order_acquire);
    return atomic_load_explicit(&place->count, memory_order_relaxed) == count &&
           cloud_clock_ms() < until;
}

void negcache_remember(const struct negcache *absent)
{
    struct key key;

    if (!make_key(absent, &key))
        return;
    struct place *place = place_of(&key);
    unsigned count = atomic_load_explicit(&place->count, memory_order_relaxed);
    if (count % 2 != 0 || !atomic_compare_exchange_strong(&place->count, &count, count + 1))
        return;
    for (size_t i = 0; i < key.words; i++)
        atomic_store_explicit(&place->word[i], key.word[i], memory_order_release);
    atomic_store_explicit(&place->file, absent->file, memory_order_release);
    atomic_store_explicit(&place->until, cloud_clock_ms() + ABSENT_MS, memory_order_release);
    atomic_store_explicit(&place->count, count + 2, memory_order_release);
}
