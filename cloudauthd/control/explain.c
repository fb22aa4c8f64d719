/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"

#include "access/messages.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/control/rows.h"
#include "cloudauthd/login/login.h"
#include "cloudauthd/metrics/health.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

static void fact(const char *name, const char *value)
{
    ROW("fact", name, value);
}

static void rule(const char *name, enum policy_reason reason, const char *detail)
{
    ROW("rule", name, reason == POLICY_GRANTED ? "yes" : "no", detail);
}

/* Returns why this host does not serve the question's account, as a static sentence; "" if the
 * reason is not about the name. */
static const char *name_detail(const struct connection *connection, enum policy_reason reason)
{
    if (reason == POLICY_LOCAL)
        return "this host has a local user or group of that name";
    if (reason == POLICY_UNAVAILABLE)
        return "/etc/passwd or /etc/group cannot be read";
    if (reason != POLICY_NOT_OURS)
        return "";
    return messages_not_a_login_name(&connection->context->conf.grammar,
                                     connection->question.account);
}

void explain_refuse_name(struct connection *connection, enum policy_reason reason)
{
    const char *detail = name_detail(connection, reason);

    if (reason == POLICY_UNAVAILABLE)
        rows_refuse(connection, CLOUD_UNAVAILABLE, detail, NULL);
    else
        rows_refuse(connection, CLOUD_REFUSED, policy_token(reason), detail);
}

/* Begins the answer, with the rules about the name, which come before those about the document. */
static void explain_name(const struct connection *connection, enum policy_reason reason)
{
    const struct cloud_name *name = &connection->name;

    rows_start();
    fact("account", connection->question.account);
    if (reason == POLICY_NOT_OURS) {
        rule("name", reason, name_detail(connection, reason));
        return;
    }
    fact("kind", policy_kind_word(name->kind));
    fact("project", name->project);
    fact("environment", name->environment);
    fact("app", name->app);
    rule("name", POLICY_GRANTED, "");
    rule("not-local", reason, name_detail(connection, reason));
}

/* Adds the warnings of the document, which may say why the key that the operator asks about was
 * left out of it. */
static void add_warnings(const struct document *document)
{
    for (size_t i = 0; i < document->warnings; i++)
        ROW("warning", document->warning[i]);
}

/* Adds where the document is from. If it is one that an outage prolongs, also adds until when. */
static void explain_source(const struct connection *connection, const struct cache_answer *known)
{
    int64_t until = status_until(connection->context, known->document, known->age);

    fact("source", known->stale ? "cache" : "api");
    fact("age", CLOUD_DIGITS(known->age));
    if (known->stale && until != HEALTH_NO_TIME)
        ROW("fact", "until", CLOUD_DIGITS(until), "@");
}

static void decide(struct connection *connection, enum policy_reason reason, const char *message)
{
    ROW("decision", policy_token(reason), message);
    rows_send(connection, 0);
}

/* Sets connection->offered, has_key and why for the key that the operator asks about. The question
 * has a key or certificate, or only the fingerprint of a key. */
static void find_key(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;

    if (question->key_type[0] != '\0') {
        login_parse_key(connection, question->key_type, question->key);
        return;
    }
    connection->why = "not a fingerprint";
    connection->has_key = keys_fingerprint_read(question->key, connection->offered.fingerprint);
}

/* Adds the rules about the key or certificate, which come before those about the person. */
static void explain_offered(const struct connection *connection, const struct document *document,
                            const struct policy_verdict *verdict)
{
    const struct offered_key *offered = &connection->offered;
    bool known = offered->certified
                     ? document_find_authority(document, offered->ca) != NULL
                     : document_find_key(document, offered->fingerprint, NULL) != NULL;

    if (!offered->certified) {
        rule("key", known ? POLICY_GRANTED : POLICY_KEY_UNKNOWN, "");
        return;
    }
    rule("authority", known ? POLICY_GRANTED : POLICY_AUTHORITY_UNKNOWN, "");
    if (known)
        rule("key-id",
             verdict->reason == POLICY_CERTIFICATE_UNKNOWN ? verdict->reason : POLICY_GRANTED,
             offered->key_id);
}

static void explain_certificate(const struct offered_key *offered)
{
    char name[CERTIFICATE_NAME_SIZE];

    if (!offered->certified)
        return;
    certificate_name(offered, name);
    fact("certificate", name);
    fact("key-id", offered->key_id);
}

/* Returns the circumstances of the login to judge: now and, if the operator gives an address, from
 * that address. */
static struct policy_visit visit_of(const struct connection *connection)
{
    const char *from = connection->question.from;

    return cache_visit(connection->context->cache, from[0] == '\0' ? NULL : from);
}

static void explain_key(const struct document *document, const struct cloud_name *name,
                        const struct document_key *key, const struct policy_visit *visit)
{
    struct policy_rule_verdict rules[POLICY_RULES];

    fact("user", key->user->username);
    fact("role", key->user->role_text);
    fact("key", key->title);
    policy_rules(document, name, key, visit, rules);
    for (size_t i = 0; i < POLICY_RULES; i++)
        rule(rules[i].rule, rules[i].reason,
             rules[i].reason == POLICY_CERTIFICATE_UNUSABLE ? visit->offered->fault
             : rules[i].reason == POLICY_GRANTED            ? ""
                                                            : policy_token(rules[i].reason));
}

/* Adds the directories that an sFTP login would get, as in the answer to PAM_ACCOUNT. cloudauthctl,
 * which runs as root, checks them, because the daemon cannot look into home directories. */
