/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_BACKOFF_H
#define CLOUD_NSS_CLOUD_BACKOFF_H

#include <stdint.h>

/*
 * How long a lookup of this process waits for the daemon. After each wait without an answer the
 * next wait is half as long, down to BACKOFF_MIN_MS, so that `ls -l` on files of a thousand owners
 * does not wait for a hung daemon a thousand times. An answer restores the full time, and so does a
 * pause of BACKOFF_RESET_MS since the last wait.
 *
 * There is no lock, and no state that fork(2) could leave half written. If two threads call these
 * functions at the same time, one of their waits may not be counted.
 */
#define BACKOFF_MIN_MS   20    /* milliseconds; a working daemon answers in a fraction of that */
#define BACKOFF_RESET_MS 10000 /* milliseconds (cloud_clock_ms()) */

/* Returns the time to wait for the next answer, in milliseconds: full_ms, or less after calls
 * without an answer. Makes no system call. */
int backoff_timeout(int full_ms);

/* To be called when the daemon has answered, with whatever status. */
void backoff_answered(void);

/* To be called when the daemon has not answered a call, which began at `since` (cloud_clock_ms()).
 * A call that took less than timeout_ms is not counted: it failed at once instead of waiting. */
void backoff_unanswered(int64_t since, int timeout_ms);

#endif
