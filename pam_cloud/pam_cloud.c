/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pam_cloud.so: refuses passwords for cloud accounts, asks the daemon whether a login may be
 * (account) and whose it is (session), and is PAM_IGNORE for everybody else.
 *
 * A user of /etc/passwd is PAM_IGNORE before anything of ours is looked at: nothing that is wrong
 * with us, with the configuration or with the module's arguments can lock the host's own users out.
 * Whoever may be ours, and cannot be told, is refused.
 */
#include "common/call.h"
#include "common/conf.h"
#include "common/local.h"
#include "common/text.h"
#include "jail/jail.h"
#include "pam_cloud/alone.h"

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <security/pam_modutil.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define EXPORT __attribute__((visibility("default")))

#define AUTH_INFO    "SSH_AUTH_INFO_0"
#define JAIL_DATA    "cloudauth_jail"
#define LINE_MAX_LOG 4096
#define VARIABLE_MAX 1024 /* bytes of "NAME=value" */

/* How long a decision may take; tests are less patient. */
#ifndef PAM_TIMEOUT_MS
#define PAM_TIMEOUT_MS CLOUD_CALL_LOGIN_MS
#endif

enum who {
    WHO_UNKNOWN = 0, /* may be ours, and that cannot be told: refused */
    WHO_OTHER,       /* not ours: PAM_IGNORE */
    WHO_OURS,
};

/* One call of one entry of this module, for a user who is not in /etc/passwd. */
struct visit {
    pam_handle_t *pamh;
    bool silent;
    bool is_ssh;
    bool in_grammar; /* ours by its name, and not by its uid alone */
    const char *account, *service, *from;
    struct cloud_conf conf;
    /* For the answer; the question, which may be longer, is put into it first. */
    char packet[CLOUD_WIRE_QUESTION_MAX];
};

/* What an entry does for an account that is ours, and what it returns where it cannot tell. */
struct entry {
    int (*ours)(struct visit *visit);
    int unknown;
    bool audited; /* a decision, of which there is to be one audit line */
};

/* The one place where an answer becomes a PAM code. */
static int to_pam(enum cloud_status status)
{
    switch (status) {
    case CLOUD_OK:
        return PAM_SUCCESS;
    case CLOUD_ABSENT:
        return PAM_USER_UNKNOWN;
    case CLOUD_REFUSED:
        return PAM_PERM_DENIED;
    case CLOUD_UNAVAILABLE:
        return PAM_AUTHINFO_UNAVAIL;
    }
    return PAM_PERM_DENIED;
}

static const char *string_item(const pam_handle_t *pamh, int type)
{
    const void *item = NULL;

    if (pam_get_item(pamh, type, &item) != PAM_SUCCESS || item == NULL)
        return "";
    return item;
}

/* The daemon writes the audit line of each decision; this is the one of a decision without it. */
static void audit(const struct visit *visit, bool granted, const char *reason, const char *source,
                  const char *detail)
{
    char line[LINE_MAX_LOG];
    struct cloud_text text;
    bool sftp = cloud_name_kind(visit->account) == CLOUD_SFTP;

    cloud_text_start(&text, line, sizeof line);
    cloud_text_add(&text, granted ? "grant" : "refuse");
    cloud_text_add_pair(&text, "account", visit->account);
    cloud_text_add_pair(&text, "kind", sftp ? "sftp" : "shell");
    cloud_text_add(&text, " project= environment= app= user= role= key=");
    cloud_text_add_pair(&text, "from", visit->from);
    cloud_text_add_pair(&text, "service", visit->service);
    cloud_text_add_pair(&text, "reason", reason);
    cloud_text_add_pair(&text, "source", source);
    cloud_text_add(&text, " age=");
    if (detail != NULL)
        cloud_text_add_pair(&text, "detail", detail);
    pam_syslog(visit->pamh, granted ? LOG_INFO : LOG_NOTICE, "%s", line);
}

static void audit_refusal(const struct visit *visit, const char *reason)
{
    audit(visit, false, reason, "none", NULL);
}

/* Says a sentence to the person at the client; that it cannot be said changes nothing. */
static void tell(const struct visit *visit, const char *sentence)
{
    if (!visit->silent)
        (void)pam_error(visit->pamh, "%s", sentence);
}

/* The same, with the account's name in the middle of the sentence. */
static void tell_name(const struct visit *visit, const char *before, const char *after)
{
    const char *name = cloud_has_control(visit->account) ? "this account" : visit->account;

    if (!visit->silent)
        (void)pam_error(visit->pamh, "%s%s%s", before, name, after);
}

