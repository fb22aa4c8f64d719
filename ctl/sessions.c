/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/lines.h"
#include "ctl/pairs.h"

#include "base/array.h"
#include "base/process.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX 100000

/* The columns; the daemon's lines have the same names (cloudauthd/session/sessions.h). The first
 * HIDDEN are in JSON alone. */
static const struct out_column columns[] = {
    {"project", OUT_STRING}, {"environment", OUT_STRING}, {"kind", OUT_STRING},
    {"app", OUT_STRING},     {"user_id", OUT_STRING},     {"mail", OUT_STRING},
    {"role", OUT_STRING},    {"service", OUT_STRING},     {"audit", OUT_NUMBER},
    {"session", OUT_STRING}, {"account", OUT_STRING},     {"user", OUT_STRING},
    {"since", OUT_STRING},   {"from", OUT_STRING},        {"pid", OUT_NUMBER},
    {"key", OUT_STRING},     {"state", OUT_STRING}};

#define HIDDEN  9
#define COLUMNS (sizeof columns / sizeof *columns)

struct session {
    const char *cell[COLUMNS];
    char since[32];
};

/* The cell of that column. */
static const char *of(const struct session *session, const char *name)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strcmp(columns[i].name, name) == 0)
            return session->cell[i];
    return "";
}

static void read_session(char *line, struct session *session)
{
    struct pairs pairs = {line};
    const char *name, *value;

    for (size_t i = 0; i < COLUMNS; i++)
        session->cell[i] = "";
    while (pairs_next(&pairs, &name, &value))
        for (size_t i = 0; i < COLUMNS; i++)
            if (strcmp(columns[i].name, name) == 0)
                session->cell[i] = value;
    for (size_t i = 0; i < COLUMNS; i++)
        if (strcmp(columns[i].name, "since") == 0) {
            ctl_time(strtoll(session->cell[i], NULL, 10), session->since, sizeof session->since);
            session->cell[i] = session->since;
        }
}

typedef void session_each(void *arg, const struct session *session);

/* Calls each for every session, page by page. CTL_YES, or another status after a message. */
static int each_session(session_each *each, void *arg)
{
    char after[64] = "", *lines, *at, *end;
    struct cloud_question question = {.op = CLOUD_OP_SESSIONS, .session = after};
    struct cloud_answer answer;
    struct session session;

    for (int i = 0; i < PAGES_MAX; i++) {
        if (ask_once(&question, &answer) != CLOUD_OK)
            return ask_failed(&answer);
        lines = strdup(answer.line);
        if (lines == NULL || strlen(answer.session) >= sizeof after) {
            ctl_say("the list of sessions cannot be read");
            free(lines);
            return CTL_UNKNOWN;
        }
        snprintf(after, sizeof after, "%s", answer.session);
        for (at = lines; *at != '\0'; at = end) {
            end = at + strcspn(at, "\n");
            if (*end != '\0')
                *end++ = '\0';
            read_session(at, &session);
            each(arg, &session);
        }
        free(lines);
        if (after[0] == '\0')
            return CTL_YES;
    }
    ctl_say("the list of sessions does not end");
    return CTL_UNKNOWN;
}

/* ---- The list ---- */

struct listing {
    struct out out;
    const char *name; /* a login name, "project/environment", or NULL */
};

static bool is_of(const struct session *session, const char *name)
{
    char whole[512];

    snprintf(whole, sizeof whole, "%s/%s", of(session, "project"), of(session, "environment"));
    return name == NULL || strcmp(name, of(session, "account")) == 0 || strcmp(name, whole) == 0;
}

static void list(void *arg, const struct session *session)
{
    struct listing *listing = arg;

    if (is_of(session, listing->name))
        out_row(&listing->out, session->cell);
}

static int list_sessions(const struct ctl *ctl, const char *name)
{
    struct listing listing = {.name = name};
    int status;

    out_start(&listing.out, ctl->json);
    listing.out.skip = HIDDEN;
    out_table(&listing.out, "sessions", columns, COLUMNS);
    status = each_session(list, &listing);
    out_table_end(&listing.out);
    return out_end(&listing.out) ? status : CTL_UNKNOWN;
}

