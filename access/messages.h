/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_MESSAGES_H
#define CLOUD_ACCESS_MESSAGES_H

#include "access/policy.h"

#include <stddef.h>

/* The reason of a refusal in words: for the person at the client, and for the audit log. */

/* A refused login, which a message is about. A pointer is NULL if the login was refused before the
 * value was known. */
struct message {
    enum policy_reason reason;
    const struct document *document;
    const struct cloud_name *name;
    const char *account; /* the login name as it was given; never NULL */
    const struct document_key *key;
    const char *from; /* the client's address */
};

/* Writes the sentence that the person at the client reads; it is cut off if it does not fit. */
void messages_for_client(const struct message *message, char *out, size_t size);

/* Writes all that PAM shows at the client: the sentence, and for POLICY_MFA two lines before it,
 * from which the platform's client program takes what it must log in again for. */
void messages_for_pam(const struct message *message, char *out, size_t size);

/*
 * Writes the detail of the audit line: how the person's role is the reason, such as "key of alice:
 * role viewer, needs contributor". "" if the reason's token says everything.
 */
void messages_detail(const struct message *message, char *out, size_t size);

/*
 * Writes the detail for a key that the document of the environment `here` does not contain, but
 * that of the environment `where` of the same project does: "key of alice: contributor in
 * production, not known in staging".
 */
void messages_detail_elsewhere(const struct document_user *user, const char *where,
                               const char *here, char *out, size_t size);

/* Why this host does not take the account for a login name, for operators: grammar, reservation or
 * `allow`. */
const char *messages_not_a_login_name(const struct cloud_grammar *grammar, const char *account);

#endif
