/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_KEY_LINE_H
#define CLOUD_ACCESS_KEY_LINE_H

#include "access/policy.h"

#include "common/text.h"

/*
 * Adds the authorized_keys lines (sshd(8)) of verdict->key, which must not be NULL, with newlines
 * between them. A line is `restrict`, the options that the document grants to this account, the
 * key, and the id of the user as the comment. If the verdict is not POLICY_GRANTED, the only line
 * has nologin as its command: the key can only authenticate, and PAM then refuses the login and
 * gives the reason.
 *
 * If the key or its user has a `from`, the line has it as an option, and sshd goes on to the next
 * line for a client from elsewhere: to that of the next user with this key who may enter, and at
 * last, unless policy_gets_line refuses it, to a line with nologin. Sets out->cut if the lines do
 * not fit.
 *
 * If one of these users has the key with `verify`, each line has `verify-required`, because PAM may
 * find another user than sshd does (with `UseDNS yes` PAM gets the client's name, not its address).
 * Returns whether the lines have `verify-required`.
 */
bool key_line_write(const struct document *document, const struct cloud_name *name,
                    const struct policy_verdict *verdict, const struct policy_visit *visit,
                    struct cloud_text *out);

#endif
