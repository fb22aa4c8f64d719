/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/login/login.h"

#include "access/messages.h"
#include "cloudauthd/cache/admission.h"

#include <string.h>

/* The most environments of one project that are searched for the user of a refused key. */
#define ELSEWHERE_MAX 1000

enum cloud_status login_status(enum policy_reason reason, enum cloud_status otherwise)
{
    return reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE ? CLOUD_UNAVAILABLE
                                                                     : otherwise;
}

void login_answer_no(struct connection *connection, enum policy_reason reason,
                     enum cloud_status otherwise)
{
    struct cloud_answer answer = {.status = login_status(reason, otherwise),
                                  .reason = policy_token(reason),
                                  .message = "you may not enter here"};

    server_answer(connection, &answer);
}

enum policy_reason login_check_name(struct connection *connection, const char *account)
{
    enum policy_reason reason =
        admission_judge_name(connection->context->admission, account, &connection->name);

    connection->looked = reason == POLICY_GRANTED || reason == POLICY_LOCAL;
    return reason;
}

bool login_find_sshd(const struct connection *connection, struct process *out)
{
    return process_find(connection->peer.pid, out) && server_peer_lives(connection);
}

void login_parse_key(struct connection *connection, const char *type, const char *base64)
{
    struct key_bytes name = key_bytes_of(type, strlen(type));
    struct key_bytes text = key_bytes_of(base64, strlen(base64));

    connection->why = NULL;
    connection->has_key =
        offered_key_parse(name, text, connection->context->conf.certificates_claims,
                          &connection->offered, &connection->why);
    if (!connection->has_key)
        return;
    certificate_limit(&connection->offered, connection->context->conf.certificates_max);
    connection->why = connection->offered.fault;
}

struct audit login_audit(const struct connection *connection, enum policy_reason reason,
                         const struct cache_answer *known)
{
    const struct cloud_question *question = &connection->question;
    const struct cloud_name *name = &connection->name;
    bool has_document = known != NULL && known->result != CACHE_UNAVAILABLE;
    struct audit audit = {.granted = reason == POLICY_GRANTED,
                          .account = question->account,
                          .kind = policy_kind_word(cloud_name_kind(question->account)),
                          .project = name->project,
                          .environment = name->environment,
                          .app = name->app,
                          .worker = name->worker,
                          .from = question->from,
                          .service = question->service,
                          .reason = policy_token(reason),
                          .source = "none",
                          .age = AUDIT_NO_AGE,
                          .pid = connection->peer.pid};

    if (has_document) {
        audit.source = known->stale ? "cache" : "api";
        audit.age = known->age;
    }
    return audit;
}

void login_add_person(struct audit *audit, const struct document_key *key)
{
    if (key == NULL)
        return;
    audit->user = key->user->username;
    audit->role = key->user->role_text;
    audit->grant = login_grant(key);
}

const char *login_grant(const struct document_key *key)
{
    return key->limits.grant[0] != '\0' ? key->limits.grant : key->user->limits.grant;
}

/* The search for a person in the other environments of a project. */
struct elsewhere {
    const struct cloud_name *name;
    const struct offered_key *offered;
    const struct document_user *user; /* the user that was found, or NULL */
    const char *environment;          /* the environment of the document searched last */
    unsigned searched;
};

/* Returns the user to whom the document gives the key or certificate, or NULL. NULL also if the
 * document does not have the certificate's authority, because anyone can make a certificate with
 * the id of another person. */
static const struct document_user *find_person(const struct document *document,
                                               const struct offered_key *offered)
{
    const struct document_key *key = document_find_key(document, offered->fingerprint, NULL);

    if (!offered->certified)
        return key == NULL ? NULL : key->user;
    if (document_find_authority(document, offered->ca) == NULL)
        return NULL;
    for (size_t i = 0; i < document->users; i++)
        if (strcmp(document->user[i].id, offered->key_id) == 0)
            return &document->user[i];
    return NULL;
}

/* Passed to cache_each_of: searches the document of one environment. Returns whether to go on. */
static bool search_document(void *arg, const struct document *document)
{
    struct elsewhere *elsewhere = arg;

    if (strcmp(document->environment, elsewhere->name->environment) != 0) {
        elsewhere->user = find_person(document, elsewhere->offered);
        elsewhere->environment = document->environment;
    }
    return elsewhere->user == NULL && ++elsewhere->searched < ELSEWHERE_MAX;
}

/* Whether the reason is that the document lacks the key, the certificate's authority or its user,
 * which the document of another environment may have. */
static bool is_unknown_here(enum policy_reason reason)
{
    return reason == POLICY_KEY_UNKNOWN || reason == POLICY_AUTHORITY_UNKNOWN ||
           reason == POLICY_CERTIFICATE_UNKNOWN;
}

void login_name_person(struct connection *connection, const struct refusal *refusal,
                       struct audit *audit, char *detail)
{
    const struct cloud_name *name = &connection->name;
    struct elsewhere elsewhere = {name, audit->offered, NULL, NULL, 0};
    const struct message message = {.reason = refusal->reason,
                                    .document =
                                        refusal->known == NULL ? NULL : refusal->known->document,
                                    .name = name,
                                    .key = refusal->key,
                                    .offered = audit->offered};

    audit->detail = detail;
    login_add_person(audit, refusal->key);
    messages_detail(&message, detail, LOGIN_DETAIL_SIZE);
    if (!is_unknown_here(refusal->reason) || audit->offered == NULL)
        return;
    cache_each_of(connection->context->cache, name->project, search_document, &elsewhere);
    if (elsewhere.user == NULL)
        return;
    audit->user = elsewhere.user->username;
    messages_detail_elsewhere(&message, elsewhere.user, elsewhere.environment, detail,
                              LOGIN_DETAIL_SIZE);
}
