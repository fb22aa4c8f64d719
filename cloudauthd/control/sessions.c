/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"
#include "cloudauthd/control/rows.h"

#include "cloudauthd/login/login.h"
#include "cloudauthd/session/sessions.h"

#include <stdio.h>

static bool list_session(void *arg, const struct session *session, const char *state)
{
    const struct offered_key *offered = &session->offered;
    char key[KEY_FINGERPRINT_TEXT], ca[KEY_FINGERPRINT_TEXT] = "", serial[24] = "";
    char app[2 * CLOUD_NAME_MAX + 3], since[24], pid[16], audit[16];
    bool full;

    keys_fingerprint_text(offered->fingerprint, key);
    if (offered->certified) {
        keys_fingerprint_text(offered->ca, ca);
        snprintf(serial, sizeof serial, "%llu", (unsigned long long)offered->serial);
    }
    snprintf(app, sizeof app, "%s%s%s", session->name.app,
             session->name.worker[0] == '\0' ? "" : "--", session->name.worker);
    snprintf(since, sizeof since, "%lld", (long long)session->since);
    snprintf(pid, sizeof pid, "%d", (int)session->monitor.pid);
    snprintf(audit, sizeof audit, "%u", session->audit);
    ROW(session->name.project, session->name.environment, policy_kind_word(session->name.kind), app,
        session->user_id, session->mail, session->role, session->service, audit, ca, session->id,
        session->account, session->user, since, session->from, pid, key, serial, state);
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
    struct cloud_answer ending = {.status = CLOUD_OK};
    struct cloud_answer cannot = {
        .status = CLOUD_REFUSED,
        .reason = "cannot-end",
        .message = "cloudauthd has no CAP_KILL (session_recheck is 0, or was at its start)"};

    switch (sessions_end(connection->context->sessions, connection->question.session)) {
    case SESSIONS_END_BEGUN:
        server_answer(connection, &ending);
        break;
    case SESSIONS_END_UNKNOWN:
        login_answer_no(connection, POLICY_ABSENT, CLOUD_ABSENT);
        break;
    case SESSIONS_END_CANNOT:
    default:
        server_answer(connection, &cannot);
    }
}
