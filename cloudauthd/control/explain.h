/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_EXPLAIN_H
#define CLOUDAUTHD_CONTROL_EXPLAIN_H

#include "access/policy.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/server/server.h"

/*
 * Answers EXPLAIN (control.h): would the holder of the question's key enter the question's account
 * now? known has a document that this host may use.
 */
void explain_answer(struct connection *connection, const struct cache_answer *known);

/* Answers EXPLAIN where the account's name is refused (known is NULL), or its document. */
void explain_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);

/* Answers PEOPLE: a page of the document's keys, each with its verdict for the account. */
void explain_answer_people(struct connection *connection, const struct cache_answer *known);

/* Why the question's account is not a login name that cloudauth handles on this host; "" for
 * reasons that are not about the name. */
const char *explain_name_detail(const struct connection *connection, enum policy_reason reason);

#endif
