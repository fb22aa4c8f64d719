/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_LISTENER_H
#define CLOUDAUTHD_METRICS_LISTENER_H

#include "cloudauthd/server/context.h"

/*
 * GET /metrics over HTTP/1.1, on the Unix socket metrics_socket and on loopback, metrics_listen:
 * the text of figures.h. Monitoring is a guest: it has a few places, each for a few seconds, and
 * none of what it does wrong costs a login anything.
 *
 * A connection is for one request. A newcomer where all places are taken takes that of the oldest,
 * so that no number of silent connections keeps a scraper out for longer than they keep coming; the
 * socket's places are its own, which users that can only reach the port cannot take.
 */

#define METRICS_PLACES      8    /* connections, on the socket and on the port each */
#define METRICS_DEADLINE_MS 5000 /* of a connection, from accept to close */
#define METRICS_PATH        "/metrics"

struct metrics;

/* Listens where context's conf says. What cannot be listened on is logged, and is missing: it is no
 * reason not to start. NULL if memory is out. */
struct metrics *metrics_new(struct context *context);
void metrics_free(struct metrics *metrics);

/* The settings may have changed; what failed is tried again. */
void metrics_configure(struct metrics *metrics);

#endif
