/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/requests.h"

#include "broker/audit.h"
#include "broker/keys.h"
#include "broker/log.h"
#include "broker/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE_MAX 1536
#define MINUTE      60000

/* Who may ask. */
enum who {
    ANYONE,
    KEYS_USER, /* root and cloudauth-keys */
    ROOT,
};

/* What a handler says at first: whether the document is needed for the answer. */
enum step {
    ANSWERED,
    NEEDS_DOCUMENT,
};

struct request {
    enum who who;
    enum cache_need need;
    /* Looks at the question itself; answers, or sets connection->name for the document. */
    enum step (*start)(struct connection *);
    /* Answers, with a document that this host may use and that is for this host. */
    void (*answer)(struct connection *, const struct cache_answer *);
    /* Answers when there is none such. */
    void (*refuse)(struct connection *, enum policy_reason, const struct cache_answer *);
};

static void answer_no(struct connection *connection, enum cloud_status status,
                      enum policy_reason reason)
{
    struct cloud_answer answer = {
        .status = status, .reason = policy_token(reason), .message = "you may not enter here"};

    server_answer(connection, &answer);
}

/* For lookups: what is refused does not exist here, what nobody can tell is unavailable. */
static void refuse_lookup(struct connection *connection, enum policy_reason reason,
                          const struct cache_answer *known)
{
    bool unknown = reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE;

    (void)known;
    answer_no(connection, unknown ? CLOUD_UNAVAILABLE : CLOUD_ABSENT, reason);
}

/* Whether the name is ours; POLICY_GRANTED, or why not. */
static enum policy_reason check_name(struct connection *connection, const char *account)
{
    const struct broker *broker = connection->broker;

    if (!cloud_name_parse(&broker->conf.grammar, account, &connection->name))
        return POLICY_NOT_OURS;
    if (!hostdb_refresh(broker->hostdb))
        return POLICY_UNAVAILABLE;
    if (hostdb_has_user(broker->hostdb, account) || hostdb_has_group(broker->hostdb, account))
        return POLICY_LOCAL;
    return POLICY_GRANTED;
}

static enum step start_by_name(struct connection *connection)
{
    enum policy_reason reason = check_name(connection, connection->question.account);

    if (reason == POLICY_GRANTED && connection->question.op == CLOUD_OP_GROUP_BY_NAME &&
        !connection->name.plain)
        reason = POLICY_NOT_OURS; /* only the plain spelling has a group */
    if (reason == POLICY_GRANTED)
        return NEEDS_DOCUMENT;
    refuse_lookup(connection, reason, NULL);
    return ANSWERED;
}

static enum step start_by_id(struct connection *connection)
{
    const struct broker *broker = connection->broker;
    uint32_t id = connection->question.id;
    char plain[CLOUD_NAME_MAX + 1];
    enum policy_reason reason = POLICY_ABSENT;
    struct owner owner;
    bool known = connection->question.op == CLOUD_OP_PASSWD_BY_ID
                     ? owners_by_uid(broker->owners, id, &owner)
                     : owners_by_gid(broker->owners, id, &owner);

    if (known && cloud_conf_id_ours(&broker->conf, id) &&
        cloud_name_plain(&broker->conf.grammar, owner.project, owner.environment, plain))
        reason = check_name(connection, plain);
    if (reason == POLICY_GRANTED)
        return NEEDS_DOCUMENT;
    refuse_lookup(connection, reason, NULL);
    return ANSWERED;
}

