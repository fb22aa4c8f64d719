/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_REQUESTS_H
#define CLOUD_BROKER_REQUESTS_H

#include "server.h"

/*
 * The questions that the broker answers: a table of opcode, who may ask, and what to do. Handles
 * a connection's question; ends, at once or later, in one server_answer.
 */
void requests_handle(struct connection *connection);

#endif
