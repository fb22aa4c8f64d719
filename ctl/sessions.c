/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/pairs.h"

#include "base/array.h"

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
    {"role", OUT_STRING},    {"service", OUT_STRING},     {"session", OUT_STRING},
    {"account", OUT_STRING}, {"user", OUT_STRING},        {"since", OUT_STRING},
    {"from", OUT_STRING},    {"pid", OUT_NUMBER},         {"key", OUT_STRING},
    {"state", OUT_STRING}};

#define HIDDEN  8
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
    static const struct option options[] = {
        {"end", no_argument, NULL, 'e'}, {"end-user", no_argument, NULL, 'u'}, {NULL, 0, NULL, 0}};
    bool ids = false, users = false;
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        ids |= option == 'e';
        users |= option == 'u';
        if (option == '?')
            return ctl_usage(argv);
    }
    argc -= optind;
    if ((ids && users) || ((ids || users) ? argc < 1 : argc > 1))
        return ctl_usage(argv);
    if (ids || users)
        return end_sessions(ctl, users ? argv + optind : NULL, ids ? argv + optind : NULL);
    return list_sessions(ctl, argc == 1 ? argv[optind] : NULL);
}
