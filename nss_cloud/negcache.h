/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_NEGCACHE_H
#define CLOUD_NSS_CLOUD_NEGCACHE_H

#include "common/wire.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A negative cache: names and ids that the daemon has just called absent. With it, find -nouser
 * does not ask the daemon about each file that a deleted environment has left behind. An entry is
 * valid for NEGCACHE_MS, and only together with the snapshot that lacked the record: when an
 * account is added, a new snapshot replaces that one.
 *
 * Any thread may call these functions at any time, and so may the child of a fork(2) that happened
 * at any moment: they never wait. An entry that is being written, or was never completed, counts as
 * missing.
 */
#define NEGCACHE_MS     1000 /* milliseconds (cloud_clock_ms()) */
#define NEGCACHE_PLACES 16   /* a new entry replaces the one that has its place */

struct negcache_key {
    enum cloud_op op;
    const char *name; /* longer than CLOUD_NAME_MAX: never cached; NULL: the key is `id` */
    uint32_t id;
    uint64_t file; /* the seed of the snapshot that lacks the record */
};

/* Whether the cache has a valid entry for the key. Makes no system call. */
bool negcache_has(const struct negcache_key *key);

void negcache_add(const struct negcache_key *key);

#endif
