/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_REQUESTS_H
#define CLOUDAUTHD_REQUESTS_H

#include "cloudauthd/server/server.h"

/*
 * Answers the connection's question. A table says for each opcode who may ask and which handlers
 * answer. Leads to exactly one server_answer, at once or later.
 */
void requests_handle(struct connection *connection);

#endif