static void answer_lookup(struct connection *connection, const struct cache_answer *known)
{
    const struct document *document = known->document;
    const struct cloud_question *question = &connection->question;
    const struct cloud_name *name = &connection->name;
    bool by_id = question->op == CLOUD_OP_PASSWD_BY_ID || question->op == CLOUD_OP_GROUP_BY_ID;
    char plain[CLOUD_NAME_MAX + 1];
    struct cloud_answer answer = {.status = CLOUD_OK,
                                  .account = by_id ? plain : question->account,
                                  .id = document->uid,
                                  .gid = document->gid,
                                  .gecos = document->gecos,
                                  .home = policy_home(document, name),
                                  .shell = policy_shell(document, name)};

    /* policy_usable has found that there is a plain name. */
    cloud_name_plain(&connection->broker->conf.grammar, document->project, document->environment,
                     plain);
    if (question->op == CLOUD_OP_PASSWD_BY_ID && document->uid != question->id)
        refuse_lookup(connection, POLICY_ABSENT, known);
    else if (question->op == CLOUD_OP_GROUP_BY_ID && document->gid != question->id)
        refuse_lookup(connection, POLICY_ABSENT, known);
    else if (!policy_app_exists(document, name))
        refuse_lookup(connection, POLICY_APP_UNKNOWN, known);
    else
        server_answer(connection, &answer);
}

/* The audit line's part that the question and the answer tell. */
static struct audit audit_of(const struct connection *connection, enum policy_reason reason,
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
                          .age = AUDIT_NO_AGE};

    if (has_document) {
        audit.source = known->stale ? "cache" : "api";
        audit.age = known->age;
    }
    return audit;
}

static void add_person(struct audit *audit, const struct document_key *key)
{
    if (key == NULL)
        return;
    audit->user = key->user->username;
    audit->role = key->user->role_text;
    audit->key = key->fingerprint;
}

/* An offer that opens nothing: one line a minute, and the helper prints nothing. key: whose key it
 * is, or NULL if it is nobody's. */
static void refuse_key(struct connection *connection, enum policy_reason reason,
                       const struct cache_answer *known, const struct document_key *known_key)
{
    const struct cloud_question *question = &connection->question;
    struct audit audit = audit_of(connection, reason, known);
    bool unknown = reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE;
    struct key key = {0};
    const char *why;

    if (key_parse(question->key_type, strlen(question->key_type), question->key,
                  strlen(question->key), &key, &why))
        audit.key = key.fingerprint;
    add_person(&audit, known_key);
    audit.service = "sshd";
    audit.unproved = true;
    if (audit_offer_is_new(question->account, key.fingerprint, loop_now()))
        audit_write(&audit);
    answer_no(connection, unknown ? CLOUD_UNAVAILABLE : CLOUD_REFUSED, reason);
}

static void refuse_offer(struct connection *connection, enum policy_reason reason,
                         const struct cache_answer *known)
{
    refuse_key(connection, reason, known, NULL);
}

static enum step start_keys(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;
    enum policy_reason reason = check_name(connection, question->account);
    struct key key;
    const char *why;

    if (reason == POLICY_GRANTED && question->kind != (uint32_t)connection->name.kind)
        reason = POLICY_KIND_MISMATCH;
    if (reason == POLICY_GRANTED && !key_parse(question->key_type, strlen(question->key_type),
                                               question->key, strlen(question->key), &key, &why))
        reason = POLICY_KEY_UNUSABLE;
    if (reason == POLICY_GRANTED)
        return NEEDS_DOCUMENT;
    refuse_offer(connection, reason, NULL);
    return ANSWERED;
}

/* The sshd process that ran the helper. Known only while the helper lives and waits for us. */
static bool find_monitor(const struct connection *connection, struct process *out)
{
    return process_find_parent(connection->peer.pid, out) && server_peer_lives(connection);
}

/* Remembers for PAM which key the line was for. False: then the line would be of no use. */
static bool remember(const struct connection *connection, const struct document_key *key)
{
    struct process monitor;
    struct login *login = NULL;

    if (find_monitor(connection, &monitor))
        login = logins_remember(connection->broker->logins, &monitor, connection->question.account,
                                key->fingerprint);
    if (login == NULL) {
        log_warning("the sshd process behind helper %d for %s cannot be found in /proc",
                    (int)connection->peer.pid, connection->question.account);
        return false;
    }
    snprintf(login->user, sizeof login->user, "%s", key->user->username);
    return true;
}