static void tell_refusal(const struct visit *visit, enum cloud_status status,
                         const struct cloud_answer *answer)
{
    switch (status) {
    case CLOUD_REFUSED:
        if (answer->message[0] != '\0' && !cloud_has_control(answer->message))
            tell(visit, answer->message);
        else
            tell_name(visit, "access to ", " is refused");
        break;
    case CLOUD_ABSENT:
        tell_name(visit, "there is no account ", "");
        break;
    case CLOUD_OK:
    case CLOUD_UNAVAILABLE:
    default:
        tell_name(visit, "access to ", " cannot be checked right now; try again in a minute");
    }
}

/* Whether this may be decided without the context, and is granted. */
static bool granted_alone(const struct visit *visit, const struct cloud_question *question)
{
    if (question->op != CLOUD_OP_PAM_ACCOUNT || visit->is_ssh ||
        !alone_grants(&visit->conf, visit->account, visit->service))
        return false;
    audit(visit, true, "granted", "snapshot", NULL);
    return true;
}

static enum cloud_status ask(struct visit *visit, const struct cloud_question *question,
                             struct cloud_answer *answer)
{
    enum cloud_status status =
        cloud_call(question, answer, visit->packet, sizeof visit->packet, PAM_TIMEOUT_MS);

    if (status != CLOUD_UNAVAILABLE || answer->reason != NULL)
        return status;
    if (granted_alone(visit, question))
        return CLOUD_OK;
    audit_refusal(visit, "daemon-unreachable");
    return status;
}

static bool conf_argument(struct visit *visit, const char *argument)
{
    struct cloud_conf_error error = {0, ""};

    if (cloud_conf_line(&visit->conf, argument, strlen(argument), &error))
        return true;
    pam_syslog(visit->pamh, LOG_ERR, "module argument: %s", error.text);
    return false;
}

/* The file, and then the module's arguments, which are lines of the same grammar. */
static bool read_conf(struct visit *visit, int argc, const char **argv)
{
    struct cloud_conf_error error = {0, ""};

    if (!cloud_conf_read(&visit->conf, CLOUD_CONF_PATH, 0, &error)) {
        pam_syslog(visit->pamh, LOG_ERR, "%s:%u: %s", CLOUD_CONF_PATH, error.line, error.text);
        return false;
    }
    for (int i = 0; i < argc; i++)
        if (!conf_argument(visit, argv[i]))
            return false;
    if (argc > 0 && !cloud_conf_check(&visit->conf, &error)) {
        pam_syslog(visit->pamh, LOG_ERR, "module arguments: %s", error.text);
        return false;
    }
    return true;
}

/* Whether a user who is not in /etc/passwd is ours. *reason is of WHO_UNKNOWN. */
static enum who who_is(struct visit *visit, int argc, const char **argv, const char **reason)
{
    const struct passwd *passwd;

    *reason = "configuration-broken";
    if (!read_conf(visit, argc, argv))
        return WHO_UNKNOWN;
    visit->in_grammar = cloud_name_parse(&visit->conf.grammar, visit->account, NULL);
    if (visit->in_grammar)
        return WHO_OURS;
    passwd = pam_modutil_getpwnam(visit->pamh, visit->account);
    if (passwd != NULL && cloud_conf_id_ours(&visit->conf, passwd->pw_uid))
        return WHO_OURS;
    return WHO_OTHER;
}

static int refuse_unknown(const struct visit *visit, const struct entry *entry, const char *reason)
{
    if (entry->audited) {
        audit_refusal(visit, reason);
        tell_refusal(visit, CLOUD_UNAVAILABLE, NULL);
    }
    return entry->unknown;
}

static int visit_entry(struct visit *visit, int argc, const char **argv, enum cloud_local local,
                       const struct entry *entry)
{
    const char *reason;

    visit->service = string_item(visit->pamh, PAM_SERVICE);
    visit->from = string_item(visit->pamh, PAM_RHOST);
    /* An sshd that runs under another name sets this too, though to "" before the session. */
    visit->is_ssh =
        strcmp(visit->service, "sshd") == 0 || pam_getenv(visit->pamh, AUTH_INFO) != NULL;
    if (local == CLOUD_LOCAL_UNKNOWN)
        return refuse_unknown(visit, entry, "local-accounts-unreadable");
    switch (who_is(visit, argc, argv, &reason)) {
    case WHO_OTHER:
        return PAM_IGNORE;
    case WHO_OURS:
        return entry->ours(visit);
    case WHO_UNKNOWN:
    default:
        return refuse_unknown(visit, entry, reason);
    }
}

