/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_REQUESTS_H
#define CLOUDAUTHD_REQUESTS_H

#include "cloudauthd/server/server.h"

/*
 * The questions that the daemon answers: a table of opcode, who may ask, and the handlers. Handles
 * the connection's question, which leads to exactly one server_answer, at once or later.
 */
void requests_handle(struct connection *connection);

#endif
