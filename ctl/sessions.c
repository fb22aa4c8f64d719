/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/lines.h"

#include "base/process.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fields of a row of SESSIONS (cloudauthd/control/control.h). The first HIDDEN fields are
 * printed in JSON only. */
#define COLUMNS                                                                                    \
    "project environment kind app user_id mail role service audit# ca session account user "       \
    "since@ from pid# key cert state"
#define HIDDEN 10
enum { PROJECT, ENVIRONMENT, USER_ID = 4, AUDIT = 8, SESSION = 10, ACCOUNT, USER };
enum { PID = 15, STATE = 18 };

/* Whether the session belongs to `name`, which is a login name or "project/environment". If `name`
 * is NULL, every session does. */
static bool is_of(const char *const *field, const char *name)
{
    char whole[512];

    snprintf(whole, sizeof whole, "%s/%s", field[PROJECT], field[ENVIRONMENT]);
    return name == NULL || strcmp(name, field[ACCOUNT]) == 0 || strcmp(name, whole) == 0;
}

static int list_sessions(const struct ctl *ctl, const char *name)
{
    struct cloud_question question = {.op = CLOUD_OP_SESSIONS, .session = ""};
    struct ask_rows rows = {0};
    int status = ask_rows(&question, &rows);
    struct out out;

    out_start(&out, ctl->json);
    out.skip = HIDDEN;
    out_table(&out, "sessions", COLUMNS);
    for (size_t i = 0; i < rows.n; i++)
        if (is_of(rows.row[i].field, name))
            out_row(&out, rows.row[i].field);
    out_table_end(&out);
    return out_end(&out) ? status : CTL_UNKNOWN;
}

/* ---- Processes of an account that belong to no session ---- */

struct leftovers {
    struct out out;
    uint32_t uid;
    struct ask_rows sessions;
};

static bool is_in(const char *const *field, const struct process_info *process)
{
    uint32_t audit = (uint32_t)strtoul(field[AUDIT], NULL, 10);

    /* The sshd process of a detached session has ended, and another process may have its pid by
     * now. */
    return (strcmp(field[STATE], "detached") != 0 &&
            strtol(field[PID], NULL, 10) == process->process.pid) ||
           (audit != PROCESS_NO_AUDIT && audit == process->ids.audit);
}

/* Whether the process belongs to one of the sessions: the process, or one of its ancestors, is the
 * sshd process of the session or is in its audit session. */
static bool in_session(const struct leftovers *leftovers, const struct process_info *process)
{
    struct process_info at = *process;

    for (int depth = 0; depth < 64; depth++) {
        for (size_t i = 0; i < leftovers->sessions.n; i++)
            if (is_in(leftovers->sessions.row[i].field, &at))
                return true;
        if (at.parent <= 1 || !process_look(at.parent, &at))
            return false;
    }
    return false;
}

static bool take_line(void *arg, char *line)
{
    snprintf(arg, 256, "%s", line);
    return false;
}

static bool show_leftover(void *arg, const struct process_info *info)
{
    struct leftovers *leftovers = arg;
    const char *pid = CLOUD_DIGITS(info->process.pid);
    char path[64], command[256] = "", cgroup[256] = "";

    if (info->zombie || !process_has_uid(&info->ids, leftovers->uid) || in_session(leftovers, info))
        return true;
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    (void)lines_read(path, false, take_line, command); /* the process may have ended */
    snprintf(path, sizeof path, "/proc/%s/cgroup", pid);
    (void)lines_read(path, false, take_line, cgroup);
    OUT_ROW(&leftovers->out, pid, command, cgroup);
    return true;
}

static int list_leftovers(const struct ctl *ctl, const char *name)
{
    struct cloud_question binding = {.op = CLOUD_OP_REBIND, .account = name};
    struct cloud_question question = {.op = CLOUD_OP_SESSIONS, .session = ""};
    struct leftovers leftovers = {.uid = 0};
    struct ask_rows rows = {0};
    int status = ask_rows(&binding, &rows);

    if (status == CTL_YES)
        status = ask_rows(&question, &leftovers.sessions);
    if (status != CTL_YES)
        return status;
    leftovers.uid = (uint32_t)strtoul(ask_value(&rows, "uid"), NULL, 10);
    out_start(&leftovers.out, ctl->json);
    out_table(&leftovers.out, "leftovers", "pid# command cgroup");
    if (!process_each(show_leftover, &leftovers)) {
        ctl_say("/proc cannot be read");
        status = CTL_UNKNOWN;
    }
    out_table_end(&leftovers.out);
    return out_end(&leftovers.out) ? status : CTL_UNKNOWN;
}

/* ---- Ending sessions ---- */

/* Whether the word names the session: if `by_user` is set, by the name or id of its user, otherwise
 * by the id of the session. */
static bool is_named(const char *const *field, const char *word, bool by_user)
{
    if (!by_user)
        return strcmp(word, field[SESSION]) == 0;
    return strcmp(word, field[USER]) == 0 || strcmp(word, field[USER_ID]) == 0;
}

/* Ends a session. It is not an error if the session has ended by itself in the meantime. Returns
 * the exit status. */
static int end_one(struct out *out, const char *const *field)
{
    struct cloud_question question = {.op = CLOUD_OP_SESSION_END, .session = field[SESSION]};
    struct cloud_answer answer;
    enum cloud_status status = ask_once(&question, &answer);

    if (status != CLOUD_OK && status != CLOUD_ABSENT)
        return ask_failed(&answer);
    OUT_ROW(out, field[SESSION], field[ACCOUNT], field[USER],
            status == CLOUD_OK ? "ending" : "gone");
    return CTL_YES;
}

static int end_sessions(const struct ctl *ctl, char **words, bool by_user)
{
    struct cloud_question question = {.op = CLOUD_OP_SESSIONS, .session = ""};
    struct ask_rows rows = {0};
    int status = ask_rows(&question, &rows), missing = CTL_YES;
    struct out out;

    if (status != CTL_YES)
        return status;
    out_start(&out, ctl->json);
    out_table(&out, "ended", "session account user state");
    for (char **word = words; *word != NULL; word++) {
        bool any = false;
        for (size_t i = 0; i < rows.n; i++)
            if (is_named(rows.row[i].field, *word, by_user)) {
                any = true;
                status = ctl_worse(status, end_one(&out, rows.row[i].field));
            }
        if (any)
            continue;
        ctl_say(by_user ? "%s has no session here" : "there is no session %s", *word);
        missing = CTL_NO;
    }
    out_table_end(&out);
    return out_end(&out) ? ctl_worse(status, missing) : CTL_UNKNOWN;
}

int cmd_sessions(struct ctl *ctl)
{
    bool ids = ctl_option(ctl, "--end") != NULL, users = ctl_option(ctl, "--end-user") != NULL;
    bool leftovers = ctl_option(ctl, "--leftovers") != NULL;

    if (ids + users + leftovers > 1 || ((ids || users) ? ctl->words < 1 : ctl->words > 1) ||
        (leftovers && ctl->words != 1))
        return ctl_usage(ctl);
    if (leftovers)
        return list_leftovers(ctl, ctl->word[0]);
    if (ids || users)
        return end_sessions(ctl, ctl->word, users);
    return list_sessions(ctl, ctl->word[0]);
}