/* What every entry does first. */
static int enter(pam_handle_t *pamh, int flags, int argc, const char **argv,
                 const struct entry *entry)
{
    const char *user = NULL;
    enum cloud_local local;
    struct visit *visit;
    int code = pam_get_user(pamh, &user, NULL);

    if (code != PAM_SUCCESS)
        return code == PAM_CONV_AGAIN ? PAM_INCOMPLETE : entry->unknown;
    if (user == NULL)
        return entry->unknown;
    local = cloud_local_user(user);
    if (local == CLOUD_LOCAL_YES)
        return PAM_IGNORE;
    if (local == CLOUD_LOCAL_UNKNOWN && !cloud_name_possible(user))
        return PAM_IGNORE;
    visit = calloc(1, sizeof *visit);
    if (visit == NULL)
        return entry->unknown;
    visit->pamh = pamh;
    visit->silent = ((unsigned)flags & PAM_SILENT) != 0;
    visit->account = user;
    code = visit_entry(visit, argc, argv, local, entry);
    free(visit);
    return code;
}

static int refuse_password(struct visit *visit)
{
    (void)visit; /* without a prompt: there is no password that could be right */
    return PAM_AUTH_ERR;
}

static int nothing_to_do(struct visit *visit)
{
    (void)visit;
    return PAM_SUCCESS;
}

static int refuse_new_password(struct visit *visit)
{
    tell_name(visit, "", " has no password");
    return PAM_PERM_DENIED;
}

static bool needs_jail(const struct visit *visit)
{
    return visit->is_ssh && cloud_name_kind(visit->account) == CLOUD_SFTP;
}

static void forget_jail(pam_handle_t *pamh, void *data, int status)
{
    (void)pamh;
    (void)status;
    free(data);
}

static void refuse_jail(const struct visit *visit, const char *reason,
                        const struct jail_fault *fault)
{
    audit(visit, false, reason, "none", fault->text);
    tell(visit, fault->text);
}

/*
 * Keeps what the account may see for its session, and looks whether it is there: a refusal here is
 * a sentence on the client's screen, one of the session would be noise in its sFTP protocol.
 */
static int prepare_jail(const struct visit *visit, const struct cloud_answer *answer)
{
    struct jail_fault fault = {"this account cannot be given sFTP directories right now"};
    const struct jail_account account = {answer->home, answer->id, answer->gid, answer->mounts};
    struct jail *jail = calloc(1, sizeof *jail);

    if (jail != NULL && cloud_conf_id_ours(&visit->conf, answer->id) &&
        cloud_conf_id_ours(&visit->conf, answer->gid) && jail_read(jail, &account, &fault) &&
        jail_check(jail, &fault) &&
        pam_set_data(visit->pamh, JAIL_DATA, jail, forget_jail) == PAM_SUCCESS)
        return PAM_SUCCESS;
    free(jail);
    refuse_jail(visit, "sftp-folders", &fault);
    return PAM_PERM_DENIED;
}

/* The account's part has been passed by this very process: it has left what is to be built. */
static bool enter_jail(const struct visit *visit)
{
    struct jail_fault fault = {"the sFTP directories of this login are unknown"};
    const void *jail = NULL;

    if (pam_get_data(visit->pamh, JAIL_DATA, &jail) == PAM_SUCCESS && jail != NULL &&
        jail_build(jail, &fault))
        return true;
    refuse_jail(visit, "sftp-jail", &fault);
    return false;
}

static int check_account(struct visit *visit)
{
    struct cloud_question question = {
        .op = CLOUD_OP_PAM_ACCOUNT,
        .service = visit->service,
        .account = visit->account,
        .from = visit->from,
        .is_ssh = visit->is_ssh,
    };
    struct cloud_answer answer;
    enum cloud_status status;

    /* A uid of ours under a name that we would never give it: nobody to ask about. */
    if (!visit->in_grammar) {
        audit_refusal(visit, "not-ours");
        tell_name(visit, "access to ", " is refused");
        return PAM_PERM_DENIED;
    }
    status = ask(visit, &question, &answer);
    if (status == CLOUD_OK && needs_jail(visit))
        return prepare_jail(visit, &answer);
    if (status != CLOUD_OK)
        tell_refusal(visit, status, &answer);
    return to_pam(status);
}

/* sshd's last line says how the last method succeeded; the caller frees it. NULL: no memory. */
static char *last_auth_info(const struct visit *visit)
{
    const char *info = pam_getenv(visit->pamh, AUTH_INFO);
    const char *start, *end;

    if (info == NULL)
        info = "";
    for (end = info + strlen(info); end > info && end[-1] == '\n'; end--)
        ;
    for (start = end; start > info && start[-1] != '\n'; start--)
        ;
    return strndup(start, (size_t)(end - start));
}

