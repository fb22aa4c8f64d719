/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_REQUESTS_H
#define CLOUDAUTHD_REQUESTS_H

#include "cloudauthd/server/server.h"

/*
 * The questions that the daemon answers: a table of opcode, who may ask, and what to do. Handles
 * a connection's question; ends, at once or later, in one server_answer.
 */
void requests_handle(struct connection *connection);

/* cache_accept: whether this host may use the document; if so its uid and gid are bound to its
 * environment. arg is the context. */
cache_accept admission_accept;

#endif
