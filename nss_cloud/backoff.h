/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_BACKOFF_H
#define CLOUD_NSS_CLOUD_BACKOFF_H

#include <stdint.h>

/*
 * How long a lookup of this process waits for the daemon. After each wait without an answer the
 * next wait is half as long, down to BACKOFF_MIN_MS, so that `ls -l` of a thousand owners does not
 * wait for a hung daemon a thousand times. An answer restores the full time, and so does a pause of
 * BACKOFF_RESET_MS.
 *
 * There is no lock, and no state that fork(2) could leave half written. If two threads meet here,
 * one of their waits may not be counted.
 */
#define BACKOFF_MIN_MS   20    /* a working daemon answers within a fraction of it */
#define BACKOFF_RESET_MS 10000 /* of cloud_clock_ms() */

/* The time to wait now, in milliseconds; full_ms for a daemon that answers. No system call. */
int backoff_timeout(int full_ms);

/* The daemon has answered, whatever the answer. */
void backoff_answered(void);

/* A call that began at `since` (cloud_clock_ms()) got no answer within timeout_ms. A call that
 * failed before that did not wait, and is not counted. */
void backoff_unanswered(int64_t since, int timeout_ms);

#endif
