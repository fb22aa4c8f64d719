/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/login/login.h"

#include "access/bindings.h"
#include "access/key_line.h"
#include "access/messages.h"
#include "access/policy.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/login/pending.h"
#include "cloudauthd/session/sessions.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 1536 /* bytes of the sentence for the client */

/* Returns the pending login of the sshd process that asks, or NULL. */
static struct login *find_login(const struct connection *connection)
{
    struct process sshd;

    return login_find_sshd(connection, &sshd)
               ? pending_find(connection->context->pending, &sshd, connection->question.account)
               : NULL;
}

static void count(const struct connection *connection, enum policy_reason reason)
{
    const struct cloud_question *question = &connection->question;
    enum audit_stage stage = question->is_ssh ? AUDIT_LOGIN : AUDIT_SERVICE;

    if (question->op == CLOUD_OP_PAM_SESSION)
        stage = AUDIT_SESSION;
    audit_count(stage, cloud_name_kind(question->account), reason);
}

static void add_login(struct audit *audit, const struct login *login)
{
    audit->user = login->session.user;
    audit->role = login->session.role;
    audit->offered = &login->session.offered;
}

/* Refuses the question, with a sentence for the client if it is known that it may not enter. */
static void refuse(struct connection *connection, const struct refusal *refusal)
{
    const struct cloud_question *question = &connection->question;
    const struct cache_answer *known = refusal->known;
    const struct document *document =
        known != NULL && known->result == CACHE_DOCUMENT ? known->document : NULL;
    struct audit audit = login_audit(connection, refusal->reason, known);
    bool opens = question->op == CLOUD_OP_PAM_SESSION;
    const struct login *login = opens || question->is_ssh ? find_login(connection) : NULL;
    char message[MESSAGE_SIZE], detail[LOGIN_DETAIL_SIZE];
    struct cloud_answer answer = {.status = login_status(refusal->reason, CLOUD_REFUSED),
                                  .reason = policy_token(refusal->reason),
                                  .message = message};

    if (login != NULL)
        audit.offered = &login->session.offered;
    login_name_person(connection, refusal, &audit, detail);
    if (login != NULL && opens)
        add_login(&audit, login);
    audit_write(&audit);
    count(connection, refusal->reason);
    messages_for_pam(&(const struct message){refusal->reason, document, &connection->name,
                                             question->account, refusal->key, question->from, NULL},
                     message, sizeof message);
    server_answer(connection, &answer);
}

void pam_refuse_account(struct connection *connection, enum policy_reason reason,
                        const struct cache_answer *known)
{
    const struct refusal refusal = {reason, known, NULL};

    refuse(connection, &refusal);
}

/* ---- PAM_ACCOUNT ---- */

enum policy_reason pam_check_account(struct connection *connection)
{
    enum policy_reason reason = login_check_name(connection, connection->question.account);

    if (reason == POLICY_GRANTED && connection->question.is_ssh && find_login(connection) == NULL)
        reason = POLICY_NO_KEY_LINE;
    return reason;
}

/* Grants the account. An sFTP login over SSH gets no audit line yet: in its session step pam_cloud
 * still has to mount the account's directories, and may refuse the login. pam_cloud then writes the
 * audit line itself, with the name=value pairs of audit_format_subject, which the answer has as its
 * message. */
static void grant_account(struct connection *connection, const struct cache_answer *known,
                          const struct document_key *key, const struct login *login)
{
    struct audit audit = login_audit(connection, POLICY_GRANTED, known);
    const struct document *document = known->document;
    bool sftp = connection->name.kind == CLOUD_SFTP;
    char mounts[CLOUD_WIRE_MOUNTS_SIZE], subject[AUDIT_SUBJECT_MAX] = "";
    struct cloud_answer answer = {.status = CLOUD_OK,
                                  .reason = policy_token(POLICY_GRANTED),
                                  .message = subject,
                                  .home = sftp ? document->home
                                               : policy_home(document, &connection->name),
                                  .id = document->uid,
                                  .gid = document->gid,
                                  .mounts = mounts};

    /* This always fits, because a document has at most DOCUMENT_MOUNTS_MAX mounts. If it did not,
     * the empty list would have pam_cloud refuse the session (jail.h). */
    (void)policy_mounts(document, &connection->name, mounts, sizeof mounts);
    login_add_person(&audit, key);
    audit.offered = login == NULL ? NULL : &login->session.offered;
    if (sftp && connection->question.is_ssh) {
        audit_format_subject(&audit, subject);
    } else {
        audit_write(&audit);
        count(connection, POLICY_GRANTED);
    }
    server_answer(connection, &answer);
}

