/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_LOGIN_LOOKUP_H
#define CLOUDAUTHD_LOGIN_LOOKUP_H

#include "cloudauthd/server/server.h"

/*
 * Handlers of the NSS module's questions, PASSWD_BY_NAME, PASSWD_BY_ID, GROUP_BY_NAME and
 * GROUP_BY_ID: the passwd or group entry of an environment's account. An account that may not be
 * used here does not exist (CLOUD_ABSENT); where that is not known the answer is CLOUD_UNAVAILABLE.
 */

/* struct request's start: checks the name or id asked for. */
enum step lookup_start_by_name(struct connection *connection);
enum step lookup_start_by_id(struct connection *connection);

/* struct request's answer and refuse. */
void lookup_answer(struct connection *connection, const struct cache_answer *known);
void lookup_refuse(struct connection *connection, enum policy_reason reason,
                   const struct cache_answer *known);

#endif
