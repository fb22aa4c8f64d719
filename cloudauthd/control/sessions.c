/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"
#include "cloudauthd/control/rows.h"

#include "cloudauthd/session/sessions.h"
#include "common/text.h"

#include <stdio.h>

static bool list_session(void *arg, const struct session *session, const char *state)
{
    const struct offered_key *offered = &session->offered;
    char key[KEY_FINGERPRINT_TEXT], ca[KEY_FINGERPRINT_TEXT] = "", serial[24] = "";
    char app[2 * CLOUD_NAME_MAX + 3];
    bool full;

    keys_fingerprint_text(offered->fingerprint, key);
    if (offered->certified) {
        keys_fingerprint_text(offered->ca, ca);
        snprintf(serial, sizeof serial, "%llu", (unsigned long long)offered->serial);
    }
    snprintf(app, sizeof app, "%s%s%s", session->name.app,
             session->name.worker[0] == '\0' ? "" : "--", session->name.worker);
    ROW(session->name.project, session->name.environment, policy_kind_word(session->name.kind), app,
        session->user_id, session->mail, session->role, session->service,
        CLOUD_DIGITS(session->audit), ca, session->id, session->account, session->user,
        CLOUD_DIGITS(session->since), session->from, CLOUD_DIGITS(session->monitor.pid), key,
        serial, state);
    full = rows_full();
    snprintf(arg, SESSION_ID_SIZE, "%s", full ? session->id : "");
    return !full;
}

void sessions_answer_list(struct connection *connection)
{
    char next[SESSION_ID_SIZE] = "";

    rows_start();
    sessions_each(connection->context->sessions, connection->question.session, list_session, next);
    rows_send_after(connection, next);
}

void sessions_answer_end(struct connection *connection)
{
    rows_start();
    switch (sessions_end(connection->context->sessions, connection->question.session)) {
    case SESSIONS_END_BEGUN:
        rows_send(connection, 0);
        break;
    case SESSIONS_END_UNKNOWN:
        rows_refuse(connection, CLOUD_ABSENT, "no-session", NULL);
        break;
    case SESSIONS_END_CANNOT:
    default:
        rows_refuse(connection, CLOUD_REFUSED, "cannot-end",
                    "cloudauthd has no CAP_KILL (session_recheck is 0, or was at its start)");
    }
}
