/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_STATUS_H
#define CLOUDAUTHD_CONTROL_STATUS_H

#include "cloudauthd/server/server.h"

/* Answers STATUS (control.h): how the daemon, its API, documents, credentials and snapshot are. */
void status_answer(struct connection *connection);

/* Answers DOCUMENTS: a page of the documents that the cache knows. */
void status_answer_documents(struct connection *connection);

#endif