static void answer_keys(struct connection *connection, const struct cache_answer *known)
{
    static char line[CLOUD_WIRE_ANSWER_MAX];
    const struct cloud_question *question = &connection->question;
    const struct cloud_name *name = &connection->name;
    struct cloud_answer answer = {.status = CLOUD_OK, .line = line};
    int64_t now = (int64_t)time(NULL);
    struct policy_verdict verdict;
    struct key key;
    const char *why;

    if (!key_parse(question->key_type, strlen(question->key_type), question->key,
                   strlen(question->key), &key, &why)) {
        refuse_offer(connection, POLICY_KEY_UNUSABLE, known);
        return;
    }
    verdict = policy_login(known->document, name, key.fingerprint, now);
    if (!policy_gets_line(known->document, name, &verdict, now))
        refuse_key(connection, verdict.reason, known, verdict.key);
    else if (!policy_key_line(known->document, name, &verdict, line, sizeof line - 1024) ||
             !remember(connection, verdict.key))
        refuse_offer(connection, POLICY_UNAVAILABLE, known);
    else
        server_answer(connection, &answer);
}

/* PAM's questions: refused with a sentence for the client, and one audit line. */
static void refuse_login(struct connection *connection, enum policy_reason reason,
                         const struct cache_answer *known, const struct document_key *key)
{
    const struct cloud_question *question = &connection->question;
    const struct document *document =
        known != NULL && known->result == CACHE_DOCUMENT ? known->document : NULL;
    struct audit audit = audit_of(connection, reason, known);
    char message[MESSAGE_MAX];
    struct cloud_answer answer = {
        .status = CLOUD_REFUSED, .reason = policy_token(reason), .message = message};

    add_person(&audit, key);
    audit_write(&audit);
    policy_message(reason, document, &connection->name, question->account, key, message,
                   sizeof message);
    server_answer(connection, &answer);
}

static void refuse_account(struct connection *connection, enum policy_reason reason,
                           const struct cache_answer *known)
{
    struct cloud_answer answer = {.status = CLOUD_UNAVAILABLE, .reason = policy_token(reason)};

    if (reason != POLICY_UNAVAILABLE && reason != POLICY_UNUSABLE) {
        refuse_login(connection, reason, known, NULL);
        return;
    }
    struct audit audit = audit_of(connection, reason, known);
    audit_write(&audit);
    server_answer(connection, &answer);
}

/* What was remembered of the sshd process that asks, or NULL. */
static struct login *find_login(const struct connection *connection)
{
    struct process monitor;

    if (!process_find(connection->peer.pid, &monitor) || !server_peer_lives(connection))
        return NULL;
    return logins_find(connection->broker->logins, &monitor, connection->question.account);
}

static enum step start_account(struct connection *connection)
{
    enum policy_reason reason = check_name(connection, connection->question.account);

    if (reason == POLICY_GRANTED && connection->question.is_ssh && find_login(connection) == NULL)
        reason = POLICY_NO_KEY_LINE;
    if (reason == POLICY_GRANTED)
        return NEEDS_DOCUMENT;
    refuse_account(connection, reason, NULL);
    return ANSWERED;
}

static void grant_account(struct connection *connection, const struct cache_answer *known,
                          const struct document_key *key)
{
    struct audit audit = audit_of(connection, POLICY_GRANTED, known);
    const struct document *document = known->document;
    bool sftp = connection->name.kind == CLOUD_SFTP;
    char mounts[CLOUD_WIRE_MOUNTS_SIZE];
    struct cloud_answer answer = {.status = CLOUD_OK,
                                  .reason = policy_token(POLICY_GRANTED),
                                  .message = "",
                                  .home = sftp ? document->home : "",
                                  .id = document->uid,
                                  .gid = document->gid,
                                  .mounts = mounts};

    /* A document holds no more of them than fit; an empty list lets nobody in (pam_cloud/jail.h).
     */
    (void)policy_mounts(document, &connection->name, mounts, sizeof mounts);
    add_person(&audit, key);
    audit_write(&audit);
    server_answer(connection, &answer);
}