/* Writes the audit line that grants an sFTP login, once its directories have been mounted. */
static void grant_sftp(const struct connection *connection, const struct login *login)
{
    const struct cache_answer known = {
        .result = CACHE_DOCUMENT, .stale = login->stale, .age = login->age};
    struct audit audit = login_audit(connection, POLICY_GRANTED, &known);

    add_login(&audit, login);
    audit.grant = login->grant;
    audit_write(&audit);
    audit_count(AUDIT_LOGIN, CLOUD_SFTP, POLICY_GRANTED);
}

/* Copies to the pending login what its session will need: the person, and from the document the
 * uid, the session's bounds and the document's age. */
static void remember_person(const struct context *context, struct login *login,
                            const struct cache_answer *known, const struct document_key *key)
{
    struct session *session = &login->session;
    const struct offered_key offered = policy_session_key(&context->conf, &session->offered);

    snprintf(session->user, sizeof session->user, "%s", key->user->username);
    snprintf(session->user_id, sizeof session->user_id, "%s", key->user->id);
    snprintf(session->mail, sizeof session->mail, "%s", key->user->mail);
    snprintf(session->role, sizeof session->role, "%s", key->user->role_text);
    snprintf(login->grant, sizeof login->grant, "%s", login_grant(key));
    session->key_expires = policy_ends(key, &offered);
    session->max_seconds = known->document->session_max;
    session->idle_seconds = known->document->session_idle;
    session->uid = known->document->uid;
    login->asked = known->asked;
    login->asked_wall = known->asked_wall;
    login->stale = known->stale;
    login->age = known->age;
}

/*
 * Whether the ids that sshd looked up when the login began are those of the document. A login may
 * take minutes; if the ids have changed meanwhile, sshd would open the session with a uid that may
 * be another environment's by now, or by the time when a release is written.
 */
static bool has_current_ids(const struct connection *connection, const struct login *login,
                            const struct document *document)
{
    const struct context *context = connection->context;
    int64_t changed_at =
        bindings_changed_at(context->bindings, document->project, document->environment);
    struct process sshd;
    struct binding owner;

    /* sshd_uid is 0 if sshd_config does not pass %U. */
    if (login->sshd_uid != 0 && login->sshd_uid != document->uid)
        return false;
    if (bindings_is_leaving(context->bindings, document->project, document->environment))
        return false;
    return changed_at == 0 ||
           (bindings_by_name(context->bindings, document->project, document->environment, &owner) &&
            login_find_sshd(connection, &sshd) && process_began(&sshd) > changed_at);
}

/*
 * Whether the line that sshd got permits what the document does. It may be from an older document,
 * by which the client's only question was answered (offer_suits), or the hurried one; sshd would
 * hold to its forwards as long as the client is connected.
 */
static bool has_current_grants(const struct connection *connection, const struct login *login,
                               const struct document *document)
{
    unsigned char grants[DIGEST_SIZE];

    return key_line_grants(document, &connection->name, grants) &&
           memcmp(grants, login->grants, sizeof grants) == 0;
}

void pam_answer_account(struct connection *connection, const struct cache_answer *known)
{
    const struct cloud_question *question = &connection->question;
    const struct document *document = known->document;
    struct policy_visit visit = cache_visit(connection->context->cache, question->from);
    struct policy_verdict verdict = {POLICY_NO_KEY_LINE, NULL};
    struct login *login = question->is_ssh ? find_login(connection) : NULL;

    if (!question->is_ssh) {
        verdict.reason = policy_service(document, &connection->name, question->service, visit.wall);
    } else if (login != NULL) {
        visit.offered = &login->session.offered;
        verdict = policy_login(document, &connection->name, &visit);
        if (verdict.reason == POLICY_GRANTED) {
            if (!has_current_ids(connection, login, document))
                verdict.reason = POLICY_IDS_CHANGED;
            else if (!has_current_grants(connection, login, document))
                verdict.reason = POLICY_LINE_CHANGED;
        }
        login->granted = verdict.reason == POLICY_GRANTED;
        if (verdict.key != NULL)
            remember_person(connection->context, login, known, verdict.key);
    }
    if (verdict.reason == POLICY_GRANTED) {
        grant_account(connection, known, verdict.key, login);
    } else {
        const struct refusal refusal = {verdict.reason, known, verdict.key};
        refuse(connection, &refusal);
    }
}

