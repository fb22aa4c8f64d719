/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_MESSAGES_H
#define CLOUD_ACCESS_MESSAGES_H

#include "access/policy.h"

#include <stddef.h>

/* The reason of a refusal in words: for the person at the client, and for the audit log. */

/* What a message is about: a refused login. A pointer is NULL where the refusal came before it was
 * known. */
struct message {
    enum policy_reason reason;
    const struct document *document;
    const struct cloud_name *name;
    const char *account; /* the login name as it was given; never NULL */
    const struct document_key *key;
};

/* Writes the sentence that the person at the client reads; it is cut off if it does not fit. */
void messages_for_client(const struct message *message, char *out, size_t size);

/*
 * Writes the audit line's detail: what about the person's role is the reason, such as "key of
 * alice: role viewer, needs contributor"; "" if the reason's token says all of it.
 */
void messages_detail(const struct message *message, char *out, size_t size);

/*
 * The detail for a key that is unknown in the environment `here`, but is in the document of
 * environment `where` of the same project: "key of alice: contributor in production, not known in
 * staging".
 */
void messages_detail_elsewhere(const struct document_key *key, const char *where, const char *here,
                               char *out, size_t size);

/* Why account is not a login name that this host's grammar and `allow` take, for operators. */
const char *messages_not_a_login_name(const struct cloud_grammar *grammar, const char *account);

#endif
