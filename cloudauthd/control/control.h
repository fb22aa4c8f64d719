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
 *   SESSIONS   project, environment, kind, app, user id, mail, role, service, audit id, id,
 *              account, user, since (seconds since 1970), from, pid, key, state (open, ending,
 *              detached)
 *   STATUS     name, value, "#" if it is a number; in the order of the page of status
 *   DOCUMENTS  project, environment, plain login name, state, age, status, detail; the state
 *              "bound": it has ids and is not in memory
 *   EXPLAIN    "fact", name, value
 *              "rule", name, "yes" or "no" or "-" (not reached), detail
 *              "home", home, uid, gid and "mount", line of `mounts`: of an sFTP login that is
 *              granted; cloudauthctl checks that they exist
 *              "decision", token, the sentence that the client is shown
 *              "warning", text
 *   PEOPLE     "key", user name, user id, role, fingerprint, type, title, expiry (seconds since
 *              1970, or ""), verdict for the account
 *              "warning", text
 *   REFRESH    result (document, absent, unavailable, refused), status, why
 *   CONFIRM    the same, once the environment's absence is confirmed
 *   DENIALS    a denial in force, as denials_format writes it
 *   NAMED      "documents", how many documents of this page contain the denial's subject
 *   REBIND     name, value: project, environment, plain login name, uid, gid, sessions
 *
 * Page CLOUD_REBIND_LOOK of REBIND only shows the binding; CLOUD_REBIND_DO releases it, unless the
 * environment has sessions; CLOUD_REBIND_FORCE releases it with sessions as well. DENY, UNDENY and
 * REBIND are answered when the change is on the disk; meanwhile others are refused as busy.
 */

void status_answer(struct connection *connection);
void status_answer_documents(struct connection *connection);
void denials_answer_change(struct connection *connection);
void denials_answer_list(struct connection *connection);
void denials_answer_named(struct connection *connection);
void rebind_answer(struct connection *connection);

/* SESSIONS and SESSION_END. The answer to SESSION_END is CLOUD_ABSENT if there is no such session,
 * and CLOUD_REFUSED with reason cannot-end if the daemon cannot end it. */
void sessions_answer_list(struct connection *connection);
void sessions_answer_end(struct connection *connection);

/* EXPLAIN, PEOPLE, REFRESH and CONFIRM, as requests.c calls them. */
void explain_answer(struct connection *connection, const struct cache_answer *known);
void explain_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);
void people_answer(struct connection *connection, const struct cache_answer *known);
void people_refuse(struct connection *connection, enum policy_reason reason,
                   const struct cache_answer *known);
void refresh_answer(struct connection *connection, const struct cache_answer *known);
void refresh_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);

/* Parses the account, or "project/environment", of REFRESH, CONFIRM and REBIND into
 * connection->name. */
enum policy_reason refresh_check(struct connection *connection);

/* Parses the account as refresh_check does, and confirms the absence of its environment. The API is
 * then asked for the document. */
enum policy_reason confirm_check(struct connection *connection);
void confirm_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);

/* Why cloudauth does not handle the question's account on this host; "" if the reason is not about
 * the name. */
const char *explain_name_detail(const struct connection *connection, enum policy_reason reason);

#endif
