/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_ASK_H
#define CLOUD_CTL_ASK_H

#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Asking the daemon (cloudauthd/control/control.h says what it answers), and reading its rows.
 */

#define ASK_FIELDS 10

/* One row: its fields, as many as there are; those behind are "". */
struct ask_row {
    const char *field[ASK_FIELDS];
    size_t fields;
};

/* Called for each row of all pages. The strings live for the call. */
typedef void ask_each(void *arg, const struct ask_row *row);

/*
 * Asks, page by page, and gives every row. CTL_YES: all came. Else why not is said on standard
 * error, as far as the daemon knows: CTL_NO where it refused or the account is absent, CTL_UNKNOWN
 * where there is no answer.
 */
int ask_rows(struct cloud_question *question, ask_each *each, void *arg);

/* An ask_each for answers that are not needed. */
ask_each ask_ignore;

/* One question, one answer, with a deadline; again where the daemon says that it is busy. The
 * strings live until the next question. */
enum cloud_status ask_once(const struct cloud_question *question, struct cloud_answer *answer);

/* Gives each row of a text. */
void ask_each_row(const char *text, ask_each *each, void *arg);

/* Why there was no answer to a question that only root may ask, on standard error. */
int ask_failed(const struct cloud_answer *answer);

#endif
