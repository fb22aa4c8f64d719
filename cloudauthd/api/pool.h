/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_POOL_H
#define CLOUDAUTHD_API_POOL_H

#include "base/loop.h"

#include <curl/curl.h>

/*
 * Runs libcurl's transfers on the event loop. Connections are kept for later transfers: with HTTP/2
 * many transfers share one connection, otherwise there are up to API_CONNECTIONS_MAX connections.
 *
 * After a transfer has timed out, libcurl (7.88) keeps its HTTP/2 connection and puts later
 * transfers on it. If the peer has fallen silent, these all time out as well. So after a timeout
 * new transfers get new connections, and the old connections are closed when the last of their
 * transfers has ended.
 */

struct pool;

/* A group of transfers that share a set of connections. */
struct pool_group;

/* Called when a transfer has ended and left the pool. May free the handle and add other transfers,
 * but must not call pool_free. */
typedef void pool_done(void *arg, CURL *easy, CURLcode code);

/* loop must outlive the pool. done is called with arg for each transfer that ends. */
struct pool *pool_new(struct loop *loop, pool_done *done, void *arg);

/* Frees the pool. All transfers must have ended or been removed. */
void pool_free(struct pool *pool);

/* Starts a transfer. Returns its group, for pool_remove, or NULL if memory is short. */
struct pool_group *pool_add(struct pool *pool, CURL *easy);

/* Aborts a transfer that has not ended. pool_done is not called for it. */
void pool_remove(struct pool_group *group, CURL *easy);

#endif
