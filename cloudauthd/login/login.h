/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_LOGIN_LOGIN_H
#define CLOUDAUTHD_LOGIN_LOGIN_H

#include "access/document.h"
#include "access/policy.h"
#include "base/process.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/server/server.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The handlers of lookups, key offers and PAM, and what they share.
 */

/* Size of the detail of an audit line (login_name_person). */
#define LOGIN_DETAIL_SIZE 1024

/* A decision against a login. */
struct refusal {
    enum policy_reason reason;
    const struct cache_answer *known; /* what the cache answered; NULL: it was not asked */
    const struct document_key *key;   /* the key in its document; NULL: not in it, or none */
};

/* Answers a question in the negative: POLICY_UNAVAILABLE and POLICY_UNUSABLE as CLOUD_UNAVAILABLE,
 * since whether the account exists or may enter is not known then; other reasons as `otherwise`. */
void login_answer_no(struct connection *connection, enum policy_reason reason,
                     enum cloud_status otherwise);

/*
 * Whether the account is a login name that this host takes from the project API. Parses it into
 * connection->name, and reads the local accounts again, which have precedence (connection->looked).
 * POLICY_GRANTED, POLICY_NOT_OURS, POLICY_LOCAL, or POLICY_UNAVAILABLE if those cannot be read.
 */
enum policy_reason login_check_name(struct connection *connection, const char *account);

/* The sshd process that asks for a PAM step. False if it has ended, or may have: only while it
 * lives is the pid of the connection its own. */
bool login_find_sshd(const struct connection *connection, struct process *out);

/* The audit line's fields that the question and the cache's answer (or NULL) determine. The strings
 * are borrowed from both. */
struct audit login_audit(const struct connection *connection, enum policy_reason reason,
                         const struct cache_answer *known);

/* Adds the user, role and fingerprint of a key, unless it is NULL. */
void login_add_person(struct audit *audit, const struct document_key *key);

/*
 * Adds to the audit line of a refusal the user that the key belongs to (audit->key is its
 * fingerprint): in the document itself, or else in a document that the cache has of another
 * environment of the project, however old. `detail`, of LOGIN_DETAIL_SIZE bytes, receives a
 * sentence for the line's reader, or "". To be called after the decision, which it has no part in.
 */
void login_name_person(struct connection *connection, const struct refusal *refusal,
                       struct audit *audit, char *detail);

/* ---- Handlers, as requests.c calls them ---- */

/*
 * The NSS module's questions, PASSWD_BY_NAME, PASSWD_BY_ID, GROUP_BY_NAME and GROUP_BY_ID: the
 * passwd or group entry of an environment's account. An account that may not be used here does not
 * exist (CLOUD_ABSENT); where that is not known the answer is CLOUD_UNAVAILABLE.
 */
enum policy_reason lookup_check_id(struct connection *connection);
enum policy_reason lookup_check_group(struct connection *connection);
void lookup_answer(struct connection *connection, const struct cache_answer *known);
void lookup_refuse(struct connection *connection, enum policy_reason reason,
                   const struct cache_answer *known);

/*
 * KEYS, which cloud-authkeys (sshd's AuthorizedKeysCommand) asks for each key that a client offers:
 * the authorized_keys line of the key (sshd(8)), or CLOUD_REFUSED. The line that was answered last
 * to an sshd process is what PAM's account step decides by (pending.h). offer_check parses the key
 * into connection->key.
 *
 * sshd asks first when a client offers a key, then when it has signed, and then by PAM. The first
 * question is settled by a document that grants the login, however fresh it is (offer_suits), so
 * that the API is asked while the client signs; the later ones wait for its answer.
 */
enum policy_reason offer_check(struct connection *connection);
bool offer_suits(void *connection, const struct document *document);
void offer_answer(struct connection *connection, const struct cache_answer *known);
void offer_refuse(struct connection *connection, enum policy_reason reason,
                  const struct cache_answer *known);

/*
 * pam_cloud's questions. PAM_ACCOUNT decides whether a login, or another PAM service (su, cron),
 * may have the account, and gives the sentence that a refused client is shown. PAM_SESSION, asked
 * when sshd has recorded the key, checks that it is the one that was granted and opens the session
 * (sessions.h). PAM_SESSION_END closes it.
 */
enum policy_reason pam_check_account(struct connection *connection);
void pam_answer_account(struct connection *connection, const struct cache_answer *known);
void pam_refuse_account(struct connection *connection, enum policy_reason reason,
                        const struct cache_answer *known);
void pam_open_session(struct connection *connection);
void pam_close_session(struct connection *connection);

#endif
