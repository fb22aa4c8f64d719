/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_NEGCACHE_H
#define CLOUD_NSS_CLOUD_NEGCACHE_H

#include "common/wire.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What the daemon has told this process to be absent a moment ago, so that find -nouser does not
 * ask once for each file that a deleted environment has left. It is believed for ABSENT_MS, and
 * only beside the very file of accounts that lacked it: with an account that comes, that file is
 * replaced.
 *
 * Any thread may come here at any time, also after a fork at any instant: nothing here waits, and
 * what somebody else is writing, or will never have written, is not known.
 */
#define ABSENT_MS    1000 /* of cloud_clock_ms() */
#define ABSENT_SLOTS 16   /* a power of two; of two that meet in one the later stays */

struct negcache {
    enum cloud_op op;
    const char *name; /* at most CLOUD_NAME_MAX characters; or NULL: by id */
    uint32_t id;
    uint64_t file; /* the seed of the file that lacks it */
};

/* No system call. */
bool negcache_known(const struct negcache *absent);

void negcache_remember(const struct negcache *absent);

#endif