/* ---- PAM_SESSION ---- */

/* Whether auth_info, the last line of SSH_AUTH_INFO_0 ("publickey <type> <base64>"), names the key
 * or certificate for which the login was granted. */
static bool is_login_key(const char *auth_info, const struct login *login)
{
    static const char method[] = "publickey ";
    struct offered_key offered;
    const char *space, *why;

    if (strncmp(auth_info, method, strlen(method)) != 0)
        return false;
    auth_info += strlen(method);
    space = strchr(auth_info, ' ');
    return space != NULL &&
           offered_key_parse(key_bytes_of(auth_info, (size_t)(space - auth_info)),
                             key_bytes_of(space + 1, strlen(space + 1)), NULL, &offered, &why) &&
           offered_key_equal(&offered, &login->session.offered);
}

/* Copies a string from PAM, with '?' for each control character, which would break the session list
 * and the session's file. */
static void copy_clean(char *out, size_t size, const char *from)
{
    snprintf(out, size, "%s", from);
    for (; *out != '\0'; out++)
        if (cloud_text_is_control(*out))
            *out = '?';
}

/* Adds the session to the list of open sessions, so that it is rechecked and can be terminated.
 * Returns POLICY_GRANTED, or why it is not opened. */
static enum policy_reason open_session(struct connection *connection, const struct login *login)
{
    const struct cloud_question *question = &connection->question;
    struct sessions *sessions = connection->context->sessions;
    struct session session = login->session;

    if (!login_find_sshd(connection, &session.monitor))
        return POLICY_UNAVAILABLE;
    session.name = connection->name;
    if (sessions_is_denied(sessions, &session))
        return POLICY_DENIED;
    /* Without its audit session the processes that leave the session could not be ended. */
    if (!process_login_audit(&session.monitor, &session.audit))
        return POLICY_UNAVAILABLE;
    copy_clean(session.from, sizeof session.from, question->from);
    copy_clean(session.service, sizeof session.service, question->service);
    return sessions_open(sessions, &session, login->asked, login->asked_wall, login->stale)
               ? POLICY_GRANTED
               : POLICY_UNAVAILABLE;
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
                                  .user = login->session.user};
    server_answer(connection, &answer);
}

/* Returns POLICY_GRANTED if the session may be opened: PAM_ACCOUNT has granted the login, for this
 * key and with the ids that are bound now. login may be NULL. */
static enum policy_reason check_session(const struct connection *connection,
                                        const struct login *login)
{
    const struct cloud_name *name = &connection->name;
    struct binding owner;

    if (login == NULL || !login->granted)
        return POLICY_NO_KEY_LINE;
    if (!is_login_key(connection->question.auth_info, login))
        return POLICY_KEY_CHANGED;
    if (!bindings_by_name(connection->context->bindings, name->project, name->environment,
                          &owner) ||
        owner.uid != login->session.uid ||
        bindings_is_leaving(connection->context->bindings, name->project, name->environment))
        return POLICY_IDS_CHANGED;
    return POLICY_GRANTED;
}

void pam_open_session(struct connection *connection)
{
    enum policy_reason reason = login_check_name(connection, connection->question.account);
    const struct login *login = reason == POLICY_GRANTED ? find_login(connection) : NULL;

    if (reason == POLICY_GRANTED)
        reason = check_session(connection, login);
    if (reason == POLICY_GRANTED)
        reason = open_session(connection, login);
    if (reason == POLICY_GRANTED) {
        count(connection, reason);
        if (connection->name.kind == CLOUD_SFTP)
            grant_sftp(connection, login);
        answer_session(connection, login);
    } else {
        pam_refuse_account(connection, reason, NULL);
    }
}

/* The answer does not say whether there was a session, because pam_cloud does not need to know. */
void pam_close_session(struct connection *connection)
{
    struct cloud_answer answer = {.status = CLOUD_OK};
    struct process sshd;

    if (login_find_sshd(connection, &sshd))
        sessions_close(connection->context->sessions, &sshd, connection->question.account);
    server_answer(connection, &answer);
}
