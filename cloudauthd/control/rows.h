/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_ROWS_H
#define CLOUDAUTHD_CONTROL_ROWS_H

#include "cloudauthd/server/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Builds the text of an answer to cloudauthctl: rows of fields (control.h). There is one static
 * buffer, so the loop's thread builds one answer at a time, from rows_start to rows_send. */

/* Begins an empty answer. */
void rows_start(void);

/* Adds a row of n fields. A control character in a field is replaced by '?', so that no field can
 * end a field or a row. */
void rows_add(const char *const *field, size_t n);

/* ROW("name", value): adds a row of the given fields. */
#define ROW(...)                                                                                   \
    rows_add((const char *const[]){__VA_ARGS__},                                                   \
             sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* Adds a row of three fields: name, number in decimal, "#". The "#" tells cloudauthctl that the
 * value is a number. */
void rows_add_number(const char *name, int64_t number);

/* Adds a line that is formatted as a row already (denials_format) and has no newline. */
void rows_add_line(const char *line);

/* Whether further rows belong on the next page, because less than 32 KiB are left in this one. The
 * rows of one key, or of one bucket of the cache's hash table, fit into 32 KiB. */
bool rows_full(void);

/* Answers the connection with the rows. page is the next page to ask for; 0: there is none. */
void rows_send(struct connection *connection, uint32_t page);

/* Answers SESSIONS with the rows. session is the id of the last session among them, which the next
 * question names to continue after it; "": there are no more sessions. */
void rows_send_after(struct connection *connection, const char *session);

/* Answers without rows. reason is a token for logs, message a sentence for the operator. Only an
 * answer of CLOUD_REFUSED contains the message, which must then not be NULL ("": none). */
void rows_refuse(struct connection *connection, enum cloud_status status, const char *reason,
                 const char *message);

#endif