/* ---- Processes of an account that belong to no session ---- */

struct listed {
    uint32_t audit;
    pid_t monitor;
};

struct leftovers {
    struct out out;
    uint32_t uid;
    struct listed *listed; /* the sessions */
    size_t n, room;
    bool failed;
};

static void take_uid(void *arg, const struct ask_row *row)
{
    if (strcmp(row->field[0], "uid") == 0)
        *(uint32_t *)arg = (uint32_t)strtoul(row->field[1], NULL, 10);
}

static void take_listed(void *arg, const struct session *session)
{
    struct leftovers *leftovers = arg;
    struct listed *grown =
        array_grow(leftovers->listed, leftovers->n, &leftovers->room, sizeof *grown);

    if (grown == NULL) {
        leftovers->failed = true;
        return;
    }
    leftovers->listed = grown;
    /* The pid of a detached session's sshd process may be another's by now; no process has pid 0.
     */
    grown[leftovers->n++] = (struct listed){(uint32_t)strtoul(of(session, "audit"), NULL, 10),
                                            strcmp(of(session, "state"), "detached") == 0
                                                ? 0
                                                : (pid_t)strtol(of(session, "pid"), NULL, 10)};
}

/* Whether the process, or one of its ancestors, is in an audit session or below an sshd process of
 * the list. */
