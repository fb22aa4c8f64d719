/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CONTROL_ROWS_H
#define CLOUDAUTHD_CONTROL_ROWS_H

#include "cloudauthd/server/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Builds the text of an answer to cloudauthctl: rows of fields (control.h). The loop's thread
 * builds one answer at a time, from rows_start to rows_send, in a buffer of this module. */

/* Begins an answer, without rows. */
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

/* Adds a line that already is a row (denials_format), without its newline. */
void rows_add_line(const char *line);

/* Whether further rows belong on the next page, because less than 32 KiB are left in the packet.
 * The rows of one key, or of one bucket of the cache, fit into 32 KiB. */
bool rows_full(void);

/* Answers the connection with the rows. page is the page to ask for next, 0 at the end. */
void rows_send(struct connection *connection, uint32_t page);

/* Answers SESSIONS with the rows. session is the id of the last session in them, after which the
 * next question continues; "" at the end. */
void rows_send_after(struct connection *connection, const char *session);

/* Answers without rows. reason is a token for logs. message is a sentence for the operator; only
 * CLOUD_REFUSED sends it, and needs it ("" for none). */
void rows_refuse(struct connection *connection, enum cloud_status status, const char *reason,
                 const char *message);

#endif