static void answer_account(struct connection *connection, const struct cache_answer *known)
{
    struct policy_verdict verdict = {POLICY_NO_KEY_LINE, NULL};
    struct login *login = NULL;

    if (!connection->question.is_ssh) {
        verdict.reason =
            policy_service(known->document, &connection->name, connection->question.service);
    } else if ((login = find_login(connection)) != NULL) {
        verdict = policy_login(known->document, &connection->name, login->fingerprint,
                               (int64_t)time(NULL));
        login->granted = verdict.reason == POLICY_GRANTED;
    }
    if (login != NULL && verdict.key != NULL)
        snprintf(login->user, sizeof login->user, "%s", verdict.key->user->username);
    if (verdict.reason == POLICY_GRANTED)
        grant_account(connection, known, verdict.key);
    else
        refuse_login(connection, verdict.reason, known, verdict.key);
}

/* "publickey <type> <base64>" (sshd's PAM environment): whether it is the key remembered. */
static bool is_login_key(const char *auth_info, const struct login *login)
{
    static const char method[] = "publickey ";
    struct key key;
    const char *space, *why;

    if (strncmp(auth_info, method, strlen(method)) != 0)
        return false;
    auth_info += strlen(method);
    space = strchr(auth_info, ' ');
    return space != NULL &&
           key_parse(auth_info, (size_t)(space - auth_info), space + 1, strlen(space + 1), &key,
                     &why) &&
           memcmp(key.fingerprint, login->fingerprint, sizeof key.fingerprint) == 0;
}

static enum step start_session(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;
    const struct cloud_name *name = &connection->name;
    enum policy_reason reason = check_name(connection, question->account);
    const struct login *login = NULL;
    char app[2 * CLOUD_NAME_MAX + 3] = "";

    if (reason == POLICY_GRANTED) {
        login = find_login(connection);
        if (login == NULL || !login->granted)
            reason = POLICY_NO_KEY_LINE;
        else if (!is_login_key(question->auth_info, login))
            reason = POLICY_KEY_CHANGED;
    }
    if (reason != POLICY_GRANTED) {
        refuse_account(connection, reason, NULL);
        return ANSWERED;
    }
    snprintf(app, sizeof app, "%s%s%s", name->app, name->worker[0] == '\0' ? "" : "--",
             name->worker);
    struct cloud_answer answer = {.status = CLOUD_OK,
                                  .project = name->project,
                                  .environment = name->environment,
                                  .app = app,
                                  .user = login->user};
    server_answer(connection, &answer);
    return ANSWERED;
}

static const struct request requests[CLOUD_OP_END] = {
    [CLOUD_OP_PASSWD_BY_NAME] = {ANYONE, CACHE_ACCOUNT, start_by_name, answer_lookup,
                                 refuse_lookup},
    [CLOUD_OP_PASSWD_BY_ID] = {ANYONE, CACHE_ACCOUNT, start_by_id, answer_lookup, refuse_lookup},
    [CLOUD_OP_GROUP_BY_NAME] = {ANYONE, CACHE_ACCOUNT, start_by_name, answer_lookup, refuse_lookup},
    [CLOUD_OP_GROUP_BY_ID] = {ANYONE, CACHE_ACCOUNT, start_by_id, answer_lookup, refuse_lookup},
    [CLOUD_OP_KEYS] = {KEYS_USER, CACHE_KEYS, start_keys, answer_keys, refuse_offer},
    [CLOUD_OP_PAM_ACCOUNT] = {ROOT, CACHE_KEYS, start_account, answer_account, refuse_account},
    [CLOUD_OP_PAM_SESSION] = {ROOT, CACHE_KEYS, start_session, NULL, NULL},
};

