/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"

#include "base/log.h"
#include "cloudauthd/control/rows.h"
#include "cloudauthd/login/login.h"

#include <string.h>

static void send_refresh(struct connection *connection, const char *result,
                         enum policy_reason reason, const struct cache_answer *known)
{
    bool failed = known != NULL && (known->stale || known->result == CACHE_UNAVAILABLE);
    bool document = known != NULL && known->document != NULL;
    const char *detail = failed ? known->detail : "";

    if (detail[0] == '\0' && reason != POLICY_GRANTED && reason != POLICY_ABSENT)
        detail = policy_token(reason);
    rows_start();
    ROW(result, document ? known->document->status_text : "", detail);
    rows_send(connection, 0);
}

void refresh_answer(struct connection *connection, const struct cache_answer *known)
{
    send_refresh(connection, known->stale ? "unavailable" : "document", POLICY_GRANTED, known);
}

void refresh_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known)
{
    const char *result = "refused";

    if (reason == POLICY_ABSENT)
        result = "absent";
    else if (reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE)
        result = "unavailable";
    send_refresh(connection, result, reason, known);
}

enum policy_reason refresh_check(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;

    if (strchr(question->account, '/') != NULL)
        return cloud_name_split(question->account, &connection->name) ? POLICY_GRANTED
                                                                      : POLICY_NOT_OURS;
    return login_check_name(connection, question->account);
}

enum policy_reason confirm_check(struct connection *connection)
{
    const struct cloud_name *name = &connection->name;
    enum policy_reason reason = refresh_check(connection);

    if (reason != POLICY_GRANTED)
        return reason;
    if (!cache_confirm_absent(connection->context->cache, name->project, name->environment))
        return POLICY_REFUSED;
    log_warning("operator: confirm-absences %s/%s", name->project, name->environment);
    return POLICY_GRANTED;
}

void confirm_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known)
{
    if (reason == POLICY_REFUSED)
        rows_refuse(connection, CLOUD_REFUSED, "not-withheld",
                    "no answer that it is absent is withheld");
    else
        refresh_refuse(connection, reason, known);
}
