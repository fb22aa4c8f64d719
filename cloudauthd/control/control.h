/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_CONTROL_H
#define CLOUDAUTHD_CONTROL_CONTROL_H

#include "access/policy.h"
#include "cloudauthd/server/server.h"

/*
 * What operators ask (cloudauthctl). Each answer is text: lines of fields with a tab between them,
 * control characters in a field replaced by '?'. What does not fit a packet goes on on a next page.
 *
 *   STATUS     name, value
 *   DOCUMENTS  project, environment, plain login name, state, age, status, detail
 *   EXPLAIN    "fact", name, value | "rule", name, "yes" or "no" or "-" (not reached), detail |
 *              "folders", home, uid, gid and "folder", line of `mounts` (of an sFTP login that is
 *              granted; the asker looks at them) | "decision", token, what the client is told
 *   PEOPLE     "key", user name, user id, role, fingerprint, type, title, expiry (seconds since
 *              1970, or ""), verdict | "warning", text
 *   REFRESH    name, value: result (document, absent, unavailable, refused), reason, age, detail
 *   DENIALS    as denials.h has them
 *   NAMED      "documents", how many of those on this page name what the denial in text does
 *   REBIND     name, value: project, environment, plain login name, uid, gid, sessions. With page
 *              CLOUD_REBIND_LOOK that is all; CLOUD_REBIND_DO takes the binding back, once that is
 *              on the disk, unless the environment has sessions; CLOUD_REBIND_FORCE then too
 */

/* struct request's handlers (server.h). */
enum step control_start(struct connection *connection);
void control_answer(struct connection *connection, const struct cache_answer *known);
void control_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);

#endif
