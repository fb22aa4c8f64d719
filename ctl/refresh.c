/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* Makes the daemon ask the API about one environment. Returns CTL_YES if the result is the expected
 * one: for CLOUD_OP_REFRESH a document, for CLOUD_OP_CONFIRM that the environment is absent.
 * Otherwise returns CTL_NO, or CTL_UNKNOWN if there is no answer. */
static int refresh(struct out *out, enum cloud_op op, const char *name)
{
    struct cloud_question question = {.op = op, .account = name};
    struct ask_rows rows = {0};
    int status = ask_rows(&question, &rows);

    if (status != CTL_YES || rows.n == 0)
        return status;
    const char *const *field = rows.row[0].field;
    OUT_ROW(out, name, field[0], field[1], field[2]);
    if (strcmp(field[0], op == CLOUD_OP_CONFIRM ? "absent" : "document") == 0)
        return CTL_YES;
    return strcmp(field[0], "unavailable") == 0 ? CTL_UNKNOWN : CTL_NO;
}

/* CLOUD_OP_REFRESH: refreshes the environments that the daemon lists, except absent and unknown
 * ones. CLOUD_OP_CONFIRM: confirms every absence that the daemon withholds because it looks like an
 * outage; if `list` is set, only lists these. Returns the worst exit status. */
static int each_known(struct out *out, enum cloud_op op, bool list)
{
    struct cloud_question question = {.op = CLOUD_OP_DOCUMENTS};
    struct ask_rows known = {0};
    int status = ask_rows(&question, &known);
    char name[512];

    for (size_t i = 0; i < known.n; i++) {
        const char *const *field = known.row[i].field, *state = field[3];
        if (op == CLOUD_OP_CONFIRM ? strcmp(state, "withheld") != 0
                                   : strcmp(state, "absent") == 0 || strcmp(state, "unknown") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", field[0], field[1]);
        if (list)
            OUT_ROW(out, name, state, field[6], field[7]);
        else
            status = ctl_worse(status, refresh(out, op, name));
    }
    return status;
}

int cmd_refresh(struct ctl *ctl)
{
    bool confirm = strcmp(ctl->name, "confirm-absences") == 0;
    enum cloud_op op = confirm ? CLOUD_OP_CONFIRM : CLOUD_OP_REFRESH;
    bool all = ctl_option(ctl, "--all") != NULL, list = confirm && !all && ctl->words == 0;
    struct out out;
    int status = CTL_YES;

    if (!list && all == (ctl->words > 0))
        return ctl_usage(ctl);
    out_start(&out, ctl->json);
    out_table(&out, "environments", "name result status detail");
    if (all || list)
        status = each_known(&out, op, list);
    for (int i = 0; i < ctl->words; i++)
        status = ctl_worse(status, refresh(&out, op, ctl->word[i]));
    out_table_end(&out);
    return out_end(&out) ? status : CTL_UNKNOWN;
}
