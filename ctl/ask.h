/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_ASK_H
#define CLOUD_CTL_ASK_H

#include "ctl/out.h"

#include "common/wire.h"

#include <stddef.h>

/*
 * Asks the daemon questions, and reads the rows of its answers (cloudauthd/control/control.h).
 */

#define ASK_FIELDS 19

/* A row of an answer. A field that the answer does not have is "". */
struct ask_row {
    const char *field[ASK_FIELDS];
};

/* The rows of an answer. Must be zeroed before use. The rows and their strings are never freed. */
struct ask_rows {
    struct ask_row *row;
    size_t n, room;
};

/* Asks for all pages of the answer, and adds their rows to *rows. Returns CTL_YES if the answer is
 * complete. Otherwise writes the reason to standard error, and returns CTL_NO if the daemon refuses
 * the question or the account is absent, CTL_UNKNOWN if there is no answer or the disk does not
 * take the change. */
int ask_rows(struct cloud_question *question, struct ask_rows *rows);

/* Returns the second field of the row whose first field is `name`; "" if there is no such row. */
const char *ask_value(const struct ask_rows *rows, const char *name);

/* Asks as ask_rows does, and prints the rows as a table; `name` and `columns` are those of
 * out_table. Returns what ask_rows returns. */
int ask_table(struct out *out, const char *name, const char *columns,
              struct cloud_question *question);

/* Asks one question. Waits up to CLOUD_CALL_LOGIN_MS for the answer, and repeats the question for
 * up to 5 seconds while the daemon is busy. The strings of the answer are valid until the next
 * question. */
enum cloud_status ask_once(const struct cloud_question *question, struct cloud_answer *answer);

/* Writes to standard error why a question failed; the question is one that only root may ask.
 * Returns the exit status. */
int ask_failed(const struct cloud_answer *answer);

#endif
