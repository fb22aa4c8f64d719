/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_FRESHNESS_H
#define CLOUDAUTHD_CACHE_FRESHNESS_H

#include "cloudauthd/cache/entries.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * How old an entry's answer is, and whether its document may still be used. Pure functions of what
 * they are given.
 *
 * Two clocks tell an age, and the larger one counts: the time since boot stands still while a
 * virtual machine is paused, and the wall clock can be put back.
 */

struct freshness_now {
    int64_t boot; /* cloud_clock_ms() */
    int64_t wall; /* seconds since 1970 */
};

struct freshness_now freshness_now(void);

/* The host's settings that decide it. */
struct freshness_rules {
    uint32_t max_stale; /* seconds, of this host */
    bool is_signed;     /* documents are signed (signing_key) */
};

/* Whether the last good answer was asked for less than that many milliseconds ago. */
bool freshness_is_within(const struct cache_entry *entry, struct freshness_now now,
                         int64_t milliseconds);

/* Seconds since the entry's answer was certainly true: since its document was signed, or since it
 * was asked for. */
uint32_t freshness_age(const struct freshness_rules *rules, const struct cache_entry *entry,
                       struct freshness_now now);

/* The bound of an outage, in seconds: the lesser of the host's max_stale and the document's own. */
uint32_t freshness_bound(const struct freshness_rules *rules, const struct document *document);

/* Until when an outage may use a document that was asked for at asked_wall: seconds since 1970. */
int64_t freshness_usable_until(const struct freshness_rules *rules, const struct document *document,
                               int64_t asked_wall);

/*
 * Why the entry's document may not be used even if the API has just confirmed it, or NULL. The
 * reasons are that the clock was put back, or that the signature is older than the bound. The entry
 * must have a document.
 */
const char *freshness_fault(const struct freshness_rules *rules, const struct cache_entry *entry,
                            struct freshness_now now);

/* Why the entry's document may not be used now, or NULL: a freshness_fault, or the API fails and
 * the bound of an outage is over. The entry must have a document; the text may be the entry's. */
const char *freshness_why_not(const struct freshness_rules *rules, const struct cache_entry *entry,
                              struct freshness_now now);

#endif