static void explain_directories(const struct document *document, const struct cloud_name *name)
{
    char mounts[CLOUD_WIRE_MOUNTS_SIZE], *at = mounts, *line;

    if (name->kind != CLOUD_SFTP || !policy_mounts(document, name, mounts, sizeof mounts))
        return;
    ROW("home", document->home, CLOUD_DIGITS(document->uid), CLOUD_DIGITS(document->gid));
    while ((line = strsep(&at, "\n")) != NULL && line[0] != '\0')
        ROW("mount", line);
}

void explain_answer(struct connection *connection, const struct cache_answer *known)
{
    const struct cloud_question *question = &connection->question;
    const struct document *document = known->document;
    const struct cloud_name *name = &connection->name;
    struct policy_visit visit = visit_of(connection);
    struct policy_verdict verdict;
    char message[2048] = "", detail[LOGIN_DETAIL_SIZE];
    struct audit line = {.offered = &connection->offered}; /* only for `detail`; not logged */
    struct offer offer;

    explain_name(connection, POLICY_GRANTED);
    add_warnings(document);
    explain_source(connection, known);
    rule("document", POLICY_GRANTED, known->stale ? known->detail : "");
    rule("hosts", POLICY_GRANTED, "");
    rule("app", policy_app_exists(document, name) ? POLICY_GRANTED : POLICY_APP_UNKNOWN, name->app);
    find_key(connection);
    if (!connection->has_key) {
        rule("key", POLICY_KEY_UNUSABLE, connection->why);
        decide(connection, POLICY_KEY_UNUSABLE, "");
        return;
    }
    visit.offered = &connection->offered;
    explain_certificate(visit.offered);
    verdict = policy_login(document, name, &visit);
    explain_offered(connection, document, &verdict);
    if (verdict.key != NULL)
        explain_key(document, name, verdict.key, &visit);
    if (offer_write(connection, document, &offer) == POLICY_LINE_TOO_LONG) {
        verdict.reason = POLICY_LINE_TOO_LONG;
        rule("line", verdict.reason, connection->why);
    } else if (verdict.reason != POLICY_GRANTED &&
               policy_gets_line(document, name, &verdict, &visit)) {
        messages_for_client(&(const struct message){verdict.reason, document, name,
                                                    question->account, verdict.key, visit.from,
                                                    visit.offered},
                            message, sizeof message);
    }
    if (verdict.reason == POLICY_GRANTED) {
        explain_directories(document, name);
    } else {
        login_name_person(connection, &(const struct refusal){verdict.reason, known, verdict.key},
                          &line, detail);
        fact("detail", detail);
    }
    decide(connection, verdict.reason, message);
}

/* Writes why there is no document that this host may use, as the log says it; "" if the reason says
 * all. */
static void say_why(const struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known, char why[256])
{
    why[0] = '\0';
    if (reason == POLICY_UNUSABLE)
        (void)admission_judge(connection->context->admission, known->document, &connection->name,
                              why, 256);
    else if (reason == POLICY_UNAVAILABLE && known->detail != NULL)
        snprintf(why, 256, "%s", known->detail);
    else if (reason == POLICY_NOT_THIS_HOST)
        snprintf(why, 256, "host_id is %.200s", connection->context->conf.host_id);
    else if (reason == POLICY_ABSENT)
        snprintf(why, 256, "the project API has no such environment");
}

void explain_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known)
{
    char why[256];

    if (known == NULL) {
        explain_name(connection, reason);
        decide(connection, reason, "");
        return;
    }
    explain_name(connection, POLICY_GRANTED);
    say_why(connection, reason, known, why);
    if (reason == POLICY_NOT_THIS_HOST) {
        explain_source(connection, known);
        rule("document", POLICY_GRANTED, "");
    }
    rule(reason == POLICY_NOT_THIS_HOST ? "hosts" : "document", reason, why);
    decide(connection, reason, "");
}

/* ---- PEOPLE ---- */

static void list_key(const struct document *document, const struct cloud_name *name,
                     const struct document_key *key, const struct policy_visit *visit)
{
    enum policy_reason reason = policy_app_exists(document, name)
                                    ? policy_key(document, name, key, visit)
                                    : POLICY_APP_UNKNOWN;
    bool certified = visit->offered != NULL;
    int64_t end = policy_ends(key, NULL);
    char fingerprint[KEY_FINGERPRINT_TEXT];

    keys_fingerprint_text(key->fingerprint, fingerprint);
    ROW("key", key->user->username, key->user->id, key->user->role_text, fingerprint,
        certified ? "certificate" : key->type, key->title, end == 0 ? "" : CLOUD_DIGITS(end),
        policy_token(reason));
}

void people_answer(struct connection *connection, const struct cache_answer *known)
{
    const struct document *document = known->document;
    static const struct offered_key certificate = {.entered = true}; /* meets any access.require */
    struct policy_visit visit = cache_visit(connection->context->cache, NULL);
    size_t i = connection->question.page;
    size_t keys = document->keys, all = keys + document->authorities * document->users;

    rows_start();
    if (i == 0)
        add_warnings(document);
    for (; i < all && !rows_full(); i++) {
        visit.offered = i < keys ? NULL : &certificate;
        list_key(document, &connection->name,
                 i < keys ? &document->key[i] : &document->certified[i - keys], &visit);
    }
    rows_send(connection, i < all ? (uint32_t)i : 0);
}

void people_refuse(struct connection *connection, enum policy_reason reason,
                   const struct cache_answer *known)
{
    char why[256];

    if (known == NULL) {
        explain_refuse_name(connection, reason);
        return;
    }
    say_why(connection, reason, known, why);
    if (reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE)
        rows_refuse(connection, CLOUD_UNAVAILABLE, why[0] == '\0' ? policy_token(reason) : why,
                    NULL);
    else
        rows_refuse(connection, reason == POLICY_ABSENT ? CLOUD_ABSENT : CLOUD_REFUSED,
                    policy_token(reason), why);
}
