/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/background.h"

#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/cache/internal.h"

#define UNKNOWN_MAX (UNKNOWN_LOOKUPS_MAX + UNKNOWN_LOGINS_MAX + UNKNOWN_OTHERS_MAX)

_Static_assert(UNKNOWN_MAX + BACKGROUND_MAX + 32 <= API_CONNECTIONS_MAX,
               "known accounts need connections of their own");

/* Whether the API has to be asked again although no login or lookup does: the entry's document may
 * still be used, or the guard withholds its absence, which withholds every other one as well. */
static bool is_probed(const struct cache_entry *entry, struct freshness_now now)
{
    return entry->absence == ENTRY_WITHHELD ||
           (entry->state == ENTRY_STALE && freshness_why_not(entry, now) == NULL);
}

/* Sends the probes of a list, of which *left may still be sent. */
static void probe(struct cache *cache, struct lru *lru, unsigned *left)
{
    struct freshness_now now = freshness_now();
    struct cache_entry *entry, *next;

    for (entry = TAILQ_FIRST(&lru->list); entry != NULL; entry = next) {
        next = TAILQ_NEXT(entry, link);
        if (!is_probed(entry, now))
            continue;
        cache->some_fail = true;
        if (*left == 0 || cache->background >= BACKGROUND_PROBES)
            break;
        if (now.boot < request_retry(entry) || entry->phase != ENTRY_IDLE)
            continue;
        --*left;
        request_start(entry, ENTRY_BACKGROUND);
    }
}

void background_probe(struct cache *cache)
{
    unsigned left = BACKGROUND_PROBES;

    load_probe(cache);
    if (!cache->some_fail)
        return;
    cache->some_fail = false;
    /* An environment with a withheld absence is in the list of unknown entries if its document
     * cannot be read from the disk. */
    if (cache->entries.withheld > 0)
        probe(cache, &cache->entries.unknown, &left);
    probe(cache, &cache->entries.known, &left);
}

/*
 * Whether to fetch the environment's document now: none is known, or the change feed has named the
 * environment since the known one was requested. False during the back-off after a failure, while a
 * fresh answer says that the environment is absent, and while the entry is busy or can be loaded
 * from the disk.
 */
static bool is_wanted(const struct cache_entry *entry, struct freshness_now now)
{
    int64_t named = cache_named_at(entry->cache, entry->project, entry->environment);

    if (entry->phase != ENTRY_IDLE || load_is_free(entry))
        return false;
    /* If the feed has named all environments, known documents are left to the next login or lookup.
     * Otherwise all hosts of a fleet would request all of them at the same time. */
    if (entry->document != NULL)
        return !entries_is_failing(entry) && named > 0 && named >= entry->asked;
    if (entry->state == ENTRY_FAILING)
        return now.boot >= request_retry(entry);
    return entry->state != ENTRY_ABSENT || request_is_named(entry) ||
           !freshness_is_within(entry, now, (int64_t)1000 * entry->cache->setup.conf->absent_fresh);
}

/* Whether so many answers, or half of the bytes that may, wait for the host's other name services
 * that an environment without ids has to be fetched later. The rest of both is for logins and
 * lookups. */
static bool is_asker_busy(const struct cache *cache)
{
    return cache->asking >= BACKGROUND_MAX || cache->unasked >= LIMITS_UNREAD_MAX / 2;
}

bool background_prefetch(struct cache *cache, const char *project, const char *environment)
{
    struct freshness_now now = freshness_now();
    unsigned most = cache->prefetch_failures > 0 ? 1 : BACKGROUND_MAX;
    struct cache_entry *entry;

    if (now.boot < cache->prefetch_pause || cache->background >= most)
        return false;
    if (is_asker_busy(cache) && !admission_is_bound(cache->setup.admission, project, environment))
        return false;
    entry = internal_find(cache, project, environment);
    if (!is_wanted(entry, now)) {
        entries_drop_if_new(entry);
        return true;
    }
    if (!limits_take_token(&cache->prefetches, BACKGROUND_PREFETCH_RATE, BACKGROUND_PREFETCH_BURST,
                           now.boot)) {
        entries_drop_if_new(entry);
        return false;
    }
    entry->cold = entry->cold || entry->lru == NULL;
    entries_touch(entry);
    request_start(entry, ENTRY_BACKGROUND);
    entries_evict(&cache->entries);
    return true;
}
