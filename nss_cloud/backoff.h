/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_BACKOFF_H
#define CLOUD_NSS_CLOUD_BACKOFF_H

#include <stdint.h>

/*
 * How long a lookup of this process waits for the daemon. Each wait that ends without an answer
 * halves the next one, down to BACKOFF_MIN_MS, so that `ls -l` of a thousand owners does not wait
 * for a hung daemon a thousand times. Any answer restores the full time, and so do
 * BACKOFF_RESET_MS without such a wait.
 *
 * There is no lock, and no state that fork(2) could leave half written. Threads that meet here may
 * lose one wait from the count.
 */
#define BACKOFF_MIN_MS   20    /* a working daemon answers within a fraction of it */
#define BACKOFF_RESET_MS 10000 /* of cloud_clock_ms() */

/* The milliseconds to wait now, of full_ms for a daemon that answers. No system call. */
int backoff_timeout(int full_ms);

/* The daemon has answered, whatever the answer. */
void backoff_answered(void);

/* A call of `since` (cloud_clock_ms()) got no answer within timeout_ms. A call that failed sooner
 * did not wait, and is not counted. */
void backoff_unanswered(int64_t since, int timeout_ms);

#endif
