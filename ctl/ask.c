/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"

#include "ctl/ctl.h"

#include "common/call.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PAGES_MAX 100000
#define BUSY_MAX  100 /* times, BUSY_MS each */
#define BUSY_MS   50

static char buffer[CLOUD_WIRE_ANSWER_MAX];

int ask_failed(const struct cloud_answer *answer)
{
    const char *reason = answer->reason;

    if (answer->status == CLOUD_REFUSED) {
        ctl_say("%s%s%s", reason, answer->message[0] == '\0' ? "" : ": ", answer->message);
        return CTL_NO;
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

/* Cuts the text into rows in place, and hands each on. */
static void give_rows(char *text, ask_each *each, void *arg)
{
    while (*text != '\0') {
        struct ask_row row = {.fields = 0};
        char *end = text + strcspn(text, "\n"), *next = *end == '\0' ? end : end + 1;
        *end = '\0';
        for (size_t i = 0; i < ASK_FIELDS; i++)
            row.field[i] = "";
        for (char *at = text; row.fields < ASK_FIELDS;) {
            char *tab = strchr(at, '\t');
            row.field[row.fields++] = at;
            if (tab == NULL)
                break;
            *tab = '\0';
            at = tab + 1;
        }
        each(arg, &row);
        text = next;
    }
}

void ask_ignore(void *arg, const struct ask_row *row)
{
    (void)arg;
    (void)row;
}

/* The daemon writes one change of the denials at a time, and answers "busy" to the next. */
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

int ask_rows(struct cloud_question *question, ask_each *each, void *arg)
{
    struct cloud_answer answer;

    for (int i = 0; i < PAGES_MAX; i++) {
        if (ask_once(question, &answer) != CLOUD_OK)
            return ask_failed(&answer);
        give_rows(buffer + (answer.text - buffer), each, arg);
        if (answer.page == 0)
            return CTL_YES;
        question->page = answer.page;
    }
    ctl_say("the answer does not end");
    return CTL_UNKNOWN;
}