static bool in_session(const struct leftovers *leftovers, const struct process_info *process)
{
    struct process_info at = *process;

    for (int depth = 0; depth < 64; depth++) {
        for (size_t i = 0; i < leftovers->n; i++)
            if (leftovers->listed[i].monitor == at.process.pid ||
                (leftovers->listed[i].audit != PROCESS_NO_AUDIT &&
                 leftovers->listed[i].audit == at.ids.audit))
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
    char pid[16], path[64], command[256] = "", cgroup[256] = "";
    const char *cells[] = {pid, command, cgroup};

    if (info->zombie || !process_has_uid(&info->ids, leftovers->uid) || in_session(leftovers, info))
        return true;
    snprintf(pid, sizeof pid, "%d", (int)info->process.pid);
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    (void)lines_read(path, false, take_line, command); /* the process may have ended */
    snprintf(path, sizeof path, "/proc/%s/cgroup", pid);
    (void)lines_read(path, false, take_line, cgroup);
    out_row(&leftovers->out, cells);
    return true;
}

static int list_leftovers(const struct ctl *ctl, const char *name)
{
    static const struct out_column processes[] = {
        {"pid", OUT_NUMBER}, {"command", OUT_STRING}, {"cgroup", OUT_STRING}};
    struct leftovers leftovers = {.uid = 0};
    struct cloud_question binding = {.op = CLOUD_OP_REBIND, .account = name};
    int status = ask_rows(&binding, take_uid, &leftovers.uid);

    if (status == CTL_YES)
        status = each_session(take_listed, &leftovers);
    if (status == CTL_YES && !leftovers.failed) {
        out_start(&leftovers.out, ctl->json);
        out_table(&leftovers.out, "leftovers", processes, 3);
        if (!process_each(show_leftover, &leftovers)) {
            ctl_say("/proc cannot be read");
            status = CTL_UNKNOWN;
        }
        out_table_end(&leftovers.out);
        if (!out_end(&leftovers.out))
            status = CTL_UNKNOWN;
    }
    if (leftovers.failed) {
        ctl_say("out of memory");
        status = CTL_UNKNOWN;
    }
    free(leftovers.listed);
    return status;
}

/* ---- Ending sessions ---- */

struct ending {
    char id[64], account[256], user[256], user_id[256];
};

struct endings {
    char **user; /* names or ids of users whose sessions end, or NULL */
    char **id;   /* ids of sessions to end, or NULL */
    struct ending *ending;
    size_t n, room;
    bool failed;
};

static bool is_wanted(const struct endings *endings, const struct session *session)
{
    for (char **user = endings->user; user != NULL && *user != NULL; user++)
        if (strcmp(*user, of(session, "user")) == 0 || strcmp(*user, of(session, "user_id")) == 0)
            return true;
    for (char **id = endings->id; id != NULL && *id != NULL; id++)
        if (strcmp(*id, of(session, "session")) == 0)
            return true;
    return false;
}

static void take_ending(void *arg, const struct session *session)
{
    struct endings *endings = arg;

    if (!is_wanted(endings, session))
        return;
    struct ending *grown = array_grow(endings->ending, endings->n, &endings->room, sizeof *grown);
    if (grown == NULL) {
        endings->failed = true;
        return;
    }
    endings->ending = grown;
    struct ending *ending = &endings->ending[endings->n++];
    snprintf(ending->id, sizeof ending->id, "%s", of(session, "session"));
    snprintf(ending->account, sizeof ending->account, "%s", of(session, "account"));
    snprintf(ending->user, sizeof ending->user, "%s", of(session, "user"));
    snprintf(ending->user_id, sizeof ending->user_id, "%s", of(session, "user_id"));
}

/* A session that has ended by itself meanwhile is no error. */
static int end_one(struct out *out, const struct ending *ending)
{
    struct cloud_question question = {.op = CLOUD_OP_SESSION_END, .session = ending->id};
    struct cloud_answer answer;
    enum cloud_status status = ask_once(&question, &answer);
    const char *cells[] = {ending->id, ending->account, ending->user,
                           status == CLOUD_OK ? "ending" : "gone"};

    if (status != CLOUD_OK && status != CLOUD_ABSENT)
        return ask_failed(&answer);
    out_row(out, cells);
    return CTL_YES;
}

/* Whether every argument names a session. Prints those that do not. */
static bool all_found(const struct endings *endings)
{
    bool all = true;

    for (char **id = endings->id; id != NULL && *id != NULL; id++) {
        bool found = false;
        for (size_t i = 0; i < endings->n; i++)
            found |= strcmp(endings->ending[i].id, *id) == 0;
        if (!found)
            ctl_say("there is no session %s", *id);
        all &= found;
    }
    for (char **user = endings->user; user != NULL && *user != NULL; user++) {
        bool found = false;
        for (size_t i = 0; i < endings->n; i++)
            found |= strcmp(endings->ending[i].user, *user) == 0 ||
                     strcmp(endings->ending[i].user_id, *user) == 0;
        if (!found)
            ctl_say("%s has no session here", *user);
        all &= found;
    }
    return all;
}

static int end_sessions(const struct ctl *ctl, char **users, char **ids)
{
    static const struct out_column ended[] = {{"session", OUT_STRING},
                                              {"account", OUT_STRING},
                                              {"user", OUT_STRING},
                                              {"state", OUT_STRING}};
    struct endings endings = {.user = users, .id = ids};
    int status = each_session(take_ending, &endings);
    struct out out;

    if (endings.failed) {
        ctl_say("out of memory");
        status = CTL_UNKNOWN;
    }
    if (status == CTL_YES) {
        out_start(&out, ctl->json);
        out_table(&out, "ended", ended, 4);
        for (size_t i = 0; i < endings.n; i++) {
            int one = end_one(&out, &endings.ending[i]);
            status = one > status ? one : status;
        }
        out_table_end(&out);
        if (!all_found(&endings) && status == CTL_YES)
            status = CTL_NO;
        if (!out_end(&out))
            status = CTL_UNKNOWN;
    }
    free(endings.ending);
    return status;
}

int cmd_sessions(struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"end", no_argument, NULL, 'e'},
                                            {"end-user", no_argument, NULL, 'u'},
                                            {"leftovers", no_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    bool ids = false, users = false, leftovers = false;
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        ids |= option == 'e';
        users |= option == 'u';
        leftovers |= option == 'l';
        if (option == '?')
            return ctl_usage(argv);
    }
    argc -= optind;
    if (ids + users + leftovers > 1 || ((ids || users) ? argc < 1 : argc > 1) ||
        (leftovers && argc != 1))
        return ctl_usage(argv);
    if (leftovers)
        return list_leftovers(ctl, argv[optind]);
    if (ids || users)
        return end_sessions(ctl, users ? argv + optind : NULL, ids ? argv + optind : NULL);
    return list_sessions(ctl, argc == 1 ? argv[optind] : NULL);
}
