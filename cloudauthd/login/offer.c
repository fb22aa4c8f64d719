/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/login/login.h"

#include "access/key_line.h"
#include "access/policy.h"
#include "base/log.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/login/pending.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>

/* Refuses an offered key. The same key and account get at most one audit line a minute
 * (audit_take_offer). */
static void refuse_key(struct connection *connection, const struct refusal *refusal)
{
    const char *account = connection->question.account;
    struct audit audit = login_audit(connection, refusal->reason, refusal->known);
    char detail[LOGIN_DETAIL_SIZE];
    int64_t now = cloud_clock_ms();

    if (connection->has_key)
        audit.offered = &connection->offered;
    audit.service = "sshd";
    audit.pid = 0; /* not known: the peer is the helper, which is about to end */
    audit.unproved = true;
    audit_count(AUDIT_OFFER, cloud_name_kind(account), refusal->reason);
    if (audit_take_offer(&audit, connection->offered.digest, now)) {
        login_name_person(connection, refusal, &audit, detail);
        if (detail[0] == '\0')
            audit.detail = connection->why;
        audit_write(&audit);
    }
    login_answer_no(connection, refusal->reason, CLOUD_REFUSED);
}

void offer_refuse(struct connection *connection, enum policy_reason reason,
                  const struct cache_answer *known)
{
    const struct refusal refusal = {reason, known, NULL};

    refuse_key(connection, &refusal);
}

enum policy_reason offer_check(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;
    enum policy_reason reason = login_check_name(connection, question->account);

    login_parse_key(connection, question->key_type, question->key);
    if (reason == POLICY_GRANTED && question->kind != (uint32_t)connection->name.kind)
        reason = POLICY_KIND_MISMATCH;
    if (reason == POLICY_GRANTED && !connection->has_key)
        reason = POLICY_KEY_UNUSABLE;
    return reason;
}

bool offer_suits(void *arg, const struct document *document)
{
    struct connection *connection = arg;
    struct policy_visit visit = cache_visit(connection->context->cache, NULL);
    const struct login *login = NULL;
    struct process monitor;
    char why[256];

    visit.offered = &connection->offered;
    if (admission_judge(connection->context->admission, document, &connection->name, why,
                        sizeof why) != POLICY_GRANTED ||
        policy_login(document, &connection->name, &visit).reason != POLICY_GRANTED)
        return false;
    if (process_find_parent(connection->peer.pid, &monitor) && server_peer_lives(connection))
        login = pending_find(connection->context->pending, &monitor, connection->question.account);
    return login == NULL || !offered_key_equal(&login->session.offered, &connection->offered);
}

enum policy_reason offer_write(struct connection *connection, const struct document *document,
                               struct offer *out)
{
    static char lines[CLOUD_WIRE_ANSWER_MAX - 1024]; /* leaves space for the packet's fields */
    const struct cloud_name *name = &connection->name;
    /* `from` is NULL: the helper is not told the client's address. */
    struct policy_visit visit = cache_visit(connection->context->cache, NULL);
    struct cloud_text text;

    visit.offered = &connection->offered;
    *out = (struct offer){.verdict = policy_login(document, name, &visit), .lines = lines};
    if (!policy_gets_line(document, name, &out->verdict, &visit))
        return out->verdict.reason;
    cloud_text_start(&text, lines, sizeof lines);
    out->verify = key_line_write(document, name, &out->verdict, &visit, &text);
    if (!text.cut)
        return POLICY_GRANTED;
    connection->why = "more than 16 people share a key with `from`, or their lines are too long";
    return POLICY_LINE_TOO_LONG;
}

/* Remembers for which key the lines are, whether they have verify-required, and what they permit.
 * False if that fails; the caller must then refuse the key, because PAM would refuse the login. */
static bool remember(const struct connection *connection, const struct document *document,
                     const struct offer *offer)
{
    struct process monitor;
    struct login *login = NULL;

    /* The parent of the helper is the sshd process that runs PAM. While the helper is connected,
     * its pid, and so its parent, are certain. */
    if (process_find_parent(connection->peer.pid, &monitor) && server_peer_lives(connection))
        login = pending_remember(connection->context->pending, &monitor,
                                 connection->question.account, &connection->offered);
    if (login == NULL) {
        log_warning("the sshd process behind helper %d for %s cannot be found in /proc",
                    (int)connection->peer.pid, connection->question.account);
        return false;
    }
    login->sshd_uid = connection->question.id;
    login->session.offered.unverified = !offer->verify;
    return offer->verdict.reason != POLICY_GRANTED ||
           key_line_grants(document, &connection->name, login->grants);
}

void offer_answer(struct connection *connection, const struct cache_answer *known)
{
    struct offer offer;
    enum policy_reason reason = offer_write(connection, known->document, &offer);
    struct cloud_answer answer = {.status = CLOUD_OK, .line = offer.lines};

    if (reason != POLICY_GRANTED)
        refuse_key(connection, &(const struct refusal){reason, known, offer.verdict.key});
    else if (!remember(connection, known->document, &offer))
        offer_refuse(connection, POLICY_UNAVAILABLE, known);
    else
        server_answer(connection, &answer);
}
