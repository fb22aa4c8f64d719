/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_CONTROL_H
#define CLOUDAUTHD_CONTROL_CONTROL_H

#include "access/policy.h"
#include "cloudauthd/server/server.h"

/*
 * The questions of cloudauthctl, which only root may ask. Each answer is a list of rows, and a row
 * is fields with a tab between them; a control character in a field is replaced by '?'. Rows that
 * do not fit into a packet come on further pages.
 *
 *   SESSIONS   project, environment, kind, app, user id, mail, role, service, audit id, fingerprint
 *              of the authority or "", id, account, user, since (seconds since 1970), from, pid,
 *              key, serial of the certificate or "", state (open, ending, detached)
 *   STATUS     name, value, "#" if the value is a number; in the order in which cloudauthctl prints
 *              them
 *   DOCUMENTS  project, environment, main login name, state, age, until (seconds since 1970: when
 *              the document ceases to admit, or "" if its last request has not failed), status,
 *              detail; the state "bound" is that of an environment that has ids on this host and is
 *              not in memory
 *   EXPLAIN    "fact", name, value, "@" if the value is a time in seconds since 1970
 *              "rule", name, "yes" or "no", detail
 *              "home", home, uid, gid and "mount", line of `mounts`: for an sFTP login that is
 *              granted; cloudauthctl checks that the directories exist
 *              "decision", token, the sentence that the client is shown
 *              "warning", text
 *   PEOPLE     "key", user name, user id, role, fingerprint, type, title, expiry (seconds since
 *              1970, or ""), verdict for the account; then, for each person and authority, the same
 *              with the type "certificate" and the authority's fingerprint and title
 *              "warning", text
 *   REFRESH    result (document, absent, unavailable, refused), status, why
 *   CONFIRM    as REFRESH, after the operator has confirmed the environment's absence
 *   DENIALS    a denial in force, as denials_format writes it
 *   DENY       the denial of the same subject that was in force and is replaced, in the same form
 *   NAMED      "documents", how many documents of this page contain the denial's subject, "#"
 *   REBIND     name, value: project, environment, account (the main login name), uid, gid, sessions
 *
 * The page of a REBIND question says what to do: CLOUD_REBIND_LOOK only shows the binding,
 * CLOUD_REBIND_DO releases it unless the environment has sessions, CLOUD_REBIND_FORCE releases it
 * in any case. DENY, UNDENY and REBIND are answered when the change is on the disk. Until then,
 * another change of the same file (denials or bindings) gets CLOUD_UNAVAILABLE with reason busy.
 */

/* Returns when a document of that age (struct cache_view) ceases to admit people if the project API
 * keeps failing, in seconds since 1970; HEALTH_NO_TIME if the age is not known. The age and the
 * clock are each cut to a second, so that two results for one document may differ by one. */
int64_t status_until(const struct context *context, const struct document *document, uint32_t age);

void status_answer(struct connection *connection);
void status_answer_documents(struct connection *connection);
void denials_answer_change(struct connection *connection);
void denials_answer_list(struct connection *connection);
void denials_answer_named(struct connection *connection);
void rebind_answer(struct connection *connection);

/* SESSIONS and SESSION_END. The answer to SESSION_END is CLOUD_ABSENT if there is no such session,
 * and CLOUD_REFUSED with reason cannot-end if the daemon has no CAP_KILL. */
void sessions_answer_list(struct connection *connection);
void sessions_answer_end(struct connection *connection);

/* EXPLAIN, PEOPLE, REFRESH and CONFIRM. requests.c calls NAME_answer with a document that this host
 * may use, and NAME_refuse if there is none; `known` is NULL if the name itself is refused. */
void explain_answer(struct connection *connection, const struct cache_answer *known);
void explain_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);
void people_answer(struct connection *connection, const struct cache_answer *known);
void people_refuse(struct connection *connection, enum policy_reason reason,
                   const struct cache_answer *known);
void refresh_answer(struct connection *connection, const struct cache_answer *known);
void refresh_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);

/* Parses the account of REFRESH, CONFIRM or REBIND, a login name or "project/environment", into
 * connection->name. Returns POLICY_GRANTED, or why the name is refused. */
enum policy_reason refresh_check(struct connection *connection);

/* Parses the account as refresh_check does, and confirms that its environment is absent, so that
 * the API's next answer to that effect is believed. POLICY_REFUSED if no such answer is being
 * withheld. */
enum policy_reason confirm_check(struct connection *connection);
void confirm_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known);

/* Answers a question whose account this host does not serve: with CLOUD_REFUSED, the reason and a
 * sentence, or CLOUD_UNAVAILABLE if that is not known. */
void explain_refuse_name(struct connection *connection, enum policy_reason reason);

#endif
