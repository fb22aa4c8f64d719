/* SPDX-License-Identifier: Apache-2.0 */
#include "base/elapsed.h"
#include "cloudauthd/cache/internal.h"
#include "common/clock.h"

#include <time.h>

struct freshness_now freshness_now(void)
{
    return (struct freshness_now){cloud_clock_ms(), (int64_t)time(NULL)};
}

/* Returns the milliseconds since the last good answer was requested. */
static int64_t since_asked(const struct cache_entry *entry, struct freshness_now now)
{
    return elapsed_ms(now.boot - entry->asked, now.wall - entry->asked_wall);
}

bool freshness_is_within(const struct cache_entry *entry, struct freshness_now now,
                         int64_t milliseconds)
{
    return since_asked(entry, now) < milliseconds;
}

/* Returns the seconds since the document was signed, by the wall clock or by the time since boot,
 * whichever is more: putting the wall clock back again and again must not keep a document
 * usable. */
static int64_t since_signed(const struct cache_entry *entry, struct freshness_now now)
{
    int64_t boot = (now.boot - entry->signed_at) / 1000;
    int64_t wall = now.wall - entry->document->issued_at;

    return wall > boot ? wall : boot;
}

static bool is_signed(const struct cache *cache)
{
    return cache->signers.n > 0;
}

uint32_t freshness_age(const struct cache_entry *entry, struct freshness_now now)
{
    int64_t age = since_asked(entry, now) / 1000;

    if (is_signed(entry->cache) && entry->document != NULL)
        age = since_signed(entry, now);
    return age < 0 ? 0 : age > CACHE_AGE_UNKNOWN ? CACHE_AGE_UNKNOWN : (uint32_t)age;
}

int64_t freshness_bound(const struct cache *cache, const struct document *document)
{
    return document_bound(document, cache->setup.conf->max_stale);
}

bool freshness_is_in_bound(const struct cache_entry *entry, struct freshness_now now)
{
    return freshness_is_within(entry, now, 1000 * freshness_bound(entry->cache, entry->document));
}

int64_t freshness_usable_until(const struct cache *cache, const struct document *document,
                               int64_t asked_wall)
{
    int64_t from = asked_wall;

    if (asked_wall == 0) /* STORE_AGE_UNKNOWN */
        return 0;
    /* A signed document may be from the near future; in an outage its bound counts from the request
     * all the same. */
    if (is_signed(cache) && document->issued_at < from)
        from = document->issued_at;
    return from + freshness_bound(cache, document);
}

const char *freshness_signature_fault(const struct cache_entry *entry, struct freshness_now now)
{
    if (!is_signed(entry->cache))
        return NULL;
    if (entry->document->issued_at > now.wall + ENVELOPE_FUTURE)
        return "the last good document is from the future";
    if (since_signed(entry, now) >= freshness_bound(entry->cache, entry->document))
        return "the last good document was signed too long ago";
    return NULL;
}

const char *freshness_fault(const struct cache_entry *entry, struct freshness_now now)
{
    if (now.wall < entry->asked_wall - ELAPSED_SLACK)
        return "the clock stands before the time of the last good document";
    return freshness_signature_fault(entry, now);
}

const char *freshness_why_not(const struct cache_entry *entry, struct freshness_now now)
{
    const char *why = freshness_fault(entry, now);

    if (why == NULL && entries_is_failing(entry) && !freshness_is_in_bound(entry, now))
        why = entry->detail;
    return why;
}