static bool set_variable(const struct visit *visit, const char *name, const char *value)
{
    char variable[VARIABLE_MAX];
    struct cloud_text text;

    cloud_text_start(&text, variable, sizeof variable);
    cloud_text_add(&text, visit->conf.env_prefix);
    cloud_text_add(&text, name);
    cloud_text_add_char(&text, '=');
    cloud_text_add(&text, value);
    return !text.cut && !cloud_has_control(value) &&
           pam_putenv(visit->pamh, variable) == PAM_SUCCESS;
}

static bool set_environment(const struct visit *visit, const struct cloud_answer *answer)
{
    return set_variable(visit, "PROJECT", answer->project) &&
           set_variable(visit, "ENVIRONMENT", answer->environment) &&
           (answer->app[0] == '\0' || set_variable(visit, "APPLICATION", answer->app)) &&
           set_variable(visit, "USER", answer->user);
}

/* sshd shows it on interactive logins alone: a command's output stays as it is. */
static void greet(const struct visit *visit, const struct cloud_answer *answer)
{
    if (!visit->silent)
        (void)pam_info(visit->pamh, "project %s, environment %s; you are %s", answer->project,
                       answer->environment, answer->user);
}

static int open_ssh_session(struct visit *visit, const char *auth_info)
{
    struct cloud_question question = {
        .op = CLOUD_OP_PAM_SESSION,
        .service = visit->service,
        .account = visit->account,
        .from = visit->from,
        .auth_info = auth_info,
    };
    struct cloud_answer answer;
    enum cloud_status status = ask(visit, &question, &answer);

    if (to_pam(status) != PAM_SUCCESS) {
        tell_refusal(visit, status, &answer);
        return PAM_SESSION_ERR;
    }
    if (!set_environment(visit, &answer)) {
        audit_refusal(visit, "environment-not-set");
        return PAM_SESSION_ERR;
    }
    if (needs_jail(visit) && !enter_jail(visit))
        return PAM_SESSION_ERR;
    greet(visit, &answer);
    return PAM_SUCCESS;
}

static int open_session(struct visit *visit)
{
    char *auth_info;
    int code = PAM_SESSION_ERR;

    if (!visit->is_ssh)
        return PAM_SUCCESS; /* account has decided all there is to decide */
    if (!visit->in_grammar) {
        audit_refusal(visit, "not-ours");
        return PAM_SESSION_ERR;
    }
    auth_info = last_auth_info(visit);
    if (auth_info != NULL)
        code = open_ssh_session(visit, auth_info);
    free(auth_info);
    return code;
}

/* The daemon would notice by itself, later. So it cannot fail, and is waited for no longer than a
 * lookup is. */
static int close_session(struct visit *visit)
{
    struct cloud_question question = {.op = CLOUD_OP_PAM_SESSION_END, .account = visit->account};
    struct cloud_answer answer;

    if (visit->is_ssh && visit->in_grammar)
        (void)cloud_call(&question, &answer, visit->packet, sizeof visit->packet,
                         CLOUD_CALL_NSS_MS);
    return PAM_SUCCESS;
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    static const struct entry entry = {refuse_password, PAM_AUTH_ERR, false};

    return enter(pamh, flags, argc, argv, &entry);
}

/*
 * Success, though there is nothing to set. After a publickey login sshd calls pam_setcred without
 * pam_authenticate, and cron and systemd do so too and give up where it fails: this walks the auth
 * stack, where Debian's common-auth ends in pam_deny unless a module before it has said success.
 * It opens nothing: who may enter is decided in account, which all of them ask first.
 */
EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    static const struct entry entry = {nothing_to_do, PAM_CRED_UNAVAIL, false};

    return enter(pamh, flags, argc, argv, &entry);
}

EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    static const struct entry entry = {check_account, PAM_PERM_DENIED, true};

    return enter(pamh, flags, argc, argv, &entry);
}

EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    static const struct entry entry = {open_session, PAM_SESSION_ERR, true};

    return enter(pamh, flags, argc, argv, &entry);
}

EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    static const struct entry entry = {close_session, PAM_SESSION_ERR, false};

    return enter(pamh, flags, argc, argv, &entry);
}

EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    static const struct entry entry = {refuse_new_password, PAM_PERM_DENIED, false};

    return enter(pamh, flags, argc, argv, &entry);
}
