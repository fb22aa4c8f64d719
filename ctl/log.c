/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/pairs.h"

#include "access/fields.h"

#include "common/text.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_MS    250  /* between two questions of who follows */
#define WAIT_MS    1000 /* the same, where the daemon does not answer */
#define LINES_MOST 1000000
#define FOLLOWED   10 /* lines at first, of who follows */

/* The last lines that came, as many as are wanted. */
struct tail {
    struct line {
        int64_t time;
        char *text;
    } * line;
    uint64_t n, seen, wanted;
    int64_t since;
    bool json, failed;
};

static void show(struct tail *tail, int64_t time, char *text)
{
    char when[32], line[64];
    struct pairs pairs = {text};
    const char *name, *value;
    struct out out;

    ctl_time(time, when, sizeof when);
    out_start(&out, tail->json);
    if (!tail->json) {
        char *whole = NULL;
        snprintf(line, sizeof line, "%s  ", when);
        if (asprintf(&whole, "%s%s", line, text) < 0)
            tail->failed = true;
        else
            out_line(&out, whole);
        free(whole);
    } else if (pairs_next(&pairs, &name, &value)) {
        out_pair(&out, "time", when);
        out_pair(&out, "event", name);
        while (pairs_next(&pairs, &name, &value))
            out_pair(&out, name, value);
    }
    tail->failed |= !out_end(&out);
}

static void show_line(void *arg, const struct ask_row *row)
{
    struct tail *tail = arg;
    int64_t time = strtoll(row->field[0], NULL, 10);

    if (time < tail->since || tail->failed)
        return;
    char *text = strdup(row->field[1]);
    if (text == NULL)
        tail->failed = true;
    else
        show(tail, time, text);
    free(text);
}

static void keep_line(void *arg, const struct ask_row *row)
{
    struct tail *tail = arg;
    struct line *line;
    int64_t time = strtoll(row->field[0], NULL, 10);

    if (time < tail->since || tail->wanted == 0)
        return;
    line = &tail->line[tail->seen++ % tail->wanted];
    free(line->text);
    *line = (struct line){time, strdup(row->field[1])};
    tail->failed |= line->text == NULL;
}

static void show_kept(struct tail *tail)
{
    uint64_t from = tail->seen > tail->wanted ? tail->seen - tail->wanted : 0;

    for (; from < tail->seen; from++) {
        struct line *line = &tail->line[from % tail->wanted];
        if (line->text != NULL && !tail->failed)
            show(tail, line->time, line->text);
        free(line->text);
        line->text = NULL;
    }
}

struct place {
    char at[64];
};

static void say_missed(const struct place *place, const struct cloud_answer *answer)
{
    if (place->at[0] == '\0')
        return;
    if (strncmp(place->at, answer->session, 16) != 0)
        ctl_say("cloudauthd was started anew; the host's log has what it decided before");
    if (answer->page > 0)
        ctl_say("%u decisions came too fast; the host's log has them", answer->page);
}

/* Everything that is behind the place. CTL_YES, or a status after a message (unless quiet). */
static int read_on(struct place *place, ask_each *each, struct tail *tail, bool quiet)
{
    struct cloud_question question = {.op = CLOUD_OP_DECISIONS, .session = place->at};
    struct cloud_answer answer;
    bool more = true;

    while (more && !tail->failed) {
        enum cloud_status status = ask_once(&question, &answer);
        if (status != CLOUD_OK)
            return quiet ? CTL_UNKNOWN : ask_failed(&answer);
        say_missed(place, &answer);
        more = answer.text[0] != '\0';
        snprintf(place->at, sizeof place->at, "%s", answer.session);
        ask_each_row(answer.text, each, tail);
    }
    return CTL_YES;
}

/* Until standard output does not take any more. The daemon may go and come back. */
static int follow(struct place *place, struct tail *tail)
{
    bool gone = false;

    while (!tail->failed) {
        int status = read_on(place, show_line, tail, true);
        if (status != CTL_YES && !gone)
            ctl_say("cloudauthd does not answer; waiting for it");
        gone = status != CTL_YES;
        poll(NULL, 0, gone ? WAIT_MS : LOOK_MS);
    }
    return CTL_UNKNOWN;
}

struct wish {
    bool follow;
    uint64_t lines;
    int64_t since;
};

static bool read_since(const char *text, int64_t *since)
{
    int64_t span;

    if (ctl_span(text, &span))
        *since = (int64_t)time(NULL) - span;
    else if (!field_time(text, since)) {
        ctl_say(
            "--since %s: neither a time, such as 2027-01-01T00:00:00Z, nor a span, such as 30m, "
            "2h or 7d",
            text);
        return false;
    }
    return true;
}

static bool take_options(int argc, char **argv, struct wish *wish)
{
    static const struct option options[] = {{"follow", no_argument, NULL, 'f'},
                                            {"lines", required_argument, NULL, 'n'},
                                            {"since", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    bool limited = false, ok = true;
    int option;

    *wish = (struct wish){.lines = LINES_MOST};
    optind = 0;
    while (ok && (option = getopt_long(argc, argv, "+fn:", options, NULL)) != -1) {
        if (option == 'f')
            wish->follow = true;
        else if (option == 'n')
            ok = limited = cloud_number(optarg, strlen(optarg), LINES_MOST, &wish->lines);
        else if (option == 's')
            ok = limited = read_since(optarg, &wish->since);
        else
            ok = false;
    }
    if (wish->follow && !limited)
        wish->lines = FOLLOWED;
    return ok && optind == argc;
}

int cmd_log(struct ctl *ctl, int argc, char **argv)
{
    struct place place = {""};
    struct wish wish;
    struct tail tail = {.json = ctl->json};
    int status;

    if (!take_options(argc, argv, &wish))
        return ctl_usage(argv);
    tail.wanted = wish.lines;
    tail.since = wish.since;
    tail.line = calloc(wish.lines + 1, sizeof *tail.line);
    if (tail.line == NULL) {
        ctl_say("out of memory");
        return CTL_UNKNOWN;
    }
    status = read_on(&place, keep_line, &tail, false);
    show_kept(&tail);
    free(tail.line);
    if (status == CTL_YES && wish.follow)
        status = follow(&place, &tail);
    return tail.failed ? CTL_UNKNOWN : status;
}
