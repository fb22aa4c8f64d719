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

/*
 * The handlers of lookups, key offers and PAM, and what they share.
 */

/* Bytes of the detail of an audit line (login_name_person). */
#define LOGIN_DETAIL_SIZE 1024

/* A decision against a login. */
struct refusal {
    enum policy_reason reason;
    const struct cache_answer *known; /* the cache's answer; NULL: it was not asked */
    const struct document_key *key;   /* the key's entry in known->document; NULL: there is none */
};

/* Answers a question with a refusal. If the reason is POLICY_UNAVAILABLE or POLICY_UNUSABLE, it is
 * not known whether the account exists or may enter, and the status is CLOUD_UNAVAILABLE; else the
 * status is `otherwise`. */
void login_answer_no(struct connection *connection, enum policy_reason reason,
                     enum cloud_status otherwise);

/*
 * Whether the account is a login name of this host. Parses it into connection->name, and reads the
 * local accounts again, because they have precedence; connection->looked then says that they were
 * read. Returns POLICY_GRANTED, POLICY_NOT_OURS, POLICY_LOCAL, or POLICY_UNAVAILABLE if the local
 * accounts cannot be read.
 */
enum policy_reason login_check_name(struct connection *connection, const char *account);

/* Finds the sshd process that asks for a PAM step. False if that process has ended, or may have:
 * the connection's pid is certain only while the process lives. */
bool login_find_sshd(const struct connection *connection, struct process *out);

/* The fields of the audit line that follow from the question and the cache's answer (may be NULL).
 * Borrows the strings of both. */
struct audit login_audit(const struct connection *connection, enum policy_reason reason,
                         const struct cache_answer *known);

/* Adds the user, role and login_grant of a key, unless the key is NULL. */
void login_add_person(struct audit *audit, const struct document_key *key);

/* The reason that the document gives for the key, or else for its user; "" if it gives none. */
const char *login_grant(const struct document_key *key);

/*
 * Adds to the audit line of a refusal the user of audit->offered: by the document itself or, if
 * that has no such key, authority or person, by the documents that the cache has of other
 * environments of the project, however old. A certificate is of the user only where the document
 * has its authority. `detail`, of LOGIN_DETAIL_SIZE bytes, gets a sentence for the reader of the
 * line, or "". To be called after the decision, which must not depend on what is found here.
 */
void login_name_person(struct connection *connection, const struct refusal *refusal,
                       struct audit *audit, char *detail);

/* Parses a key or certificate into connection->offered, has_key and why. */
void login_parse_key(struct connection *connection, const char *type, const char *base64);

/* ---- Handlers, as requests.c calls them ---- */

/*
 * The questions of the NSS module, PASSWD_BY_NAME, PASSWD_BY_ID, GROUP_BY_NAME and GROUP_BY_ID: the
 * passwd or group entry of an environment's account. The answer is CLOUD_ABSENT for an account that
 * may not be used on this host, and CLOUD_UNAVAILABLE if it is not known whether it may.
 */
enum policy_reason lookup_check_id(struct connection *connection);
enum policy_reason lookup_check_group(struct connection *connection);
void lookup_answer(struct connection *connection, const struct cache_answer *known);
void lookup_refuse(struct connection *connection, enum policy_reason reason,
                   const struct cache_answer *known);

/*
 * KEYS, which cloud-authkeys (sshd's AuthorizedKeysCommand) asks for each key that a client offers.
 * The answer is the authorized_keys line of the key (sshd(8)), or CLOUD_REFUSED. PAM's account step
 * decides by the line that was last answered to the same sshd process (pending.h). offer_check
 * parses the key into connection->offered, as login_parse_key does.
 *
 * sshd asks first when a client offers a key, then when the client has signed, and then by PAM. A
 * document that grants the login settles the first question, however old it is (offer_suits), so
 * that the API is asked while the client signs; the later questions wait for the API's answer.
 */
enum policy_reason offer_check(struct connection *connection);
bool offer_suits(void *connection, const struct document *document);
void offer_answer(struct connection *connection, const struct cache_answer *known);
void offer_refuse(struct connection *connection, enum policy_reason reason,
                  const struct cache_answer *known);

/*
 * The questions of pam_cloud. PAM_ACCOUNT decides whether a login, or another PAM service (su,
 * cron), may have the account, and gives the sentence that a refused client is shown. PAM_SESSION
 * comes when sshd has recorded the key: it checks that this is the key that was granted, and opens
 * the session (sessions.h). PAM_SESSION_END closes the session.
 */
enum policy_reason pam_check_account(struct connection *connection);
void pam_answer_account(struct connection *connection, const struct cache_answer *known);
void pam_refuse_account(struct connection *connection, enum policy_reason reason,
                        const struct cache_answer *known);
void pam_open_session(struct connection *connection);
void pam_close_session(struct connection *connection);

#endif
