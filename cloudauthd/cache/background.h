/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_BACKGROUND_H
#define CLOUDAUTHD_CACHE_BACKGROUND_H

#include <stdbool.h>

/* Requests to the API for which no login or lookup waits. */

struct cache;

#define BACKGROUND_MAX 64 /* greatest number of background requests in flight */
/* The most probes that one call of background_probe sends. It sends none while this many background
 * requests are in flight. */
#define BACKGROUND_PROBES 32

/*
 * Repeats failed requests after their back-off, while the document is within its outage bound, so
 * that the first login after an outage is decided by the API. Requests about a withheld absence
 * (limits.h) are repeated without a bound, because one withheld absence causes all others to be
 * withheld. Also resumes a survey (cache_survey) that could not list the stored documents. To be
 * called every second.
 */
void background_probe(struct cache *cache);

/*
 * Fetches the document of an environment that the change feed has named, if none is known or the
 * known one was requested before that, so that a uid has its name before a process looks it up.
 * Limited by BACKGROUND_MAX, a token bucket and, while the API fails, a back-off; without bound ids
 * also by the answers that wait for the host's other name services. Does nothing for an environment
 * with bound ids that is not in memory: its document is on the disk, and the next login or lookup
 * revalidates it. False if a limit is reached: to be called again for the same environment a little
 * later.
 */
#define BACKGROUND_PREFETCH_RATE  50 /* requests a second */
#define BACKGROUND_PREFETCH_BURST 100
bool background_prefetch(struct cache *cache, const char *project, const char *environment);

#endif
