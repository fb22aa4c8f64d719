/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_REBIND_H
#define CLOUDAUTHD_CONTROL_REBIND_H

#include "cloudauthd/server/server.h"

/*
 * Answers REBIND (control.h) for the environment in connection->name: shows which uid and gid are
 * bound to it, or releases them. A release is answered when it is on the disk; one is under way at
 * a time, and meanwhile others are refused as busy.
 */
void rebind_answer(struct connection *connection);

#endif
