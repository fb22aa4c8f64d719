/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_MESSAGES_H
#define CLOUD_ACCESS_MESSAGES_H

#include "access/policy.h"

#include <stddef.h>

/* Texts that give the reason for a refusal: for the person at the client, and for the audit log. */

/* The refused login that a text is about. A pointer is NULL if the login was refused before the
 * value was known. */
struct message {
    enum policy_reason reason;
    const struct document *document;
    const struct cloud_name *name;
    const char *account; /* the login name that the client gave; never NULL */
    const struct document_key *key;
    const char *from;                  /* the client's address, or its host name */
    const struct offered_key *offered; /* the person's key or certificate, for the details */
};

/* Writes the sentence that the person at the client reads. Parts that do not fit are left out. */
void messages_for_client(const struct message *message, char *out, size_t size);

/* Writes the text that PAM shows at the client: the sentence, and for POLICY_MFA two lines before
 * it that tell the platform's client program how the person must authenticate again. */
void messages_for_pam(const struct message *message, char *out, size_t size);

/*
 * Writes the value of detail= in the audit line. For POLICY_ROLE and POLICY_ROLE_SFTP_ONLY, this is
 * the person's role and the required role ("key of alice: role viewer, needs contributor"); for
 * POLICY_CERTIFICATE_UNKNOWN, the certificate's serial and key id; otherwise "".
 */
void messages_detail(const struct message *message, char *out, size_t size);

/*
 * Writes the value of detail= for a key or certificate of `user` that is not known in the
 * environment of message->name, but is in the environment `where` of the same project: "key of
 * alice: contributor in production, not known in staging". For a certificate of an authority that
 * only `where` has: "certificate 7 of alice: contributor in production, by an authority that is not
 * accepted in staging".
 */
void messages_detail_elsewhere(const struct message *message, const struct document_user *user,
                               const char *where, char *out, size_t size);

/* Returns a static text that tells an operator why the account is not a login name on this host: it
 * does not fit the grammar, is reserved, or is not matched by `allow`. */
const char *messages_not_a_login_name(const struct cloud_grammar *grammar, const char *account);

#endif
