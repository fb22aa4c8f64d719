/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ask.h"
#include "ctl/ctl.h"

#include <stdio.h>

/* Prints the daemon's text unchanged. The exit status tells a script that writes it to a file
 * whether the text is complete. */
int cmd_metrics(struct ctl *ctl)
{
    const struct cloud_question question = {.op = CLOUD_OP_METRICS};
    struct cloud_answer answer;

    if (ctl->json) {
        ctl_say("the metrics have no JSON form");
        return CTL_USAGE;
    }
    if (ask_once(&question, &answer) != CLOUD_OK)
        return ask_failed(&answer);
    if (fputs(answer.text, stdout) >= 0 && fflush(stdout) == 0)
        return CTL_YES;
    ctl_say("the metrics could not be written whole");
    return CTL_UNKNOWN;
}
