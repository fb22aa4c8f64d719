/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_SESSIONS_H
#define CLOUDAUTHD_CONTROL_SESSIONS_H

#include "cloudauthd/server/server.h"

/*
 * Handlers of SESSIONS, a page of the open sessions after the one whose id is asked for (lines as
 * sessions_list writes them), and of SESSION_END, which ends the session of that id: CLOUD_ABSENT
 * if there is none, CLOUD_REFUSED with reason cannot-end if the daemon cannot.
 */
enum step control_sessions_start(struct connection *connection);
enum step control_sessions_start_end(struct connection *connection);

#endif
