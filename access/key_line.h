/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_KEY_LINE_H
#define CLOUD_ACCESS_KEY_LINE_H

#include "access/policy.h"

#include "common/text.h"

/*
 * Adds the authorized_keys lines (sshd(8)) of verdict->key, which must not be NULL, with newlines
 * between them. A line is `restrict`, the options that the document grants to this account, the
 * key, and the id of the user as the comment. If the verdict is not POLICY_GRANTED, the line lets
 * the key only authenticate, with nologin as its command, so that PAM can refuse the login and give
 * the reason.
 *
 * If the key or its user has a `from`, the line has it as an option; sshd goes on to the next line
 * for a client from elsewhere. That is the line of the next user with this key who may enter, and
 * at the end the line with nologin. out->cut if the lines do not fit.
 */
void key_line_write(const struct document *document, const struct cloud_name *name,
                    const struct policy_verdict *verdict, const struct policy_visit *visit,
                    struct cloud_text *out);

#endif
