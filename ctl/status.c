/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

/* The rows of STATUS, as far as they decide the exit status. */
struct health {
    struct out *out;
    bool ill;
};

static bool is_number(const char *text)
{
    text += text[0] == '-';
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static void take_status(void *arg, const struct ask_row *row)
{
    struct health *health = arg;
    const char *name = row->field[0], *value = row->field[1];

    if (((strcmp(name, "failing") == 0 || strcmp(name, "unusable") == 0) &&
         strcmp(value, "0") != 0) ||
        (strcmp(name, "absences") == 0 && strcmp(value, "believed") != 0) ||
        (strcmp(name, "denials_file") == 0 && strcmp(value, "whole") != 0) ||
        (strcmp(name, "helper_user") == 0 && strcmp(value, "present") != 0))
        health->ill = true;
    if (is_number(value) && strcmp(name, "version") != 0)
        out_number(health->out, name, strtoll(value, NULL, 10));
    else
        out_pair(health->out, name, value);
}

static const struct out_column columns[] = {{"project", OUT_STRING}, {"environment", OUT_STRING},
                                            {"login", OUT_STRING},   {"state", OUT_STRING},
                                            {"age", OUT_NUMBER},     {"status", OUT_STRING},
                                            {"detail", OUT_STRING}};

static void take_document(void *arg, const struct ask_row *row)
{
    out_row(arg, row->field);
}

int cmd_status(struct ctl *ctl, int argc, char **argv)
{
    struct cloud_question question = {.op = CLOUD_OP_STATUS};
    bool documents = argc == 2 && strcmp(argv[1], "--documents") == 0;
    struct out out;
    struct health health = {&out, false};
    int status;

    if (argc > 1 && !documents)
        return ctl_usage(argv);
    out_start(&out, ctl->json);
    status = ask_rows(&question, take_status, &health);
    if (status == CTL_YES)
        out_pair(&out, "health", health.ill ? "degraded" : "good");
    if (status == CTL_YES && documents) {
        question = (struct cloud_question){.op = CLOUD_OP_DOCUMENTS};
        out_table(&out, "list", columns, sizeof columns / sizeof *columns);
        status = ask_rows(&question, take_document, &out);
        out_table_end(&out);
    }
    if (!out_end(&out))
        return CTL_UNKNOWN;
    return status == CTL_YES && health.ill ? CTL_NO : status;
}
