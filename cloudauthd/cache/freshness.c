/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/freshness.h"

#include "access/envelope.h"
#include "base/elapsed.h"
#include "common/clock.h"

#include <time.h>

struct freshness_now freshness_now(void)
{
    return (struct freshness_now){cloud_clock_ms(), (int64_t)time(NULL)};
}

/* Milliseconds since the last good answer was asked for. */
static int64_t since_asked(const struct cache_entry *entry, struct freshness_now now)
{
    return elapsed_ms(now.boot - entry->asked, now.wall - entry->asked_wall);
}

bool freshness_is_within(const struct cache_entry *entry, struct freshness_now now,
                         int64_t milliseconds)
{
    return since_asked(entry, now) < milliseconds;
}

/* Seconds since the document was signed, by the wall clock or by the time since boot, whichever is
 * more: a wall clock that is set back repeatedly must not keep a document usable. */
static int64_t since_signed(const struct cache_entry *entry, struct freshness_now now)
{
    int64_t boot = (now.boot - entry->signed_at) / 1000;
    int64_t wall = now.wall - entry->document->issued_at;

    return wall > boot ? wall : boot;
}

uint32_t freshness_age(const struct freshness_rules *rules, const struct cache_entry *entry,
                       struct freshness_now now)
{
    int64_t age = since_asked(entry, now) / 1000;

    if (rules->is_signed && entry->document != NULL)
        age = since_signed(entry, now);
    return age < 0 ? 0 : age > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)age;
}

uint32_t freshness_bound(const struct freshness_rules *rules, const struct document *document)
{
    return document->max_stale < rules->max_stale ? document->max_stale : rules->max_stale;
}

int64_t freshness_usable_until(const struct freshness_rules *rules, const struct document *document,
                               int64_t asked_wall)
{
    return (rules->is_signed ? document->issued_at : asked_wall) +
           (int64_t)freshness_bound(rules, document);
}

const char *freshness_fault(const struct freshness_rules *rules, const struct cache_entry *entry,
                            struct freshness_now now)
{
    if (now.wall < entry->asked_wall - ELAPSED_SLACK)
        return "the clock stands before the time of the last good document";
    if (!rules->is_signed)
        return NULL;
    if (entry->document->issued_at > now.wall + ENVELOPE_FUTURE)
        return "the last good document is from the future";
    if (since_signed(entry, now) >= (int64_t)freshness_bound(rules, entry->document))
        return "the last good document was signed too long ago";
    return NULL;
}

const char *freshness_why_not(const struct freshness_rules *rules, const struct cache_entry *entry,
                              struct freshness_now now)
{
    const char *why = freshness_fault(rules, entry, now);

    if (why == NULL && entries_is_failing(entry) &&
        since_asked(entry, now) / 1000 >= freshness_bound(rules, entry->document))
        why = entry->detail;
    return why;
}
