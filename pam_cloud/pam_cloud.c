/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pam_cloud.so: refuses passwords for cloud accounts, asks the daemon whether a login is allowed
 * (account step) and which person logs in (session step), and returns PAM_IGNORE for other users.
 *
 * A user in /etc/passwd gets PAM_IGNORE before anything else is looked at, so that no fault of the
 * daemon, the configuration or the module's arguments can lock out the host's own users. While it
 * cannot be determined whether a user is a cloud account, the user is refused.
 */
#include "common/call.h"
#include "common/conf.h"
#include "common/io.h"
#include "common/local.h"
#include "common/snapshot.h"
#include "common/text.h"
#include "jail/jail.h"

#include <fcntl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

#define AUTH_INFO    "SSH_AUTH_INFO_0"
#define JAIL_DATA    "cloudauth_jail"
#define LINE_MAX_LOG 4096
#define VARIABLE_MAX 1024 /* bytes of "NAME=value", with the NUL */

/* The longest time that the daemon's answer may take, in milliseconds. The unit tests define a
 * shorter one. */
#ifndef PAM_TIMEOUT_MS
#define PAM_TIMEOUT_MS CLOUD_CALL_LOGIN_MS
#endif

/* A call of one of the module's functions for a user who is not known to be in /etc/passwd. */
struct visit {
    pam_handle_t *pamh;
    bool silent;
    bool is_ssh;
    struct cloud_name name; /* `account`, parsed */
    const char *account, *service, *from;
    const char *subject; /* the audit line's pairs from project= to key= */
    struct cloud_conf conf;
    /* Holds the packet of the question, then that of the answer. Either fits: the longest question
     * is longer than any answer to PAM. */
    char packet[CLOUD_WIRE_QUESTION_MAX];
};

/* What one of the module's functions does for a cloud account (`act`), and the PAM code that it
 * returns if it cannot be determined whether the user is one (`unknown`). */
struct entry {
    int (*act)(struct visit *visit);
    int unknown;
    bool audited; /* the function makes a decision, which gets one audit line */
};

