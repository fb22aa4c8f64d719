/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_LIMITS_H
#define CLOUDAUTHD_CACHE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The cache's limits: how many requests are sent, how long to wait after a failure, and how many
 * environments may turn absent. The state is in the structs. Times are cloud_clock_ms(). */

/*
 * Documents of more than LIMITS_READ_MAX bytes are verified and parsed by a worker thread: to parse
 * 4 MiB takes 30 to 160 ms, and no other login or lookup is to wait for that; 16 KiB take half a
 * millisecond. If more than LIMITS_UNREAD_MAX bytes wait for the worker, another such answer is a
 * failure.
 */
#define LIMITS_READ_MAX   16384u
#define LIMITS_UNREAD_MAX ((size_t)32 << 20)

/* A token bucket. Zeroed, it is full. */
struct bucket {
    bool started;
    uint32_t thousandths; /* tokens that are left, in thousandths */
    int64_t at;           /* cloud_clock_ms() of the last limits_take_token */
};

/* Takes one token from a bucket that holds at most `burst` tokens and gets `rate` a second. False
 * if it is empty. */
bool limits_take_token(struct bucket *bucket, uint32_t rate, uint32_t burst, int64_t now);

/* Returns how many milliseconds to wait after a failed request: 1000, 2000, 4000, 8000 and then
 * 15000, or retry_after seconds, for which the server asked, if that is more. failures is how many
 * requests failed before this one in a row, counted up to LIMITS_FAILURES_MAX. */
#define LIMITS_FAILURES_MAX 1000
int64_t limits_back_off(unsigned failures, uint32_t retry_after);

/*
 * The guard against mass absence. A few environments that turn absent have been deleted; many at
 * once are more likely an error of the API. If more than GUARD_COUNT and more than GUARD_PERCENT of
 * the known environments would turn absent within ten minutes, the answer is withheld (not
 * believed), and so is every further one while one is withheld: until an operator confirms it, or
 * the API answers otherwise. A zeroed guard has seen no absence.
 */
#define GUARD_COUNT   3
#define GUARD_PERCENT 20
#define GUARD_MINUTES 11 /* ten whole minutes and the current one */

struct guard {
    int64_t minute[GUARD_MINUTES]; /* minutes since boot; absent[i] belongs to minute[i] */
    size_t absent[GUARD_MINUTES];  /* absences that were believed in minute[i] */
};

/* Whether one more absence may be believed. known: the number of environments with a document, the
 * one that turns absent among them. */
bool limits_may_believe(const struct guard *guard, size_t known, int64_t now);

/* Counts an absence that was believed. */
void limits_count_absence(struct guard *guard, int64_t now);

#endif
