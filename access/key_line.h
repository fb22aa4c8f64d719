/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_KEY_LINE_H
#define CLOUD_ACCESS_KEY_LINE_H

#include "access/policy.h"

#include "base/digest.h"
#include "common/text.h"

/*
 * Adds the authorized_keys lines (sshd(8)) for verdict->key, which must not be NULL, separated by
 * newlines. A line has the option `restrict`, the options that the document grants to this account,
 * the key, and the id of the user as the comment. If the verdict is not POLICY_GRANTED, there is at
 * most one line (policy_gets_line), with nologin as its command: the client can only authenticate
 * with the key, and PAM then refuses the login and gives the reason.
 *
 * If the key or its user has a `from`, it is an option of the line, and for a client from another
 * address sshd goes on to the next line. For that case there are lines for the other users who have
 * this key and may enter and, if all these lines have a `from`, a last line with nologin, unless
 * policy_gets_line refuses it. Sets out->cut if the lines do not fit.
 *
 * If the key has `verify` for one of these users, each line has `verify-required`: PAM may choose
 * another of these users than sshd does, because with `UseDNS yes` PAM gets the client's host name,
 * not its address. Returns whether the lines have `verify-required`.
 */
bool key_line_write(const struct document *document, const struct cloud_name *name,
                    const struct policy_verdict *verdict, const struct policy_visit *visit,
                    struct cloud_text *out);

/*
 * Writes a digest of what the lines of a granted key permit under that login name: commands and
 * sFTP, a terminal, the agent and the forwards, which are the same for all users and keys. The
 * order of the document's lists does not count. The other options are not in it, because
 * policy_login judges again what they say: from, expiry-time, the principal and verify-required.
 * False if that is not possible: OpenSSL fails, or no line could hold the forwards.
 */
bool key_line_grants(const struct document *document, const struct cloud_name *name,
                     unsigned char out[DIGEST_SIZE]);

#endif
