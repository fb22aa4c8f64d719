/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"

#include "base/array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct out_column columns[] = {
    {"name", OUT_STRING}, {"result", OUT_STRING}, {"status", OUT_STRING}, {"detail", OUT_STRING}};

struct refreshed {
    char result[32], reason[64], status[256], source[16], detail[512];
};

static void take_refreshed(void *arg, const struct ask_row *row)
{
    struct refreshed *refreshed = arg;
    const struct {
        const char *name;
        char *at;
        size_t size;
    } places[] = {{"result", refreshed->result, sizeof refreshed->result},
                  {"reason", refreshed->reason, sizeof refreshed->reason},
                  {"status", refreshed->status, sizeof refreshed->status},
                  {"source", refreshed->source, sizeof refreshed->source},
                  {"detail", refreshed->detail, sizeof refreshed->detail}};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(row->field[0], places[i].name) == 0)
            snprintf(places[i].at, places[i].size, "%s", row->field[1]);
}

/* The worse of two exit statuses: no answer is worse than a no. */
static int worse(int one, int other)
{
    return one > other ? one : other;
}

/* op: CLOUD_OP_REFRESH, or CLOUD_OP_CONFIRM, which wants the answer that there is none. */
static int refresh(struct out *out, enum cloud_op op, const char *name)
{
    struct cloud_question question = {.op = op, .account = name};
    const char *wanted = op == CLOUD_OP_CONFIRM ? "absent" : "document";
    struct refreshed refreshed = {.result = ""};
    int status = ask_rows(&question, take_refreshed, &refreshed);

    if (status != CTL_YES)
        return status;
    /* Where the last good document is used, the API did not answer. */
    if (strcmp(refreshed.result, "unavailable") == 0 ||
        (strcmp(refreshed.result, "document") == 0 && strcmp(refreshed.source, "api") != 0))
        status = CTL_UNKNOWN;
    else if (strcmp(refreshed.result, wanted) != 0)
        status = CTL_NO;
    const char *cells[] = {
        name, status == CTL_UNKNOWN ? "unavailable" : refreshed.result, refreshed.status,
        refreshed.detail[0] != '\0' || status == CTL_YES ? refreshed.detail : refreshed.reason};
    out_row(out, cells);
    return status;
}

/* The environments that the daemon knows, or those whose absence is withheld. */
struct known {
    bool withheld;
    char **name;
    size_t n, room;
    bool failed;
};

static void take_known(void *arg, const struct ask_row *row)
{
    struct known *known = arg;
    char name[512];

    if (known->withheld
            ? strcmp(row->field[3], "withheld") != 0
            : strcmp(row->field[3], "absent") == 0 || strcmp(row->field[3], "unknown") == 0)
        return;
    char **grown = array_grow(known->name, known->n, &known->room, sizeof *grown);
    if (grown == NULL) {
        known->failed = true;
        return;
    }
    known->name = grown;
    snprintf(name, sizeof name, "%s/%s", row->field[0], row->field[1]);
    known->name[known->n] = strdup(name);
    if (known->name[known->n] == NULL)
        known->failed = true;
    else
        known->n++;
}

static int refresh_all(struct out *out, enum cloud_op op)
{
    struct cloud_question question = {.op = CLOUD_OP_DOCUMENTS};
    struct known known = {.withheld = op == CLOUD_OP_CONFIRM};
    int status = ask_rows(&question, take_known, &known);

    if (known.failed) {
        ctl_say("out of memory");
        status = CTL_UNKNOWN;
    }
    for (size_t i = 0; i < known.n; i++) {
        if (!known.failed)
            status = worse(status, refresh(out, op, known.name[i]));
        free(known.name[i]);
    }
    free(known.name);
    return status;
}

static void list_withheld(void *arg, const struct ask_row *row)
{
    char name[512];
    const char *cells[] = {name, row->field[3], row->field[5], row->field[6]};

    snprintf(name, sizeof name, "%s/%s", row->field[0], row->field[1]);
    if (strcmp(row->field[3], "withheld") == 0)
        out_row(arg, cells);
}

int cmd_refresh(struct ctl *ctl, int argc, char **argv)
{
    bool confirm = strcmp(argv[0], "confirm-absences") == 0;
    enum cloud_op op = confirm ? CLOUD_OP_CONFIRM : CLOUD_OP_REFRESH;
    struct cloud_question documents = {.op = CLOUD_OP_DOCUMENTS};
    bool all = argc == 2 && strcmp(argv[1], "--all") == 0;
    struct out out;
    int status = CTL_YES;

    if (argc < 2 && !confirm)
        return ctl_usage(argv);
    for (int i = 1; i < argc && !all; i++)
        if (argv[i][0] == '-')
            return ctl_usage(argv);
    out_start(&out, ctl->json);
    out_table(&out, "environments", columns, sizeof columns / sizeof *columns);
    if (argc < 2)
        status = ask_rows(&documents, list_withheld, &out);
    if (all)
        status = refresh_all(&out, op);
    for (int i = 1; i < argc && !all; i++)
        status = worse(status, refresh(&out, op, argv[i]));
    out_table_end(&out);
    return out_end(&out) ? status : CTL_UNKNOWN;
}
