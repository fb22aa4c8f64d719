/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_CONTROL_H
#define CLOUDAUTHD_CONTROL_CONTROL_H

#include "access/policy.h"
#include "cloudauthd/server/server.h"

/*
 * The questions of cloudauthctl, which root alone may ask. Each answer is rows of fields with a tab
 * between them; a control character in a field is replaced by '?'. Rows that do not fit a packet
 * come on further pages.
 *
 *   STATUS     name, value
 *   DOCUMENTS  project, environment, plain login name, state, age, status, detail
 *   EXPLAIN    "fact", name, value | "rule", name, "yes" or "no" or "-" (not reached), detail |
 *              "home", home, uid, gid and "mount", line of `mounts` (of an sFTP login that is
 *              granted; cloudauthctl checks that they exist) | "decision", token, the sentence that
 *              the client is shown | "warning", text
 *   PEOPLE     "key", user name, user id, role, fingerprint, type, title, expiry (seconds since
 *              1970, or ""), verdict | "warning", text
 *   REFRESH    name, value: result (document, absent, unavailable, refused), reason, age, detail
 *   CONFIRM    the same, once the environment's absence is confirmed
 *   DENIALS    a denial, as denials_format writes it
 *   NAMED      "documents", how many documents of this page contain the denial's subject
 *   REBIND     name, value: project, environment, plain login name, uid, gid, sessions. Page
 *              CLOUD_REBIND_LOOK only shows them; CLOUD_REBIND_DO releases the binding, unless the
 *              environment has sessions, and answers when the release is on the disk;
 *              CLOUD_REBIND_FORCE releases it with sessions as well
 */

/* struct request's handlers (server.h). */
enum step control_start(struct connection *connection);
void control_answer(struct connection *connection, const struct cache_answer *known);
void control_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);

#endif
