/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/requests.h"

#include "access/policy.h"
#include "base/log.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/control/control.h"
#include "cloudauthd/login/login.h"
#include "cloudauthd/metrics/metrics.h"
#include "common/clock.h"

#define MINUTE 60000

/* Who may ask a question, by the uid of the peer (SO_PEERCRED). */
enum who {
    ANYONE,
    KEYS_USER, /* root and cloudauth-keys */
    ROOT,
};

/* How the questions of one opcode are answered. `now`, `answer` and `refuse` each lead to exactly
 * one server_answer. */
struct request {
    enum who who;
    enum cache_need need;
    void (*now)(struct connection *); /* answers without a document; or NULL */
    /* If `now` is NULL: judges the question and sets connection->name. The cache is then asked for
     * the document of that name, as fresh as `need` says. If `check` is NULL too, login_check_name
     * judges the question's account. */
    enum policy_reason (*check)(struct connection *);
    /* Becomes cache_waiter.suits; may be NULL. */
    bool (*suits)(void *connection, const struct document *);
    /* Called with a document that this host may use and whose `hosts` admits this host. */
    void (*answer)(struct connection *, const struct cache_answer *);
    /* Called if there is no such document. The cache_answer is NULL if `check` has refused the
     * question. */
    void (*refuse)(struct connection *, enum policy_reason, const struct cache_answer *);
};

#define LOOKUP(check) ANYONE, CACHE_ACCOUNT, NULL, check, NULL, lookup_answer, lookup_refuse
#define NOW(handler)  ROOT, CACHE_KEYS, handler, NULL, NULL, NULL, NULL

static const struct request requests[CLOUD_OP_END] = {
    [CLOUD_OP_PASSWD_BY_NAME] = {LOOKUP(NULL)},
    [CLOUD_OP_PASSWD_BY_ID] = {LOOKUP(lookup_check_id)},
    [CLOUD_OP_GROUP_BY_NAME] = {LOOKUP(lookup_check_group)},
    [CLOUD_OP_GROUP_BY_ID] = {LOOKUP(lookup_check_id)},
    [CLOUD_OP_KEYS] = {KEYS_USER, CACHE_KEYS, NULL, offer_check, offer_suits, offer_answer,
                       offer_refuse},
    [CLOUD_OP_PAM_ACCOUNT] = {ROOT, CACHE_KEYS, NULL, pam_check_account, NULL, pam_answer_account,
                              pam_refuse_account},
    [CLOUD_OP_PAM_SESSION] = {NOW(pam_open_session)},
    [CLOUD_OP_PAM_SESSION_END] = {NOW(pam_close_session)},
    [CLOUD_OP_SESSIONS] = {NOW(sessions_answer_list)},
    [CLOUD_OP_SESSION_END] = {NOW(sessions_answer_end)},
    [CLOUD_OP_STATUS] = {NOW(status_answer)},
    [CLOUD_OP_DOCUMENTS] = {NOW(status_answer_documents)},
    [CLOUD_OP_EXPLAIN] = {ROOT, CACHE_KEYS, NULL, NULL, NULL, explain_answer, explain_refuse},
    [CLOUD_OP_PEOPLE] = {ROOT, CACHE_KEYS, NULL, NULL, NULL, people_answer, people_refuse},
    [CLOUD_OP_REFRESH] = {ROOT, CACHE_NOW, NULL, refresh_check, NULL, refresh_answer,
                          refresh_refuse},
    [CLOUD_OP_DENY] = {NOW(denials_answer_change)},
    [CLOUD_OP_UNDENY] = {NOW(denials_answer_change)},
    [CLOUD_OP_DENIALS] = {NOW(denials_answer_list)},
    [CLOUD_OP_NAMED] = {NOW(denials_answer_named)},
    [CLOUD_OP_METRICS] = {NOW(metrics_answer)},
    [CLOUD_OP_CONFIRM] = {ROOT, CACHE_NOW, NULL, confirm_check, NULL, refresh_answer,
                          confirm_refuse},
    [CLOUD_OP_REBIND] = {NOW(rebind_answer)},
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

/* Logs why a document is not used. At most one line a minute, because any user can cause lookups at
 * any rate. */
static void log_unusable(const struct connection *connection, const struct document *document)
{
    static int64_t next;
    char why[256];

    if (cloud_clock_ms() < next)
        return;
    next = cloud_clock_ms() + MINUTE;
    (void)admission_judge(connection->context->admission, document, &connection->name, why,
                          sizeof why);
    log_warning("document %s/%s may not be used: %s", document->project, document->environment,
                why);
}

/* Judges the document. If the cache has not answered at once, judges the account again, because
 * `allow` may have changed meanwhile, or a local user of that name may have been added. */
static enum policy_reason judge(const struct connection *connection,
                                const struct cache_answer *known)
{
    const struct admission *admission = connection->context->admission;
    const char *account = connection->question.account;
    enum policy_reason reason =
        admission_of(admission, known, &connection->name, connection->looked);
    struct cloud_name name;

    if (reason != POLICY_GRANTED || known->at_once || !connection->looked || account == NULL)
        return reason;
    return admission_judge_name(admission, account, &name);
}

/* Implements cache_waiter.answered: answers the question. A trusted peer that has hung up
 * meanwhile, as while the daemon was stopped, has written the audit line of its login itself:
 * nothing is decided for it, and the server ends the connection. */
static void on_document(void *arg, const struct cache_answer *known)
{
    struct connection *connection = arg;
    const struct request *request = &requests[connection->question.op];
    enum policy_reason reason;

    if (connection->trusted && !server_peer_lives(connection))
        return;
    reason = judge(connection, known);
    if (reason == POLICY_UNUSABLE)
        log_unusable(connection, known->document);
    if (reason == POLICY_GRANTED)
        request->answer(connection, known);
    else
        request->refuse(connection, reason, known);
}

/* Logs that a peer may not ask a question. At most one line a minute, because any user can send
 * questions at any rate. */
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

/* Implements cache_waiter.may_trust: false for a set-user-ID program that asks as root for another
 * user. */
static bool is_of_root(void *arg)
{
    const struct connection *connection = arg;

    return connection->peer.uid != 0 || server_user(connection) == 0;
}

void requests_handle(struct connection *connection)
{
    const struct request *request = &requests[connection->question.op];
    enum policy_reason reason;

    if ((request->now == NULL && request->answer == NULL) || !may_ask(connection, request->who)) {
        server_count_refused(connection->server);
        log_denied(connection);
        login_answer_no(connection, POLICY_REFUSED, CLOUD_UNAVAILABLE);
        return;
    }
    if (request->now != NULL) {
        request->now(connection);
        return;
    }
    reason = request->check != NULL ? request->check(connection)
                                    : login_check_name(connection, connection->question.account);
    if (reason != POLICY_GRANTED) {
        request->refuse(connection, reason, NULL);
        return;
    }
    connection->waiter.answered = on_document;
    connection->waiter.arg = connection;
    connection->waiter.trusted = connection->trusted;
    connection->waiter.hurried = true;
    connection->waiter.suits = request->suits;
    connection->waiter.may_trust = is_of_root;
    cache_ask(connection->context->cache, connection->name.project, connection->name.environment,
              request->need, &connection->waiter);
}
