/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_LOGIN_PAM_H
#define CLOUDAUTHD_LOGIN_PAM_H

#include "cloudauthd/server/server.h"

/*
 * Handlers of pam_cloud's questions. PAM_ACCOUNT decides whether a login, or another PAM service
 * (su, cron), may have the account, and gives the sentence that a refused client is shown.
 * PAM_SESSION, asked when sshd has recorded the key, checks that it is the one that was granted and
 * opens the session (sessions.h). PAM_SESSION_END closes it.
 */

/* struct request's start. */
enum step pam_start_account(struct connection *connection);
enum step pam_start_session(struct connection *connection);
enum step pam_start_session_end(struct connection *connection);

/* struct request's answer and refuse, of PAM_ACCOUNT. */
void pam_answer_account(struct connection *connection, const struct cache_answer *known);
void pam_refuse_account(struct connection *connection, enum policy_reason reason,
                        const struct cache_answer *known);

#endif
