/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/requests.h"

#include "access/bindings.h"
#include "access/keys.h"
#include "access/local_ids.h"
#include "access/policy.h"
#include "base/log.h"
#include "cloudauthd/accounts/publish.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/control/control.h"
#include "cloudauthd/login/pending.h"
#include "cloudauthd/metrics/counters.h"
#include "cloudauthd/session/sessions.h"
#include "cloudauthd/state/store.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE_MAX 1536
#define MINUTE      60000
#define DETAIL_MAX  1024
/* Environments of one project that are looked through for whose a refused key is. */
#define ELSEWHERE_MAX 1000

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
    const struct context *context = connection->context;

    if (!cloud_name_parse(&context->conf.grammar, account, &connection->name))
        return POLICY_NOT_OURS;
    connection->looked = local_ids_refresh(context->local_ids);
    if (!connection->looked)
        return POLICY_UNAVAILABLE;
    if (local_ids_has_user(context->local_ids, account) ||
        local_ids_has_group(context->local_ids, account))
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

/* The plain name of the environment that an id is of: by its binding, or by the last snapshot,
 * which knows those of the account list, too. Its document then decides whether it is so. */
static bool name_of_id(const struct connection *connection, char plain[CLOUD_NAME_MAX + 1])
{
    const struct context *context = connection->context;
    uint32_t id = connection->question.id;
    bool gid = connection->question.op == CLOUD_OP_GROUP_BY_ID;
    struct cloud_snapshot_account listed;
    struct binding owner = {.uid = id};
    bool bound = gid ? bindings_by_gid(context->bindings, id, &owner)
                     : bindings_by_uid(context->bindings, id, &owner);

    if (!bound) {
        if (!publish_by_id(context->publish, id, gid, &listed))
            return false;
        owner.project = listed.project;
        owner.environment = listed.environment;
    }
    return cloud_name_plain(&context->conf.grammar, owner.project, owner.environment, plain);
}

static enum step start_by_id(struct connection *connection)
{
    char plain[CLOUD_NAME_MAX + 1];
    enum policy_reason reason = POLICY_ABSENT;

