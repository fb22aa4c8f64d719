/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_LOGIN_OFFER_H
#define CLOUDAUTHD_LOGIN_OFFER_H

#include "cloudauthd/server/server.h"

/*
 * Handlers of KEYS, which cloud-authkeys (sshd's AuthorizedKeysCommand) asks for each key that a
 * client offers: the authorized_keys line of the key (sshd(8)), or CLOUD_REFUSED. The line that was
 * answered last to an sshd process is what PAM's account step decides by (pending.h).
 */

/* struct request's start: parses the key (connection->key) and checks the name. */
enum step offer_start(struct connection *connection);

/* struct request's answer and refuse. */
void offer_answer(struct connection *connection, const struct cache_answer *known);
void offer_refuse(struct connection *connection, enum policy_reason reason,
                  const struct cache_answer *known);

#endif
