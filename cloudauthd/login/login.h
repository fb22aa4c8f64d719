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

/* A refusal of a login, or of an offered key. */
struct refusal {
    enum policy_reason reason;
    const struct cache_answer *known; /* the cache's answer; NULL if the cache was not asked */
    const struct document_key *key; /* the key's entry in known->document; NULL if there is none */
};

/* Returns the status of a refusal: CLOUD_UNAVAILABLE if the reason is POLICY_UNAVAILABLE or
 * POLICY_UNUSABLE, because it is not known then whether the account exists or may enter; for any
 * other reason `otherwise`. */
enum cloud_status login_status(enum policy_reason reason, enum cloud_status otherwise);

/* Answers a question with a refusal, of which the status is that of login_status. */
void login_answer_no(struct connection *connection, enum policy_reason reason,
                     enum cloud_status otherwise);

/*
 * Judges whether the account is a login name of this host (admission_judge_name), and parses it
 * into connection->name. Reads the local accounts again, because they take precedence, and sets
 * connection->looked if it has read them. Returns POLICY_GRANTED; POLICY_NOT_OURS if it is not a
 * login name here; POLICY_LOCAL if it is a local user or group; or POLICY_UNAVAILABLE if the local
 * accounts cannot be read.
 */
enum policy_reason login_check_name(struct connection *connection, const char *account);

/* Finds the sshd process that asks for a PAM step, which is the peer. False if it has ended:
 * another process may have its pid by now. */
bool login_find_sshd(const struct connection *connection, struct process *out);

/* Returns the fields of the audit line that follow from the question and from the cache's answer
 * (NULL: none). They borrow the strings of both. */
struct audit login_audit(const struct connection *connection, enum policy_reason reason,
                         const struct cache_answer *known);

/* Adds the key's user, with role and login_grant, to the audit line. Does nothing if key is
 * NULL. */
void login_add_person(struct audit *audit, const struct document_key *key);

/* Returns the reason that the document gives for the key's access or, if it gives none, for that of
 * the key's user; "" if it gives neither. */
const char *login_grant(const struct document_key *key);

/*
 * Adds to the audit line of a refusal the user whose key or certificate audit->offered is. If the
 * document does not know the key, the certificate's authority or its user, searches the documents
 * in memory of the project's other environments, however old they are. A document names the user of
 * a certificate only if it has the certificate's authority. `detail`, of LOGIN_DETAIL_SIZE bytes,
 * gets a sentence for the reader of the line, or "". To be called after the decision, which must
 * not depend on what is found here.
 */
void login_name_person(struct connection *connection, const struct refusal *refusal,
                       struct audit *audit, char *detail);

/* Parses a key or certificate into connection->offered. Sets connection->has_key to whether that
 * was possible, and connection->why to what is wrong with the key or certificate, or NULL. */
void login_parse_key(struct connection *connection, const char *type, const char *base64);

/* ---- Handlers, as requests.c calls them ---- */

/*
 * The questions of the NSS module, PASSWD_BY_NAME, PASSWD_BY_ID, GROUP_BY_NAME and GROUP_BY_ID: the
 * passwd or group entry of an environment's account. The answer is CLOUD_ABSENT for an account that
 * does not exist or may not be used on this host, and CLOUD_UNAVAILABLE if that is not known.
 */
enum policy_reason lookup_check_id(struct connection *connection);
enum policy_reason lookup_check_group(struct connection *connection);
void lookup_answer(struct connection *connection, const struct cache_answer *known);
void lookup_refuse(struct connection *connection, enum policy_reason reason,
                   const struct cache_answer *known);

/*
 * KEYS, which cloud-authkeys (sshd's AuthorizedKeysCommand) asks for each key that a client offers.
 * The answer has the authorized_keys line of the key (sshd(8)), or refuses the key. PAM's account
 * step goes by the key of the last line that was answered to the same sshd process (pending.h).
 * offer_check parses the key into connection->offered, as login_parse_key does.
 *
 * sshd asks first when a client offers a key, again when the client has signed, and then through
 * PAM. A document that grants the login answers the first question even if it is no longer fresh,
 * within its bound (offer_suits), so that the API is asked while the client signs; the later
 * questions wait for the API's answer.
 */
struct offer {
    struct policy_verdict verdict; /* what the lines are for */
    const char *lines;             /* valid until the next offer_write */
    bool verify;                   /* the lines have verify-required */
};

/* Writes the lines for connection->offered. Returns POLICY_GRANTED, or why the key gets none; if
 * that is POLICY_LINE_TOO_LONG, connection->why says it. */
enum policy_reason offer_write(struct connection *connection, const struct document *document,
                               struct offer *out);
enum policy_reason offer_check(struct connection *connection);
bool offer_suits(void *connection, const struct document *document);
void offer_answer(struct connection *connection, const struct cache_answer *known);
void offer_refuse(struct connection *connection, enum policy_reason reason,
                  const struct cache_answer *known);

/*
 * The questions of pam_cloud. PAM_ACCOUNT decides whether an SSH login, or another PAM service (su,
 * cron), may use the account; the answer to a refusal has the sentence that the client is shown.
 * PAM_SESSION comes when sshd has recorded the key: it checks that this is the key for which the
 * login was granted, and opens the session (sessions.h). PAM_SESSION_END closes the session.
 */
enum policy_reason pam_check_account(struct connection *connection);
void pam_answer_account(struct connection *connection, const struct cache_answer *known);
void pam_refuse_account(struct connection *connection, enum policy_reason reason,
                        const struct cache_answer *known);
void pam_open_session(struct connection *connection);
void pam_close_session(struct connection *connection);

#endif