    if (cloud_conf_id_ours(&connection->context->conf, connection->question.id) &&
        name_of_id(connection, plain))
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
    cloud_name_plain(&connection->context->conf.grammar, document->project, document->environment,
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

/* Whose key it is in another environment of the project. */
struct elsewhere {
    struct context *context;
    const struct cloud_name *name;
    const unsigned char *fingerprint;
    const struct document_key *key; /* or NULL */
    const char *environment;        /* that was looked at last */
    unsigned looked;
};

static bool look_elsewhere(void *arg, const char *environment)
{
    struct elsewhere *elsewhere = arg;
    const struct document *document =
        strcmp(environment, elsewhere->name->environment) == 0
            ? NULL
            : cache_peek(elsewhere->context->cache, elsewhere->name->project, environment);

    if (document != NULL) {
        elsewhere->key = document_find_key(document, elsewhere->fingerprint);
        elsewhere->environment = document->environment;
    }
    return elsewhere->key == NULL && ++elsewhere->looked < ELSEWHERE_MAX;
}

/*
 * Puts a name to a key that is refused: its owner's in this environment, else in another that this
 * host knows of the same project, in the documents as they are; and what is wrong, in detail. It is
 * said after the decision, and decides nothing.
 */
static void name_person(struct connection *connection, struct audit *audit,
                        enum policy_reason reason, const struct cache_answer *known,
                        const struct document_key *key, char *detail, size_t size)
{
    struct elsewhere elsewhere = {
        connection->context, &connection->name, audit->key, NULL, NULL, 0};

    detail[0] = '\0';
    audit->detail = detail;
    add_person(audit, key);
    if (key != NULL) {
        if (known != NULL)
            policy_detail(reason, known->document, &connection->name, key, detail, size);
        return;
    }
    if (audit->key == NULL || connection->name.project[0] == '\0')
        return;
    bindings_each(connection->context->bindings, connection->name.project, look_elsewhere,
                  &elsewhere);
    if (elsewhere.key == NULL)
        return;
    audit->user = elsewhere.key->user->username;
    policy_detail_elsewhere(elsewhere.key, elsewhere.environment, connection->name.environment,
                            detail, size);
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
    char detail[DETAIL_MAX];
    const char *why;

    if (key_parse(question->key_type, strlen(question->key_type), question->key,
                  strlen(question->key), &key, &why))
        audit.key = key.fingerprint;
    audit.service = "sshd";
    audit.unproved = true;
    count_decision(COUNT_OFFER, cloud_name_kind(question->account), reason);
    if (audit_offer_is_new(question->account, key.fingerprint, cloud_clock_ms())) {
        name_person(connection, &audit, reason, known, known_key, detail, sizeof detail);
        audit_write(&audit);
    }
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
        login = pending_remember(connection->context->pending, &monitor,
                                 connection->question.account, key->fingerprint);
    if (login == NULL) {
        log_warning("the sshd process behind helper %d for %s cannot be found in /proc",
                    (int)connection->peer.pid, connection->question.account);
        return false;
    }
    snprintf(login->user, sizeof login->user, "%s", key->user->username);
    login->sshd_uid = connection->question.id;
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

/* What was remembered of the sshd process that asks, or NULL. */
static struct login *find_login(const struct connection *connection)
{
    struct process monitor;

    if (!process_find(connection->peer.pid, &monitor) || !server_peer_lives(connection))
        return NULL;
    return pending_find(connection->context->pending, &monitor, connection->question.account);
}

/* A decision of PAM's, by who asked for it. */
static void count_pam(const struct connection *connection, enum policy_reason reason)
{
    const struct cloud_question *question = &connection->question;
    enum count_stage stage = question->is_ssh ? COUNT_LOGIN : COUNT_SERVICE;

    if (question->op == CLOUD_OP_PAM_SESSION)
        stage = COUNT_SESSION;
    count_decision(stage, cloud_name_kind(question->account), reason);
}

/* PAM's questions: refused with a sentence for the client, and one audit line. */
static void refuse_login(struct connection *connection, enum policy_reason reason,
                         const struct cache_answer *known, const struct document_key *key)
{
    const struct cloud_question *question = &connection->question;
    const struct document *document =
        known != NULL && known->result == CACHE_DOCUMENT ? known->document : NULL;
    struct audit audit = audit_of(connection, reason, known);
    const struct login *login = question->is_ssh ? find_login(connection) : NULL;
    char message[MESSAGE_MAX], detail[DETAIL_MAX];
    struct cloud_answer answer = {
        .status = CLOUD_REFUSED, .reason = policy_token(reason), .message = message};

    if (login != NULL)
        audit.key = login->fingerprint;
    name_person(connection, &audit, reason, known, key, detail, sizeof detail);
    audit_write(&audit);
    count_pam(connection, reason);
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
    count_pam(connection, reason);
    server_answer(connection, &answer);
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

    /* A document holds no more of them than fit; an empty list lets nobody in (jail/jail.h).
     */
    (void)policy_mounts(document, &connection->name, mounts, sizeof mounts);
    add_person(&audit, key);
    audit_write(&audit);
    count_pam(connection, POLICY_GRANTED);
    server_answer(connection, &answer);
}

/* For the session that is to come. */
static void remember_person(struct login *login, const struct cache_answer *known,
                            const struct document_key *key)
{
    snprintf(login->user, sizeof login->user, "%s", key->user->username);
    snprintf(login->user_id, sizeof login->user_id, "%s", key->user->id);
    snprintf(login->mail, sizeof login->mail, "%s", key->user->mail);
    snprintf(login->role, sizeof login->role, "%s", key->user->role_text);
    login->key_expires = policy_key_expires(key);
    login->uid = known->document->uid;
    login->asked = known->asked;
}

static bool bind_owner(struct context *context, const struct binding *claim);

/*
 * Whether sshd has the account's ids of today. It looks them up when a login begins, and may go on
 * minutes later: if an operator has taken them back in between, or they were an account list's and
 * a document has them otherwise, it would open a session for another environment's uid. Bound anew
 * is what the API has said since.
 */
static bool has_ids_of_today(const struct connection *connection, const struct cache_answer *known)
{
    struct context *context = connection->context;
    const struct document *document = known->document;
    const struct binding claim = {document->project, document->environment, document->uid,
                                  document->gid};
    int64_t moved = bindings_moved(context->bindings, claim.project, claim.environment);
    int64_t relisted = publish_relisted(context->publish);
    struct process monitor;
    struct binding owner;

    if (moved != 0 && moved <= context->bound) /* before this start, who knows when */
        moved = context->started;
    if (moved < relisted)
        moved = relisted;
    if (moved == 0)
        return true;
    if (!bindings_by_name(context->bindings, claim.project, claim.environment, &owner)) {
        if (!known->stale && known->asked > moved)
            (void)bind_owner(context, &claim);
        return false;
    }
    return process_find(connection->peer.pid, &monitor) && server_peer_lives(connection) &&
           process_began(&monitor) > moved;
}

/* Whether sshd will run the session with the document's uid, if sshd says with which: that sees all
 * that makes the two differ, but for the gid. */
static bool has_uid(const struct login *login, const struct document *document)
{
    return login->sshd_uid == 0 || login->sshd_uid == document->uid;
}

static void answer_account(struct connection *connection, const struct cache_answer *known)
{
    struct policy_verdict verdict = {POLICY_NO_KEY_LINE, NULL};
    struct login *login = NULL;

    if (!connection->question.is_ssh) {
        verdict.reason = policy_service(known->document, &connection->name,
                                        connection->question.service, (int64_t)time(NULL));
    } else if ((login = find_login(connection)) != NULL) {
        verdict = policy_login(known->document, &connection->name, login->fingerprint,
                               (int64_t)time(NULL));
        if (verdict.reason == POLICY_GRANTED &&
            (!has_ids_of_today(connection, known) || !has_uid(login, known->document)))
            verdict.reason = POLICY_IDS_CHANGED;
        login->granted = verdict.reason == POLICY_GRANTED;
    }
    if (login != NULL && verdict.key != NULL)
        remember_person(login, known, verdict.key);
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

/* PAM's strings come from programs of root's; the lines and files that they stand in are ours. */
static void copy_clean(char *out, size_t size, const char *from)
{
    snprintf(out, size, "%s", from);
    for (; *out != '\0'; out++)
        if ((unsigned char)*out < ' ' || *out == 0x7f)
            *out = '?';
}

/* The audit session of a monitor, unless it is the one of whoever started sshd: pam_loginuid gives
 * each login one of its own. */
static uint32_t find_audit(const struct process *monitor)
{
    struct process_info own, above;

    if (!process_look(monitor->pid, &own) || own.process.start != monitor->start ||
        !process_look(own.parent, &above) || own.audit == above.audit)
        return PROCESS_NO_AUDIT;
    return own.audit;
}

/* Records the session, so that it can be listed and ended. */
static bool open_session(struct connection *connection, const struct login *login)
{
    const struct cloud_question *question = &connection->question;
    struct session session = {.name = connection->name, .uid = login->uid};

    if (!process_find(connection->peer.pid, &session.monitor) || !server_peer_lives(connection))
        return false;
    session.audit = find_audit(&session.monitor);
    snprintf(session.account, sizeof session.account, "%s", login->account);
    snprintf(session.user, sizeof session.user, "%s", login->user);
    snprintf(session.user_id, sizeof session.user_id, "%s", login->user_id);
    snprintf(session.mail, sizeof session.mail, "%s", login->mail);
    snprintf(session.role, sizeof session.role, "%s", login->role);
    memcpy(session.fingerprint, login->fingerprint, sizeof session.fingerprint);
    session.key_expires = login->key_expires;
    copy_clean(session.from, sizeof session.from, question->from);
    copy_clean(session.service, sizeof session.service, question->service);
    return sessions_open(connection->context->sessions, &session, login->asked);
}

static void answer_session(struct connection *connection, const struct login *login)
{
    const struct cloud_name *name = &connection->name;
    char app[2 * CLOUD_NAME_MAX + 3] = "";

    snprintf(app, sizeof app, "%s%s%s", name->app, name->worker[0] == '\0' ? "" : "--",
             name->worker);
    struct cloud_answer answer = {.status = CLOUD_OK,
                                  .project = name->project,
                                  .environment = name->environment,
                                  .app = app,
                                  .user = login->user};
    server_answer(connection, &answer);
}

static enum step start_session(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;
    enum policy_reason reason = check_name(connection, question->account);
    const struct login *login = NULL;
    struct binding owner;

    if (reason == POLICY_GRANTED) {
        login = find_login(connection);
        if (login == NULL || !login->granted)
            reason = POLICY_NO_KEY_LINE;
        else if (!is_login_key(question->auth_info, login))
            reason = POLICY_KEY_CHANGED;
        else if (!bindings_by_name(connection->context->bindings, connection->name.project,
                                   connection->name.environment, &owner) ||
                 owner.uid != login->uid)
            reason = POLICY_IDS_CHANGED;
        else if (!open_session(connection, login))
            reason = POLICY_UNAVAILABLE;
    }
    if (reason == POLICY_GRANTED) {
        count_pam(connection, reason);
        answer_session(connection, login);
    } else {
        refuse_account(connection, reason, NULL);
    }
    return ANSWERED;
}

static void answer_done(struct connection *connection)
{
    struct cloud_answer answer = {.status = CLOUD_OK};

    server_answer(connection, &answer);
}

/* Says nothing of whether there was one: whoever closes has nothing else to do about it. */
static enum step start_session_end(struct connection *connection)
{
    struct process monitor;

    if (process_find(connection->peer.pid, &monitor) && server_peer_lives(connection))
        sessions_close(connection->context->sessions, &monitor, connection->question.account);
    answer_done(connection);
    return ANSWERED;
}

static enum step start_sessions(struct connection *connection)
{
    static char lines[CLOUD_WIRE_ANSWER_MAX - 1024];
    char next[SESSION_ID_SIZE];
    struct cloud_text text;

    cloud_text_start(&text, lines, sizeof lines);
    sessions_list(connection->context->sessions, connection->question.session, &text, next);
    struct cloud_answer answer = {.status = CLOUD_OK, .session = next, .line = lines};
    server_answer(connection, &answer);
    return ANSWERED;
}

static enum step start_end(struct connection *connection)
{
    struct cloud_answer cannot = {
        .status = CLOUD_REFUSED,
        .reason = "cannot-end",
        .message = "cloudauthd has no CAP_KILL (session_recheck is 0, or was at its start), or no "
                   "memory; its log says which"};

    switch (sessions_end(connection->context->sessions, connection->question.session)) {
    case SESSIONS_END_BEGUN:
        answer_done(connection);
        break;
    case SESSIONS_END_UNKNOWN:
        answer_no(connection, CLOUD_ABSENT, POLICY_ABSENT);
        break;
    case SESSIONS_END_CANNOT:
    default:
        server_answer(connection, &cannot);
    }
    return ANSWERED;
}

/* What operators ask. An environment is named as such where it is to be asked for anew. */
static enum step start_control(struct connection *connection)
{
    const char *account = connection->question.account;
    enum policy_reason reason = POLICY_GRANTED;

    bool whole = connection->question.op == CLOUD_OP_REFRESH ||
                 connection->question.op == CLOUD_OP_REBIND; /* "project/environment" will do */

    if (account != NULL && (!whole || strchr(account, '/') == NULL))
        reason = check_name(connection, account);
    return control_start(connection, reason) ? NEEDS_DOCUMENT : ANSWERED;
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
    [CLOUD_OP_PAM_SESSION_END] = {ROOT, CACHE_KEYS, start_session_end, NULL, NULL},
    [CLOUD_OP_SESSIONS] = {ROOT, CACHE_KEYS, start_sessions, NULL, NULL},
    [CLOUD_OP_SESSION_END] = {ROOT, CACHE_KEYS, start_end, NULL, NULL},
    [CLOUD_OP_STATUS] = {ROOT, CACHE_KEYS, start_control, NULL, NULL},
    [CLOUD_OP_DOCUMENTS] = {ROOT, CACHE_KEYS, start_control, NULL, NULL},
    [CLOUD_OP_EXPLAIN] = {ROOT, CACHE_KEYS, start_control, control_answer, control_refuse},
    [CLOUD_OP_PEOPLE] = {ROOT, CACHE_KEYS, start_control, control_answer, control_refuse},
    [CLOUD_OP_REFRESH] = {ROOT, CACHE_NOW, start_control, control_answer, control_refuse},
    [CLOUD_OP_DENY] = {ROOT, CACHE_KEYS, start_control, NULL, NULL},
    [CLOUD_OP_UNDENY] = {ROOT, CACHE_KEYS, start_control, NULL, NULL},
    [CLOUD_OP_DENIALS] = {ROOT, CACHE_KEYS, start_control, NULL, NULL},
    [CLOUD_OP_DECISIONS] = {ROOT, CACHE_KEYS, start_control, NULL, NULL},
    [CLOUD_OP_NAMED] = {ROOT, CACHE_KEYS, start_control, NULL, NULL},
    [CLOUD_OP_REBIND] = {ROOT, CACHE_KEYS, start_control, NULL, NULL},
};

static bool may_ask(const struct connection *connection, enum who who)
{
    uid_t uid = connection->peer.uid;

    if (requests[connection->question.op].start == NULL)
        return false;
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

    if (cloud_clock_ms() < next)
        return;
    next = cloud_clock_ms() + MINUTE;
    log_warning("document %s/%s may not be used: %s", document->project, document->environment,
                why);
}

/* The document has come, or it has not. What was found at acceptance is looked at again where there
 * was a wait: a local user may have been added since. */
static void on_document(void *arg, const struct cache_answer *known)
{
    struct connection *connection = arg;
    const struct context *context = connection->context;
    const struct request *request = &requests[connection->question.op];
    char why[256];

    if (known->result == CACHE_ABSENT) {
        request->refuse(connection, POLICY_ABSENT, known);
    } else if (known->result != CACHE_DOCUMENT ||
               !((known->at_once && connection->looked) || local_ids_refresh(context->local_ids))) {
        request->refuse(connection, POLICY_UNAVAILABLE, known);
    } else if (!policy_usable(&context->conf, context->local_ids, context->bindings,
                              known->document, why, sizeof why)) {
        log_unusable(known->document, why);
        request->refuse(connection, POLICY_UNUSABLE, known);
    } else if (!policy_for_host(&context->conf, known->document)) {
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
    int64_t now = cloud_clock_ms();

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

    counters.questions++;
    if (!may_ask(connection, request->who)) {
        counters.questions_refused++;
        log_denied(connection);
        answer_no(connection, CLOUD_UNAVAILABLE, POLICY_REFUSED);
        return;
    }
    if (request->start(connection) != NEEDS_DOCUMENT)
        return;
    connection->waiter.answered = on_document;
    connection->waiter.arg = connection;
    connection->waiter.trusted = connection->trusted;
    cache_ask(connection->context->cache, connection->name.project, connection->name.environment,
              request->need, &connection->waiter);
}

static bool bind_owner(struct context *context, const struct binding *claim)
{
    struct store_binding owner = {.uid = claim->uid, .gid = claim->gid};
    struct binding known;

    if (bindings_by_uid(context->bindings, claim->uid, &known))
        return true; /* by this environment: policy_usable has looked */
    if (!bindings_claim(context->bindings, claim))
        return false;
    snprintf(owner.project, sizeof owner.project, "%s", claim->project);
    snprintf(owner.environment, sizeof owner.environment, "%s", claim->environment);
    if (context->store != NULL)
        store_add_binding(context->store, &owner);
    return true;
}

bool admission_accept(void *arg, const struct document *document, char *why, size_t size)
{
    struct context *context = arg;
    const struct binding claim = {document->project, document->environment, document->uid,
                                  document->gid};

    if (!local_ids_refresh(context->local_ids)) {
        snprintf(why, size, "/etc/passwd or /etc/group cannot be read");
        return false;
    }
    if (!policy_usable(&context->conf, context->local_ids, context->bindings, document, why, size))
        return false;
    if (!policy_for_host(&context->conf, document))
        log_warning("document %s/%s: hosts does not contain this host's host_id %s",
                    document->project, document->environment, context->conf.host_id);
    if (!bind_owner(context, &claim)) {
        snprintf(why, size, "out of memory");
        return false;
    }
    return true;
}
