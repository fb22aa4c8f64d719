/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_LIMITS_H
#define CLOUDAUTHD_CACHE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The cache's limits: how many requests are sent, how long to wait after a failure, and how many
 * environments may turn absent. All state is in the structs that the caller passes. Times are
 * cloud_clock_ms(). */

/*
 * A worker thread verifies and parses documents of more than LIMITS_READ_MAX bytes, so that other
 * logins and lookups do not wait: parsing 4 MiB takes 30 to 160 ms, 16 KiB half a millisecond.
 * While more than LIMITS_UNREAD_MAX bytes wait for the worker, a further such answer counts as a
 * failed request; that of a background request already while more than half of them wait.
 */
#define LIMITS_READ_MAX   16384u
#define LIMITS_UNREAD_MAX ((size_t)32 << 20)

/* The most answers that wait for the host's other name services, which have LIMITS_UNREAD_MAX bytes
 * of their own. A further one counts as a failed request. */
#define LIMITS_ASKING_MAX 1000

/* A token bucket. A zeroed bucket is full. */
struct bucket {
    bool started;
    uint32_t thousandths; /* thousandths of tokens that are left */
    int64_t at;           /* cloud_clock_ms() of the last limits_take_token */
};

/* Takes one token from a bucket that holds at most `burst` tokens and gets `rate` a second. False
 * if it is empty. */
bool limits_take_token(struct bucket *bucket, uint32_t rate, uint32_t burst, int64_t now);

/*
 * Returns how many milliseconds to wait after a failed request: 1000, 2000, 4000, 8000 and then
 * always 15000, or retry_after seconds, for which the server asked, if that is longer. `failures`
 * is the number of failed requests in a row before this one; callers do not count beyond
 * LIMITS_FAILURES_MAX.
 */
#define LIMITS_FAILURES_MAX 1000
int64_t limits_back_off(unsigned failures, uint32_t retry_after);

/*
 * The guard against mass absence. If a few environments turn absent, they have been deleted; if
 * many do at once, an error of the API is more likely. An answer is withheld (not believed) if with
 * it more than GUARD_COUNT environments, and more than GUARD_PERCENT % of the known ones, would
 * have turned absent within ten minutes. An environment that returns and turns absent again counts
 * once, for the ten minutes after the last time. While any answer is withheld, every further
 * absence is withheld as well. An answer stays withheld until an operator confirms it or the API
 * says that the environment exists. An environment whose ids are bound counts as known if its
 * stored document could not be read, or is not used: after a change of access_url all are of
 * another API. A zeroed guard has seen no absence.
 */
#define GUARD_COUNT   3
#define GUARD_PERCENT 20
#define GUARD_MINUTES 11 /* ten whole minutes and the current one */

struct guard {
    int64_t
        minute[GUARD_MINUTES]; /* the minute to which absent[i] belongs (minute_of in limits.c) */
    size_t
        absent[GUARD_MINUTES]; /* environments whose most recent counted absence was in minute[i] */
};

/*
 * Whether to believe that an environment is absent; if so, counts it. `known` is the number of
 * environments with a document, including this one. *counted belongs to the environment, and says
 * when it was last counted; 0: never. A *counted that is lost only makes the guard withhold sooner.
 */
bool limits_believe_absence(struct guard *guard, size_t known, int64_t *counted, int64_t now);

#endif