/* The only place where a status becomes a PAM code. */
static int to_pam(enum cloud_status status)
{
    switch (status) {
    case CLOUD_OK:
        return PAM_SUCCESS;
    case CLOUD_UNAVAILABLE:
        return PAM_AUTHINFO_UNAVAIL;
    case CLOUD_ABSENT: /* never an answer to PAM */
    case CLOUD_REFUSED:
        break;
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

/* Writes the audit line of a decision that is made here. The daemon writes those of its own
 * decisions. */
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
    cloud_text_add(&text, visit->subject);
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

/* Shows a sentence to the client. A failure to show it is ignored. */
static void tell(const struct visit *visit, const char *sentence)
{
    if (!visit->silent)
        (void)pam_error(visit->pamh, "%s", sentence);
}

/* Shows a sentence that has the name of the account between `before` and `after`. */
static void tell_name(const struct visit *visit, const char *before, const char *after)
{
    const char *name = cloud_text_has_control(visit->account) ? "this account" : visit->account;

    if (!visit->silent)
        (void)pam_error(visit->pamh, "%s%s%s", before, name, after);
}

/* Whether a text from the daemon may be shown: its only control characters are newlines. */
static bool is_lines(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text != '\n' && cloud_text_is_control(*text))
            return false;
    return true;
}

static void tell_refusal(const struct visit *visit, enum cloud_status status,
                         const struct cloud_answer *answer)
{
    switch (status) {
    case CLOUD_REFUSED:
        if (answer->message[0] != '\0' && is_lines(answer->message))
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

static bool record_grants(const struct visit *visit, const struct cloud_snapshot_account *account)
{
    const char *home; /* found only if the application of the name exists */

    if (!cloud_conf_has_id(&visit->conf, account->record.uid) ||
        !cloud_snapshot_home(account, &visit->name, &home) ||
        !cloud_conf_has_home(&visit->conf, home))
        return false;
    if ((account->record.flags & CLOUD_SNAPSHOT_ACTIVE) != 0)
        return true;
    return (account->record.flags & CLOUD_SNAPSHOT_PAUSED) != 0 &&
           strcmp(visit->service, "cron") == 0;
}

/* Whether the file is of this boot. After a power failure one of an earlier boot may again have a
 * record that was taken back, or the state of an environment from before it was paused or denied.
 */
static bool is_of_this_boot(const struct cloud_snapshot *snapshot)
{
    char id[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : io_read_all(fd, id, sizeof id - 1);

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    id[n] = '\0';
    id[strcspn(id, "\n")] = '\0';
    return (snapshot->header.boot & CLOUD_SNAPSHOT_BOOT) == cloud_snapshot_boot(id);
}

/* Whether accounts.snapshot allows a service that asks for no key (cron, su, sudo) to use the
 * account while the daemon cannot be reached. Until the record expires, any service may use it if
 * the environment is active, and only cron if the environment is paused. */
static bool snapshot_grants(const struct visit *visit)
{
    struct cloud_snapshot_account record;
    struct cloud_snapshot snapshot;
    const struct cloud_name *name = &visit->name;
    int64_t now = (int64_t)time(NULL);
    bool granted;

    if (!cloud_snapshot_map(&snapshot))
        return false;
    granted = !cloud_snapshot_retired(&snapshot) && cloud_snapshot_current(&snapshot, now) &&
              is_of_this_boot(&snapshot) &&
              cloud_snapshot_by_name(&snapshot, name->project, name->environment, &record) &&
              now < record.record.expires && record_grants(visit, &record);
    cloud_snapshot_unmap(&snapshot);
    return granted;
}

/* While the daemon cannot be reached, grants the account step of a service other than SSH if the
 * snapshot allows it. False if nothing is granted. */
static bool grant_alone(const struct visit *visit, const struct cloud_question *question)
{
    if (question->op != CLOUD_OP_PAM_ACCOUNT || visit->is_ssh || !snapshot_grants(visit))
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
    if (grant_alone(visit, question))
        return CLOUD_OK;
    audit_refusal(visit, "daemon-unreachable");
    return status;
}

static bool conf_argument(struct visit *visit, const char *argument)
{
    struct cloud_conf_error error = {0};

    if (cloud_conf_line(&visit->conf, argument, strlen(argument), &error))
        return true;
    pam_syslog(visit->pamh, LOG_ERR, "module argument: %s", error.text);
    return false;
}

/* Reads the settings file, then the arguments of the module, which have the syntax of its lines. On
 * an error logs it and returns false. */
static bool read_conf(struct visit *visit, int argc, const char **argv)
{
    struct cloud_conf_error error = {0};

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

/* Refuses a user because it cannot be determined whether this is a cloud account. */
static int refuse_unknown(const struct visit *visit, const struct entry *entry, const char *reason)
{
    if (entry->audited) {
        audit_refusal(visit, reason);
        tell_refusal(visit, CLOUD_UNAVAILABLE, NULL);
    }
    return entry->unknown;
}

/* Runs the entry for a user who is not known to be in /etc/passwd. A user whose name this host
 * serves (cloud_name_parse) is a cloud account. The uid does not matter, because users of other
 * name services may have any uid. */
static int visit_entry(struct visit *visit, int argc, const char **argv, enum cloud_local local,
                       const struct entry *entry)
{
    visit->service = string_item(visit->pamh, PAM_SERVICE);
    visit->from = string_item(visit->pamh, PAM_RHOST);
    /* sshd under another PAM service name is recognized by AUTH_INFO, which it always sets: to ""
     * until the session begins. */
    visit->is_ssh =
        strcmp(visit->service, "sshd") == 0 || pam_getenv(visit->pamh, AUTH_INFO) != NULL;
    if (local == CLOUD_LOCAL_UNKNOWN)
        return refuse_unknown(visit, entry, "local-accounts-unreadable");
    if (!read_conf(visit, argc, argv))
        return refuse_unknown(visit, entry, "configuration-broken");
    return cloud_name_parse(&visit->conf.grammar, visit->account, &visit->name) ? entry->act(visit)
                                                                                : PAM_IGNORE;
}

/* The common start of all functions of the module: returns PAM_IGNORE for local users, and runs the
 * entry for others. */
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
    visit->subject = " project= environment= app= user= role= key=";
    code = visit_entry(visit, argc, argv, local, entry);
    free(visit);
    return code;
}

static int refuse_password(struct visit *visit)
{
    (void)visit; /* no prompt, because no password is valid */
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

/* What the account step of an sFTP login keeps for the session step. */
struct prepared {
    struct jail jail;
    char subject[LINE_MAX_LOG];
};

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

/* Checks the directories of an sFTP account, and keeps their list for the session step. A refusal
 * is explained to the client here, because in the session step the client would take the sentence
 * for a message of the sFTP protocol. */
static int prepare_jail(struct visit *visit, const struct cloud_answer *answer)
{
    struct jail_fault fault = {"this account cannot be given sFTP directories right now"};
    const struct jail_account account = {answer->home, answer->id, answer->gid, answer->mounts};
    struct prepared *made = calloc(1, sizeof *made);
    struct cloud_text text;

    if (answer->message[0] == ' ' && !cloud_text_has_control(answer->message))
        visit->subject = answer->message;
    if (made != NULL) {
        cloud_text_start(&text, made->subject, sizeof made->subject);
        cloud_text_add(&text, visit->subject);
    }
    if (made != NULL && jail_read(&made->jail, &account, &fault) &&
        jail_check(&made->jail, &fault) &&
        pam_set_data(visit->pamh, JAIL_DATA, made, forget_jail) == PAM_SUCCESS)
        return PAM_SUCCESS;
    free(made);
    refuse_jail(visit, "sftp-folders", &fault);
    return PAM_PERM_DENIED;
}

/* Builds the jail from the list that prepare_jail has kept; PAM runs both steps in the same
 * process. */
static bool enter_jail(struct visit *visit)
{
    struct jail_fault fault = {"the sFTP directories of this login are unknown"};
    const struct prepared *made;
    const void *data = NULL;

    if (pam_get_data(visit->pamh, JAIL_DATA, &data) == PAM_SUCCESS && data != NULL) {
        made = data;
        visit->subject = made->subject;
        if (jail_build(&made->jail, &fault))
            return true;
    }
    refuse_jail(visit, "sftp-jail", &fault);
    return false;
}

/*
 * Whether this host's settings allow the uid, gid and home in the answer, because the daemon is not
 * trusted. A NULL home means that the login was granted without the daemon (grant_alone), which has
 * checked the account. A daemon of version 0.1.0, which may still run during an upgrade, sends ""
 * as the home of a shell account; the NSS module checks that home.
 */
static bool may_use(const struct visit *visit, const struct cloud_answer *answer)
{
    return answer->home == NULL ||
           (cloud_conf_has_id(&visit->conf, answer->id) &&
            cloud_conf_has_id(&visit->conf, answer->gid) &&
            (answer->home[0] == '\0' || cloud_conf_has_home(&visit->conf, answer->home)));
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

    status = ask(visit, &question, &answer);
    if (status == CLOUD_OK && !may_use(visit, &answer)) {
        audit(visit, false, "document-unusable", "none",
              "this host's settings do not allow the account's uid, gid or home");
        status = CLOUD_UNAVAILABLE;
    }
    if (status == CLOUD_OK && needs_jail(visit))
        return prepare_jail(visit, &answer);
    if (status != CLOUD_OK)
        tell_refusal(visit, status, &answer);
    return to_pam(status);
}

/* Returns the last line of sshd's AUTH_INFO, malloc'ed: the method that completed the
 * authentication. NULL if out of memory. */
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
    return !text.cut && !cloud_text_has_control(value) &&
           pam_putenv(visit->pamh, variable) == PAM_SUCCESS;
}

static bool set_environment(const struct visit *visit, const struct cloud_answer *answer)
{
    return set_variable(visit, "PROJECT", answer->project) &&
           set_variable(visit, "ENVIRONMENT", answer->environment) &&
           (answer->app[0] == '\0' || set_variable(visit, "APPLICATION", answer->app)) &&
           set_variable(visit, "USER", answer->user);
}

/* sshd shows this text only in interactive logins, so the output of a command is not changed. */
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
    enum cloud_status status;

    /* The jail comes first, because a login that PAM refuses must have no audit line that grants
     * it. */
    if (needs_jail(visit) && !enter_jail(visit))
        return PAM_SESSION_ERR;
    status = ask(visit, &question, &answer);
    if (to_pam(status) != PAM_SUCCESS) {
        tell_refusal(visit, status, &answer);
        return PAM_SESSION_ERR;
    }
    if (!set_environment(visit, &answer)) {
        audit_refusal(visit, "environment-not-set");
        return PAM_SESSION_ERR;
    }
    greet(visit, &answer);
    return PAM_SUCCESS;
}

static int open_session(struct visit *visit)
{
    char *auth_info;
    int code = PAM_SESSION_ERR;

    if (!visit->is_ssh)
        return PAM_SUCCESS; /* the account step has decided already */
    auth_info = last_auth_info(visit);
    if (auth_info != NULL)
        code = open_ssh_session(visit, auth_info);
    free(auth_info);
    return code;
}

/* Tells the daemon that the session is over. Otherwise the daemon would notice, but later: so a
 * failure is ignored, and the timeout is that of a lookup. */
static int close_session(struct visit *visit)
{
    struct cloud_question question = {.op = CLOUD_OP_PAM_SESSION_END, .account = visit->account};
    struct cloud_answer answer;

    if (visit->is_ssh)
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
 * Returns PAM_SUCCESS although there are no credentials to set. pam_setcred(3) runs the auth stack,
 * and Debian's common-auth ends in pam_deny unless an earlier module returns success. sshd after a
 * publickey login, cron and systemd call pam_setcred without pam_authenticate(3); cron and systemd
 * give up if it fails. This success grants nothing: access is decided by account management, which
 * all of them call first.
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
