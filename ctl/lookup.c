/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include "access/messages.h"

#include "common/call.h"
#include "common/local.h"

#include <string.h>

static void put_name(struct out *out, const struct cloud_name *name)
{
    out_pair(out, "kind", name->kind == CLOUD_SFTP ? "sftp" : "shell");
    out_pair(out, "project", name->project);
    out_pair(out, "environment", name->environment);
    out_pair(out, "app", name->app);
    out_pair(out, "worker", name->worker);
}

static int put_state(struct out *out, const char *state, const char *reason, int status)
{
    out_pair(out, "state", state);
    out_pair(out, "reason", reason);
    return status;
}

static int ask_daemon(struct out *out, const char *account)
{
    static char buffer[CLOUD_WIRE_ANSWER_MAX];
    const struct cloud_question question = {.op = CLOUD_OP_PASSWD_BY_NAME, .account = account};
    struct cloud_answer answer;

    switch (cloud_call(&question, &answer, buffer, sizeof buffer, CLOUD_CALL_LOGIN_MS)) {
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
    return put_state(out, "unavailable",
                     answer.reason == NULL ? "cloudauthd does not answer" : answer.reason,
                     CTL_UNKNOWN);
}

int cmd_lookup(struct ctl *ctl, int argc, char **argv)
{
    static struct cloud_conf conf;
    struct cloud_name name;
    struct out out;
    int status;

    if (argc != 2 || argv[1][0] == '-')
        return ctl_usage(argv);
    if (!ctl_conf(ctl, &conf))
        return CTL_UNKNOWN;
    out_start(&out, ctl->json);
    out_pair(&out, "name", argv[1]);
    if (!cloud_name_parse(&conf.grammar, argv[1], &name)) {
        status =
            put_state(&out, "not-ours", messages_not_a_login_name(&conf.grammar, argv[1]), CTL_NO);
    } else {
        put_name(&out, &name);
        switch (cloud_local_user(argv[1])) {
        case CLOUD_LOCAL_YES:
            status = put_state(&out, "local", "this host has a local user of that name", CTL_NO);
            break;
        case CLOUD_LOCAL_NO:
            status = ask_daemon(&out, argv[1]);
            break;
        case CLOUD_LOCAL_UNKNOWN:
        default:
            status = put_state(&out, "unavailable", "/etc/passwd cannot be read", CTL_UNKNOWN);
        }
    }
    return out_end(&out) ? status : CTL_UNKNOWN;
}
