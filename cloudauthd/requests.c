/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/requests.h"

#include "access/policy.h"
#include "base/log.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/control/control.h"
#include "cloudauthd/control/sessions.h"
#include "cloudauthd/login/login.h"
#include "cloudauthd/login/lookup.h"
#include "cloudauthd/login/offer.h"
#include "cloudauthd/login/pam.h"
#include "cloudauthd/metrics/scrape.h"
#include "common/clock.h"

#define MINUTE 60000

static const struct request requests[CLOUD_OP_END] = {
    [CLOUD_OP_PASSWD_BY_NAME] = {ANYONE, CACHE_ACCOUNT, lookup_start_by_name, lookup_answer,
                                 lookup_refuse},
    [CLOUD_OP_PASSWD_BY_ID] = {ANYONE, CACHE_ACCOUNT, lookup_start_by_id, lookup_answer,
                               lookup_refuse},
    [CLOUD_OP_GROUP_BY_NAME] = {ANYONE, CACHE_ACCOUNT, lookup_start_by_name, lookup_answer,
                                lookup_refuse},
    [CLOUD_OP_GROUP_BY_ID] = {ANYONE, CACHE_ACCOUNT, lookup_start_by_id, lookup_answer,
                              lookup_refuse},
    [CLOUD_OP_KEYS] = {KEYS_USER, CACHE_KEYS, offer_start, offer_answer, offer_refuse},
    [CLOUD_OP_PAM_ACCOUNT] = {ROOT, CACHE_KEYS, pam_start_account, pam_answer_account,
                              pam_refuse_account},
    [CLOUD_OP_PAM_SESSION] = {ROOT, CACHE_KEYS, pam_start_session, NULL, NULL},
    [CLOUD_OP_PAM_SESSION_END] = {ROOT, CACHE_KEYS, pam_start_session_end, NULL, NULL},
    [CLOUD_OP_SESSIONS] = {ROOT, CACHE_KEYS, control_sessions_start, NULL, NULL},
    [CLOUD_OP_SESSION_END] = {ROOT, CACHE_KEYS, control_sessions_start_end, NULL, NULL},
    [CLOUD_OP_STATUS] = {ROOT, CACHE_KEYS, control_start, NULL, NULL},
    [CLOUD_OP_DOCUMENTS] = {ROOT, CACHE_KEYS, control_start, NULL, NULL},
    [CLOUD_OP_EXPLAIN] = {ROOT, CACHE_KEYS, control_start, control_answer, control_refuse},
    [CLOUD_OP_PEOPLE] = {ROOT, CACHE_KEYS, control_start, control_answer, control_refuse},
    [CLOUD_OP_REFRESH] = {ROOT, CACHE_NOW, control_start, control_answer, control_refuse},
    [CLOUD_OP_DENY] = {ROOT, CACHE_KEYS, control_start, NULL, NULL},
    [CLOUD_OP_UNDENY] = {ROOT, CACHE_KEYS, control_start, NULL, NULL},
    [CLOUD_OP_DENIALS] = {ROOT, CACHE_KEYS, control_start, NULL, NULL},
    [CLOUD_OP_NAMED] = {ROOT, CACHE_KEYS, control_start, NULL, NULL},
    [CLOUD_OP_METRICS] = {ROOT, CACHE_KEYS, scrape_start, NULL, NULL},
    [CLOUD_OP_CONFIRM] = {ROOT, CACHE_NOW, control_start, control_answer, control_refuse},
    [CLOUD_OP_REBIND] = {ROOT, CACHE_KEYS, control_start, NULL, NULL},
};

static bool may_ask(const struct connection *connection, enum who who)
{
    switch (who) {
    case ANYONE:
        return true;
    case KEYS_USER:
        return connection->trusted;
    case ROOT:
        return connection->peer.uid == 0;
    }
    return false;
}

/* At most one line a minute: any user can look accounts up at any rate. */
static void log_unusable(const struct document *document, const char *why)
{
    static int64_t next;

    if (cloud_clock_ms() < next)
        return;
    next = cloud_clock_ms() + MINUTE;
    log_warning("document %s/%s may not be used: %s", document->project, document->environment,
                why);
}

/*
 * The cache's answer. A document was judged when it was accepted, and is judged again: a local user
 * may have been added since. For an answer within the call that read the local accounts they need
 * not be read again.
 */
static void on_document(void *arg, const struct cache_answer *known)
{
    struct connection *connection = arg;
    const struct admission *admission = connection->context->admission;
    const struct request *request = &requests[connection->question.op];
    enum policy_reason reason = POLICY_UNAVAILABLE;
    char why[256];

    if (known->result == CACHE_ABSENT)
        reason = POLICY_ABSENT;
    else if (known->result == CACHE_DOCUMENT &&
             ((known->at_once && connection->looked) || admission_refresh(admission)))
        reason = admission_judge(admission, known->document, &connection->name, why, sizeof why);
    if (reason == POLICY_UNUSABLE)
        log_unusable(known->document, why);
    if (reason == POLICY_GRANTED)
        request->answer(connection, known);
    else
        request->refuse(connection, reason, known);
}

/* At most one line a minute: any user can send questions at any rate. */
static void log_denied(const struct connection *connection)
{
    static int64_t next;
    static unsigned long denied;
    int64_t now = cloud_clock_ms();

    denied++;
    if (now < next)
        return;
    next = now + MINUTE;
    log_warning("uid %u may not ask with opcode %u (%lu such questions since the last such line)",
                connection->peer.uid, (unsigned)connection->question.op, denied);
    denied = 0;
}

/* As cache_waiter's may_trust. */
static bool is_of_root(void *arg)
{
    const struct connection *connection = arg;

    return connection->peer.uid != 0 || server_user(connection) == 0;
}

void requests_handle(struct connection *connection)
{
    const struct request *request = &requests[connection->question.op];

    if (request->start == NULL || !may_ask(connection, request->who)) {
        server_count_refused(connection->server);
        log_denied(connection);
        login_answer_no(connection, POLICY_REFUSED, CLOUD_UNAVAILABLE);
        return;
    }
    if (request->start(connection) != NEEDS_DOCUMENT)
        return;
    connection->waiter.answered = on_document;
    connection->waiter.arg = connection;
    connection->waiter.trusted = connection->trusted;
    connection->waiter.may_trust = is_of_root;
    cache_ask(connection->context->cache, connection->name.project, connection->name.environment,
              request->need, &connection->waiter);
}
