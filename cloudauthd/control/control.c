/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"

#include "access/denials.h"
#include "base/log.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/control/denials.h"
#include "cloudauthd/control/explain.h"
#include "cloudauthd/control/rebind.h"
#include "cloudauthd/control/rows.h"
#include "cloudauthd/control/status.h"
#include "cloudauthd/login/login.h"

#include <stdio.h>
#include <string.h>

/* ---- REFRESH and CONFIRM ---- */

static bool is_refresh(const struct connection *connection)
{
    return connection->question.op == CLOUD_OP_REFRESH ||
           connection->question.op == CLOUD_OP_CONFIRM;
}

static void send_refresh(struct connection *connection, const char *result,
                         enum policy_reason reason, const struct cache_answer *known)
{
    rows_start();
    ROW("result", result);
    ROW("reason", policy_token(reason));
    if (known != NULL && known->document != NULL) {
        ROW("status", known->document->status_text);
        rows_add_number("age", known->age);
        ROW("source", known->stale ? "cache" : "api");
    }
    ROW("detail",
        known != NULL && (known->stale || known->result == CACHE_UNAVAILABLE) ? known->detail : "");
    rows_send(connection, 0);
}

/* The document's uid and gid are bound again if an operator has released the binding, also where
 * the API answers that the document has not changed. */
static void answer_refresh(struct connection *connection, const struct cache_answer *known)
{
    char why[256];

    if (!known->stale &&
        !admission_accept(connection->context->admission, known->document, why, sizeof why))
        log_warning("document %s/%s: %s", known->document->project, known->document->environment,
                    why);
    send_refresh(connection, "document", POLICY_GRANTED, known);
}

static void refuse_refresh(struct connection *connection, enum policy_reason reason,
                           const struct cache_answer *known)
{
    const char *result = "refused";

    if (reason == POLICY_ABSENT)
        result = "absent";
    else if (reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE)
        result = "unavailable";
    send_refresh(connection, result, reason, known);
}

/* Parses "project/environment", as DOCUMENTS lists them. */
static bool split_environment(const char *subject, struct cloud_name *name)
{
    struct denial denial;
    char line[DENIAL_LINE_SIZE];
    const char *why, *slash;

    snprintf(line, sizeof line, "environment\t%.300s\t0\t0\t", subject);
    if (!denials_parse(line, strlen(line), &denial, &why))
        return false;
    slash = strchr(denial.subject, '/');
    memset(name, 0, sizeof *name);
    memcpy(name->project, denial.subject, (size_t)(slash - denial.subject));
    snprintf(name->environment, sizeof name->environment, "%s", slash + 1);
    return true;
}

/* ---- Handlers ---- */

/* Parses the account that the question names into connection->name. REFRESH, CONFIRM, REBIND take
 * "project/environment" as well. */
static enum policy_reason check_account(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;
    bool whole = is_refresh(connection) || question->op == CLOUD_OP_REBIND;

    if (question->account == NULL)
        return POLICY_GRANTED;
    if (whole && strchr(question->account, '/') != NULL)
        return split_environment(question->account, &connection->name) ? POLICY_GRANTED
                                                                       : POLICY_NOT_OURS;
    return login_check_name(connection, question->account);
}

/* Confirms an absence, which the API is then asked for. False: answered that there is none. */
static bool confirm(struct connection *connection)
{
    const struct cloud_name *name = &connection->name;

    if (!cache_confirm_absent(connection->context->cache, name->project, name->environment)) {
        rows_refuse(connection, CLOUD_REFUSED, "not-withheld",
                    "no answer that it is absent is withheld");
        return false;
    }
    log_warning("operator: confirm-absences %s/%s", name->project, name->environment);
    return true;
}

/* Answers a question that names an account, or asks for its document. */
static enum step start_account(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;
    enum policy_reason reason = check_account(connection);

    if (reason == POLICY_GRANTED && question->op == CLOUD_OP_CONFIRM)
        return confirm(connection) ? NEEDS_DOCUMENT : ANSWERED;
    if (reason == POLICY_GRANTED && question->op != CLOUD_OP_REBIND)
        return NEEDS_DOCUMENT;
    if (reason == POLICY_GRANTED)
        rebind_answer(connection);
    else if (question->op == CLOUD_OP_EXPLAIN)
        explain_refuse(connection, reason, NULL);
    else if (is_refresh(connection))
        refuse_refresh(connection, reason, NULL);
    else
        rows_refuse(connection, CLOUD_REFUSED, policy_token(reason),
                    explain_name_detail(connection, reason));
    return ANSWERED;
}

enum step control_start(struct connection *connection)
{
    switch (connection->question.op) {
    case CLOUD_OP_STATUS:
        status_answer(connection);
        break;
    case CLOUD_OP_DOCUMENTS:
        status_answer_documents(connection);
        break;
    case CLOUD_OP_DENIALS:
        denials_answer_list(connection);
        break;
    case CLOUD_OP_NAMED:
        denials_answer_named(connection);
        break;
    case CLOUD_OP_DENY:
    case CLOUD_OP_UNDENY:
        denials_answer_change(connection);
        break;
    default:
        return start_account(connection);
    }
    return ANSWERED;
}

void control_answer(struct connection *connection, const struct cache_answer *known)
{
    if (connection->question.op == CLOUD_OP_EXPLAIN)
        explain_answer(connection, known);
    else if (connection->question.op == CLOUD_OP_PEOPLE)
        explain_answer_people(connection, known);
    else
        answer_refresh(connection, known);
}

void control_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known)
{
    bool unknown = reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE;

    if (connection->question.op == CLOUD_OP_EXPLAIN)
        explain_refuse(connection, reason, known);
    else if (is_refresh(connection))
        refuse_refresh(connection, reason, known);
    else if (reason == POLICY_ABSENT || unknown)
        rows_refuse(connection, unknown ? CLOUD_UNAVAILABLE : CLOUD_ABSENT, policy_token(reason),
                    NULL);
    else
        rows_refuse(connection, CLOUD_REFUSED, policy_token(reason), "");
}
