/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/remedy.h"

#include "base/process.h"
#include "common/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDING_MS 3000 /* milliseconds to wait until sessions and processes have ended */
#define SAY_MS    1000 /* milliseconds of waiting after which a message says so */
#define AGAIN_MS  50

/* A binding, as in the daemon's answer to REBIND. */
struct binding {
    const char *project, *environment, *account;
    uint32_t uid, gid;
    unsigned long sessions;
};

static int ask_binding(struct cloud_question *question, struct binding *out)
{
    struct ask_rows rows = {0};
    int status = ask_rows(question, &rows);

    *out = (struct binding){ask_value(&rows, "project"),
                            ask_value(&rows, "environment"),
                            ask_value(&rows, "account"),
                            (uint32_t)strtoul(ask_value(&rows, "uid"), NULL, 10),
                            (uint32_t)strtoul(ask_value(&rows, "gid"), NULL, 10),
                            strtoul(ask_value(&rows, "sessions"), NULL, 10)};
    return status;
}

/* ---- Sessions and processes with the old uid ---- */

/* The processes that use the uid of the binding. */
struct use {
    uint32_t uid;
    bool known; /* /proc could be read */
    unsigned long processes;
    char pids[256]; /* the pids of the first eight processes */
};

static bool take_process(void *arg, const struct process_info *info)
{
    struct use *use = arg;
    size_t used = strlen(use->pids);

    if (process_has_uid(&info->ids, use->uid) && ++use->processes <= 8)
        snprintf(use->pids + used, sizeof use->pids - used, "%s%d", used == 0 ? "" : " ",
                 (int)info->process.pid);
    return true;
}

/* Asks for the binding, and finds what uses its uid. The session and processes of a client that has
 * just disconnected exist for a moment longer, so waits for their end for up to ENDING_MS, unless
 * `force` is set. Returns the exit status. */
static int find_use(struct cloud_question *question, bool force, struct binding *binding,
                    struct use *use)
{
    int64_t start = cloud_clock_ms();
    bool said = false;

    for (;;) {
        int status = ask_binding(question, binding);
        if (status != CTL_YES)
            return status;
        *use = (struct use){.uid = binding->uid};
        use->known = process_each(take_process, use);
        if (force || (binding->sessions == 0 && use->processes == 0) ||
            cloud_clock_ms() - start >= ENDING_MS)
            return CTL_YES;
        if (!said && cloud_clock_ms() - start >= SAY_MS) {
            ctl_say("waiting %d seconds for sessions that are ending", ENDING_MS / 1000);
            said = true;
        }
        poll(NULL, 0, AGAIN_MS);
    }
}

/* Whether the uid may be released, because it is not in use, or because `force` is set. Prints what
 * uses the uid. */
static bool may_release(const struct binding *binding, const struct use *use, bool force)
{
    bool unused = binding->sessions == 0 && use->processes == 0;

    if (!use->known) {
        ctl_say("/proc cannot be read: it is unknown which processes have uid %u", binding->uid);
        return force;
    }
    if (binding->sessions > 0)
        ctl_say("%s/%s has %lu open sessions (cloudauthctl sessions %s/%s)", binding->project,
                binding->environment, binding->sessions, binding->project, binding->environment);
    if (use->processes > 0)
        ctl_say("%lu processes have uid %u: %s%s", use->processes, binding->uid, use->pids,
                use->processes > 8 ? " ..." : "");
    if (!unused)
        ctl_say("%s", force ? "they keep the old uid" : "end them first, or add --force");
    return unused || force;
}

/* Prints the command that changes the owner of the files of the old uid, below the home, to the new
 * uid and gid. The home's owner may replace a directory there by a link while root runs the
 * command, so that chown(1) must not get paths: with -execdir it runs in the directory that find(1)
 * has open, and gets names in it. A home that is no path would be an option of find(1), or nothing,
 * which is the directory where root is: then there is no such command. */
static void show_files(struct out *out, const struct binding *old, const char *home, uint32_t uid,
                       uint32_t gid)
{
    char quoted[4096], remedy[8192];

    out_pair(out, "home", home);
    if (home[0] == '/' && remedy_quote(home, quoted, sizeof quoted)) {
        snprintf(remedy, sizeof remedy, "find %s -xdev -uid %u -execdir chown -h %u:%u {} +",
                 quoted, old->uid, uid, gid);
        out_pair(out, "remedy", remedy);
    }
    snprintf(remedy, sizeof remedy,
             "Files elsewhere keep uid %u too, and belong to the next account that gets it: find / "
             "-uid %u",
             old->uid, old->uid);
    out_line(out, remedy);
}

/* ---- The command ---- */

/* Makes the daemon ask the project API, so that the uid in the document is bound at once, and
 * prints that uid. Returns the exit status. */
static int show_new(struct out *out, const struct binding *old)
{
    char name[400], home[CLOUD_WIRE_PATH_MAX + 4096] = "";
    struct cloud_question refresh = {.op = CLOUD_OP_REFRESH, .account = name};
    struct cloud_question lookup = {.op = CLOUD_OP_PASSWD_BY_NAME, .account = old->account};
    struct ask_rows rows = {0};
    struct cloud_answer answer;
    int status;

    snprintf(name, sizeof name, "%s/%s", old->project, old->environment);
    status = ask_rows(&refresh, &rows);
    const char *result = rows.n == 0 ? "" : rows.row[0].field[0];
    out_pair(out, "refreshed", result);
    if (status != CTL_YES || strcmp(result, "document") != 0) {
        ctl_say(
            "the project API did not send a document: the uid of its next document will be bound");
        return CTL_UNKNOWN;
    }
    if (ask_once(&lookup, &answer) != CLOUD_OK)
        return ask_failed(&answer);
    out_number(out, "uid", answer.id);
    out_number(out, "gid", answer.gid);
    snprintf(home, sizeof home, "%s", answer.home);
    if (answer.id != old->uid)
        show_files(out, old, home, answer.id, answer.gid);
    else
        out_line(out, "The project API still names the same uid: nothing has changed.");
    return CTL_YES;
}

int cmd_rebind(struct ctl *ctl)
{
    bool force = ctl_option(ctl, "--force") != NULL, dry = ctl_option(ctl, "--dry-run") != NULL;
    struct cloud_question question = {.op = CLOUD_OP_REBIND, .account = ctl->word[0]};
    struct binding binding;
    struct use use;
    struct out out;
    int status = find_use(&question, force, &binding, &use);

    if (status != CTL_YES)
        return status;
    if (!may_release(&binding, &use, force))
        return CTL_NO;
    question.page = force ? CLOUD_REBIND_FORCE : CLOUD_REBIND_DO;
    if (!dry)
        status = ask_binding(&question, &binding);
    if (status != CTL_YES)
        return status;
    out_start(&out, ctl->json);
    out_pair(&out, dry ? "would_release" : "released", binding.account);
    out_pair(&out, "project", binding.project);
    out_pair(&out, "environment", binding.environment);
    out_number(&out, "old_uid", binding.uid);
    out_number(&out, "old_gid", binding.gid);
    if (!dry)
        status = show_new(&out, &binding);
    return out_end(&out) ? status : CTL_UNKNOWN;
}
