/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_ASK_H
#define CLOUD_CTL_ASK_H

#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Asks the daemon, and reads the rows of its answers (cloudauthd/control/control.h).
 */

#define ASK_FIELDS 10

/* One row. Fields that it does not have are "". */
struct ask_row {
    const char *field[ASK_FIELDS];
    size_t fields;
};

/* Called for each row of all pages. The strings live for the call. */
typedef void ask_each(void *arg, const struct ask_row *row);

/*
 * Asks page by page, and calls each for every row. CTL_YES: all rows came. Otherwise the reason is
 * written to standard error: CTL_NO if the daemon refused or the account is absent, CTL_UNKNOWN if
 * there is no answer.
 */
int ask_rows(struct cloud_question *question, ask_each *each, void *arg);

/* An ask_each for answers that are not needed. */
ask_each ask_ignore;

/* Asks once, within CLOUD_CALL_LOGIN_MS; again for up to 5 seconds while the daemon is busy. The
 * answer's strings live until the next question. */
enum cloud_status ask_once(const struct cloud_question *question, struct cloud_answer *answer);

/* Writes to standard error why a question that only root may ask failed. Returns the exit status.
 */
int ask_failed(const struct cloud_answer *answer);

#endif
