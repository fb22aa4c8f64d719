/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_BACKOFF_H
#define CLOUD_NSS_CLOUD_BACKOFF_H

#include <stdint.h>

/*
 * How long a lookup of this process waits for a daemon that may be hung: less each time that one
 * has waited in vain, so that `ls -l` of a thousand owners does not wait a thousand times. Any
 * answer, and BACKOFF_BACK_MS without such a wait, gives all of it back.
 *
 * No lock and nothing that a fork could leave half done: threads that meet here may at worst count
 * a wait too few.
 */
#define BACKOFF_LEAST_MS 20    /* a daemon that works answers within a fraction of it */
#define BACKOFF_BACK_MS  10000 /* of cloud_clock_ms() */

/* Of `all` milliseconds, those to wait now. No system call. */
int backoff_ms(int all);

/* The daemon has answered, whatever it said. */
void backoff_answered(void);

/* There was no answer, to a question asked at `since` (cloud_clock_ms()) that was given `ms`. Where
 * the call ended sooner nobody was waited for, and nothing changes. */
void backoff_silence(int64_t since, int ms);

#endif