static bool may_ask(const struct connection *connection, enum who who)
{
    uid_t uid = connection->peer.uid;

    switch (who) {
    case ANYONE:
        return true;
    case KEYS_USER:
        return connection->trusted;
    case ROOT:
        return uid == 0;
    }
    return false;
}

/* One line a minute: anybody can look an account up as often as he likes. */
static void log_unusable(const struct document *document, const char *why)
{
    static int64_t next;

    if (loop_now() < next)
        return;
    next = loop_now() + MINUTE;
    log_warning("document %s/%s may not be used: %s", document->project, document->environment,
                why);
}

/* The document has come, or it has not. What was found at acceptance is looked at again: a local
 * user may have been added since. */
static void on_document(void *arg, const struct cache_answer *known)
{
    struct connection *connection = arg;
    const struct broker *broker = connection->broker;
    const struct request *request = &requests[connection->question.op];
    char why[256];

    if (known->result == CACHE_ABSENT) {
        request->refuse(connection, POLICY_ABSENT, known);
    } else if (known->result != CACHE_DOCUMENT || !hostdb_refresh(broker->hostdb)) {
        request->refuse(connection, POLICY_UNAVAILABLE, known);
    } else if (!policy_usable(&broker->conf, broker->hostdb, broker->owners, known->document, why,
                              sizeof why)) {
        log_unusable(known->document, why);
        request->refuse(connection, POLICY_UNUSABLE, known);
    } else if (!policy_for_host(&broker->conf, known->document)) {
        request->refuse(connection, POLICY_NOT_THIS_HOST, known);
    } else {
        request->answer(connection, known);
    }
}

/* One line a minute, whoever asks: anybody can ask as often as he likes. */
static void log_denied(const struct connection *connection)
{
    static int64_t next;
    static unsigned long denied;
    int64_t now = loop_now();

    denied++;
    if (now < next)
        return;
    next = now + MINUTE;
    log_warning("uid %u may not ask with opcode %u (%lu such questions since the last such line)",
                connection->peer.uid, (unsigned)connection->question.op, denied);
    denied = 0;
}

void requests_handle(struct connection *connection)
{
    const struct request *request = &requests[connection->question.op];

    if (!may_ask(connection, request->who)) {
        log_denied(connection);
        answer_no(connection, CLOUD_UNAVAILABLE, POLICY_REFUSED);
        return;
    }
    if (request->start(connection) != NEEDS_DOCUMENT)
        return;
    connection->waiter.answered = on_document;
    connection->waiter.arg = connection;
    connection->waiter.trusted = connection->trusted;
    cache_ask(connection->broker->cache, connection->name.project, connection->name.environment,
              request->need, &connection->waiter);
}

static bool bind_owner(struct broker *broker, const struct owner *claim)
{
    struct store_owner owner = {.uid = claim->uid, .gid = claim->gid};
    struct owner known;

    if (owners_by_uid(broker->owners, claim->uid, &known))
        return true; /* by this environment: policy_usable has looked */
    if (!owners_claim(broker->owners, claim))
        return false;
    snprintf(owner.project, sizeof owner.project, "%s", claim->project);
    snprintf(owner.environment, sizeof owner.environment, "%s", claim->environment);
    if (broker->store != NULL)
        store_add_owner(broker->store, &owner);
    return true;
}

bool broker_accept(void *arg, const struct document *document, char *why, size_t size)
{
    struct broker *broker = arg;
    const struct owner claim = {document->project, document->environment, document->uid,
                                document->gid};

    if (!hostdb_refresh(broker->hostdb)) {
        snprintf(why, size, "/etc/passwd or /etc/group cannot be read");
        return false;
    }
    if (!policy_usable(&broker->conf, broker->hostdb, broker->owners, document, why, size))
        return false;
    if (!policy_for_host(&broker->conf, document))
        log_warning("document %s/%s: hosts does not contain this host's host_id %s",
                    document->project, document->environment, broker->conf.host_id);
    if (!bind_owner(broker, &claim)) {
        snprintf(why, size, "out of memory");
        return false;
    }
    return true;
}
