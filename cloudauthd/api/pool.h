/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_POOL_H
#define CLOUDAUTHD_API_POOL_H

#include "base/loop.h"

#include <curl/curl.h>

/*
 * Runs libcurl's transfers on the event loop, on connections that are kept between them: up to
 * HTTP/2's many on one connection, or API_CONNECTIONS_MAX connections without HTTP/2.
 *
 * libcurl (7.88) keeps an HTTP/2 connection on which a transfer timed out, and puts the next ones
 * on it; if its peer has fallen silent, all of them would time out, for ever. So after a time-out
 * new transfers get new connections, and the old ones are closed when the last of their own
 * transfers has ended.
 */

struct pool;

/* The transfers that share connections. */
struct pool_group;

/* A transfer that was added has ended, and has left the pool. It may be freed, and
 * others added, within the call; pool_free may not be called. */
typedef void pool_done(void *arg, CURL *easy, CURLcode code);

/* NULL if libcurl or memory fails. loop outlives the pool. */
struct pool *pool_new(struct loop *loop, pool_done *done, void *arg);

/* All transfers have been removed before. */
void pool_free(struct pool *pool);

/* Starts a transfer. Returns what pool_remove needs; NULL if memory is out. */
struct pool_group *pool_add(struct pool *pool, CURL *easy);

/* Aborts a transfer that has not ended. */
void pool_remove(struct pool_group *group, CURL *easy);

#endif
