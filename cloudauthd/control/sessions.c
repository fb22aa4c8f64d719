/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"
#include "cloudauthd/control/rows.h"

#include "cloudauthd/login/login.h"
#include "cloudauthd/session/sessions.h"
#include "common/text.h"

void sessions_answer_list(struct connection *connection)
{
    static char lines[CLOUD_WIRE_ANSWER_MAX - 1024];
    char next[SESSION_ID_SIZE];
    struct cloud_text text;

    cloud_text_start(&text, lines, sizeof lines);
    sessions_list(connection->context->sessions, connection->question.session, &text, next);
    struct cloud_answer answer = {.status = CLOUD_OK, .session = next, .line = lines};
    server_answer(connection, &answer);
}

void sessions_answer_end(struct connection *connection)
{
    struct cloud_answer ending = {.status = CLOUD_OK};
    struct cloud_answer cannot = {
        .status = CLOUD_REFUSED,
        .reason = "cannot-end",
        .message = "cloudauthd has no CAP_KILL (session_recheck is 0, or was at its start), or no "
                   "memory; its log says which"};

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
