/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_DENIALS_H
#define CLOUDAUTHD_CONTROL_DENIALS_H

#include "cloudauthd/server/server.h"

/* Answers DENY or UNDENY (control.h) when the change of the list is on the disk. */
void denials_answer_change(struct connection *connection);

/* Answers DENIALS: a page of the denials in force. */
void denials_answer_list(struct connection *connection);

/* Answers NAMED: how many of a page of documents contain the subject of the question's denial. */
void denials_answer_named(struct connection *connection);

#endif
