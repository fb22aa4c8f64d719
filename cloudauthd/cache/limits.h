/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_LIMITS_H
#define CLOUDAUTHD_CACHE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Two small judges of the cache, pure but for what stands in their structs. Times are
 * cloud_clock_ms().
 */

/* A token bucket: how many requests may go for names that nobody knows. Zeroed, it is full. */
struct bucket {
    bool started;
    uint32_t thousandths; /* of tokens that are left */
    int64_t at;
};

/* Takes a token of a bucket of burst tokens that fills by rate a second; false: it is empty. */
bool bucket_take(struct bucket *bucket, uint32_t rate, uint32_t burst, int64_t now);

/*
 * Environments that turn absent: a few are deleted, many at once are somebody's broken path. More
 * than GUARD_COUNT and more than 20 % of the known ones within 10 minutes trip the guard.
 */
#define GUARD_COUNT   3
#define GUARD_PERCENT 20
#define GUARD_MINUTES 11 /* ten whole ones, and the one that runs */

struct guard {
    bool tripped;
    int64_t minute[GUARD_MINUTES]; /* since boot, and how many in it */
    size_t absent[GUARD_MINUTES];
};

/*
 * An environment turned absent, of known ones (itself among them). True: it may be believed.
 * False: it is taken for an outage, as all further ones are until guard_confirm.
 */
bool guard_believes(struct guard *guard, size_t known, int64_t now);

/* An operator says that it is so. */
void guard_confirm(struct guard *guard);

#endif
