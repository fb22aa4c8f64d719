/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_SCRAPE_H
#define CLOUDAUTHD_METRICS_SCRAPE_H

#include "cloudauthd/server/server.h"

/*
 * Answers CLOUD_OP_METRICS with the text of metrics.h. It first visits all documents of the cache,
 * a slice in each turn of the loop, so that no login waits for it on a host with many documents.
 * Questions that come meanwhile are answered with the same text.
 */

#define SCRAPE_WAITING_MAX 8 /* connections; further ones are told "busy" */

struct scrape;

/* NULL if memory is out. context outlives it. */
struct scrape *scrape_new(struct context *context);

/* To be called when no connection is left (server_free). */
void scrape_free(struct scrape *scrape);

/* Answers METRICS: at once, or when all documents have been visited. */
void scrape_start(struct connection *connection);

#endif
