/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"

#include "ctl/ctl.h"

#include "base/array.h"
#include "common/call.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGES_MAX 100000
#define BUSY_MAX  100 /* repetitions while the daemon is busy */
#define BUSY_MS   50

static char buffer[CLOUD_WIRE_ANSWER_MAX];

int ask_failed(const struct cloud_answer *answer)
{
    const char *reason = answer->reason;

    if (answer->status == CLOUD_REFUSED) {
        ctl_say("%s%s%s", reason, answer->message[0] == '\0' ? "" : ": ", answer->message);
        return strcmp(reason, CLOUD_REASON_NOT_KEPT) == 0 ? CTL_UNKNOWN : CTL_NO;
    }
    if (answer->status == CLOUD_ABSENT) {
        ctl_say("absent: %s", reason);
        return CTL_NO;
    }
    if (reason == NULL)
        ctl_say("cloudauthd does not answer at %s: systemctl status cloudauthd", CLOUD_SOCKET_PATH);
    else if (geteuid() != 0)
        ctl_say("only root may ask this");
    else
        ctl_say("unavailable: %s", reason);
    return CTL_UNKNOWN;
}

/* Splits the text into rows, whose fields point into it; overwrites its tabs and newlines. */
static void add_rows(struct ask_rows *rows, char *text)
{
    char *line;

    while ((line = strsep(&text, "\n")) != NULL) {
        if (line[0] == '\0')
            continue;
        struct ask_row row;
        for (size_t i = 0; i < ASK_FIELDS; i++)
            row.field[i] = line == NULL ? "" : strsep(&line, "\t");
        if (!array_add(&rows->row, &rows->n, &rows->room, &row, sizeof row))
            out_no_memory();
    }
}

/* Repeats the question while the daemon is busy: it writes only one change of the denials, and one
 * release of a binding, to disk at a time. */
enum cloud_status ask_once(const struct cloud_question *question, struct cloud_answer *answer)
{
    enum cloud_status status = CLOUD_UNAVAILABLE;

    for (int i = 0; i < BUSY_MAX; i++) {
        status = cloud_call(question, answer, buffer, sizeof buffer, CLOUD_CALL_LOGIN_MS);
        if (status != CLOUD_UNAVAILABLE || answer->reason == NULL ||
            strcmp(answer->reason, "busy") != 0)
            break;
        poll(NULL, 0, BUSY_MS);
    }
    return status;
}

int ask_rows(struct cloud_question *question, struct ask_rows *rows)
{
    static char after[64]; /* the session id after which the next page begins */
    struct cloud_answer answer;

    for (int i = 0; i < PAGES_MAX; i++) {
        if (ask_once(question, &answer) != CLOUD_OK)
            return ask_failed(&answer);
        snprintf(after, sizeof after, "%s", answer.session == NULL ? "" : answer.session);
        char *text = strdup(answer.text); /* never freed, because the rows point into it */
        if (text == NULL)
            out_no_memory();
        add_rows(rows, text);
        if (answer.page == 0 && after[0] == '\0')
            return CTL_YES;
        question->page = answer.page; /* NOLINT(clang-analyzer-unix.Malloc): in rows */
        question->session = after;
    }
    ctl_say("the answer does not end");
    return CTL_UNKNOWN;
}

const char *ask_value(const struct ask_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->n; i++)
        if (strcmp(rows->row[i].field[0], name) == 0)
            return rows->row[i].field[1];
    return "";
}

int ask_table(struct out *out, const char *name, const char *columns,
              struct cloud_question *question)
{
    struct ask_rows rows = {0};
    int status = ask_rows(question, &rows);

    out_table(out, name, columns);
    for (size_t i = 0; i < rows.n; i++)
        out_row(out, rows.row[i].field);
    out_table_end(out);
    return status;
}
