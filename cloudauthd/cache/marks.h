/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_MARKS_H
#define CLOUDAUTHD_CACHE_MARKS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When the change feed last named an environment, its project, or all of them. Environments share
 * a fixed number of marks by their hash, so that any number of names takes no memory: an
 * environment can seem to be named when another one is. Then its document is asked for once more,
 * and until the API has answered that, a login does not go on with it after connect_timeout, as
 * with one that is named (cache/request.c). Times are cloud_clock_ms().
 */

#define MARKS 65536

struct marks {
    uint64_t seed;       /* random, so that names from outside cannot be made to collide */
    int64_t all;         /* INT64_MIN: never */
    int64_t mark[MARKS]; /* 0: never */
};

/* False if there are no random bytes. */
bool marks_start(struct marks *marks);

/* Notes that the environment is named; NULL: all environments of the project. */
void marks_name(struct marks *marks, const char *project, const char *environment, int64_t now);

/* When the environment or its project was last named; 0: never. */
int64_t marks_named(const struct marks *marks, const char *project, const char *environment);

/* The same, or when all environments were last named, whichever is later; INT64_MIN: never. */
int64_t marks_last(const struct marks *marks, const char *project, const char *environment);

#endif
