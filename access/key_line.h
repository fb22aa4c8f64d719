/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_KEY_LINE_H
#define CLOUD_ACCESS_KEY_LINE_H

#include "access/policy.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes the authorized_keys line (sshd(8)) of verdict->key, which must not be NULL: `restrict`,
 * the options that the document grants to this account, the key, and the id of the user as the
 * comment. If the verdict is not POLICY_GRANTED, the line lets the key only authenticate, with
 * nologin as its command, so that PAM can refuse the login and give the reason. False, with *out
 * empty, if the line does not fit.
 */
bool key_line_write(const struct document *document, const struct cloud_name *name,
                    const struct policy_verdict *verdict, char *out, size_t size);

#endif
