/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_BACKGROUND_H
#define CLOUDAUTHD_CACHE_BACKGROUND_H

#include <stdbool.h>

/* Requests for which no login or lookup waits. */

struct cache;

#define BACKGROUND_MAX 64 /* in flight, of all of them together */
/* Probes of one background_probe; it sends none while so many background requests are in flight. */
#define BACKGROUND_PROBES 32

/*
 * Asks the API again about documents whose last request failed, each after its back-off and as long
 * as the document may be used. Otherwise the first login after an outage would still be decided by
 * the last good document. To be called every second.
 */
void background_probe(struct cache *cache);

/*
 * Fetches the document of an environment that the change feed names, if none is known or if it was
 * named since the document was asked for; so a uid has its name before it is looked up. Bounded by
 * BACKGROUND_MAX, by a token bucket and by a back-off while the API fails. An environment with
 * bound ids that is not in memory has a document on the disk, and its next use asks for it. False:
 * not now; to be called again for the same environment a little later.
 */
#define BACKGROUND_PREFETCH_RATE  50 /* a second */
#define BACKGROUND_PREFETCH_BURST 100
bool background_prefetch(struct cache *cache, const char *project, const char *environment);

#endif
