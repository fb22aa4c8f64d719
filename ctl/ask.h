/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_ASK_H
#define CLOUD_CTL_ASK_H

#include "ctl/out.h"

#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Asks the daemon, and reads the rows of its answers (cloudauthd/control/control.h).
 */

#define ASK_FIELDS 17

/* One row. Fields that it does not have are "". */
struct ask_row {
    const char *field[ASK_FIELDS];
};

/* To be zeroed. Rows and their strings live as long as the process. */
struct ask_rows {
    struct ask_row *row;
    size_t n, room;
};

/*
 * Asks page by page, and adds all rows. CTL_YES: all came. Otherwise the reason is written to
 * standard error: CTL_NO if the daemon refused or the account is absent, CTL_UNKNOWN if there is no
 * answer.
 */
int ask_rows(struct cloud_question *question, struct ask_rows *rows);

/* The second field of the row that has that name as its first; "" if there is none. */
const char *ask_value(const struct ask_rows *rows, const char *name);

/* Asks, and prints the rows as a table (out.h). Returns what ask_rows does. */
int ask_table(struct out *out, const char *name, const char *columns,
              struct cloud_question *question);

/* Asks once, within CLOUD_CALL_LOGIN_MS; again for up to 5 seconds while the daemon is busy. The
 * answer's strings live until the next question. */
enum cloud_status ask_once(const struct cloud_question *question, struct cloud_answer *answer);

/* Writes to standard error why a question that only root may ask failed. Returns the exit status.
 */
int ask_failed(const struct cloud_answer *answer);

#endif
