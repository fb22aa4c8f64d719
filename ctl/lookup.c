/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/remedy.h"

#include "access/messages.h"

#include "common/local.h"

#include <stdio.h>
#include <unistd.h>

static void put_name(struct out *out, const struct cloud_name *name)
{
    out_pair(out, "kind", name->kind == CLOUD_SFTP ? "sftp" : "shell");
    out_pair(out, "project", name->project);
    out_pair(out, "environment", name->environment);
    out_pair(out, "app", name->app);
    out_pair(out, "worker", name->worker);
}

/* Prints the state, and why there is no account. Returns the exit status. */
static int put_state(struct out *out, const char *state, const char *reason, int status)
{
    out_pair(out, "state", state);
    out_pair(out, "reason", reason);
    return status;
}

/* Prints that it is not known whether there is an account, why, and what says more. Every user may
 * ask for an account, but only root is told why the project API does not answer: by PEOPLE. */
static int put_unknown(struct out *out, const char *account, const char *reason)
{
    char why[512], remedy[REMEDY_SIZE];
    const struct cloud_question question = {.op = CLOUD_OP_PEOPLE, .account = account};
    struct cloud_answer answer;

    snprintf(why, sizeof why, "%s", reason == NULL ? "cloudauthd does not answer" : reason);
    if (geteuid() == 0 && reason != NULL && ask_once(&question, &answer) == CLOUD_UNAVAILABLE &&
        answer.reason != NULL)
        snprintf(why, sizeof why, "%s", answer.reason);
    (void)put_state(out, "unavailable", why, CTL_UNKNOWN);
    (void)remedy_fill(REMEDY_ACCOUNT, account, remedy);
    out_pair(out, "remedy", remedy);
    return CTL_UNKNOWN;
}

static int ask_daemon(struct out *out, const char *account)
{
    const struct cloud_question question = {.op = CLOUD_OP_PASSWD_BY_NAME, .account = account};
    struct cloud_answer answer;

    switch (ask_once(&question, &answer)) {
    case CLOUD_OK:
        out_number(out, "uid", answer.id);
        out_number(out, "gid", answer.gid);
        out_pair(out, "gecos", answer.gecos);
        out_pair(out, "home", answer.home);
        out_pair(out, "shell", answer.shell);
        return put_state(out, "present", NULL, CTL_YES);
    case CLOUD_ABSENT:
        return put_state(out, "absent", answer.reason, CTL_NO);
    case CLOUD_REFUSED:
        return put_state(out, "refused", answer.reason, CTL_NO);
    case CLOUD_UNAVAILABLE:
        break;
    }
    return put_unknown(out, account, answer.reason);
}

int cmd_lookup(struct ctl *ctl)
{
    static struct cloud_conf conf;
    struct cloud_name name;
    struct out out;
    int status;

    if (!ctl_conf(ctl, &conf))
        return CTL_UNKNOWN;
    out_start(&out, ctl->json);
    out_pair(&out, "name", ctl->word[0]);
    if (!cloud_name_parse(&conf.grammar, ctl->word[0], &name)) {
        status = put_state(&out, "not-ours", messages_not_a_login_name(&conf.grammar, ctl->word[0]),
                           CTL_NO);
    } else {
        put_name(&out, &name);
        switch (cloud_local_user(ctl->word[0])) {
        case CLOUD_LOCAL_YES:
            status = put_state(&out, "local", "this host has a local user of that name", CTL_NO);
            break;
        case CLOUD_LOCAL_NO:
            status = ask_daemon(&out, ctl->word[0]);
            break;
        case CLOUD_LOCAL_UNKNOWN:
        default:
            status = put_state(&out, "unavailable", "/etc/passwd cannot be read", CTL_UNKNOWN);
            out_pair(&out, "remedy", "ls -l /etc/passwd");
        }
    }
    return out_end(&out) ? status : CTL_UNKNOWN;
}
