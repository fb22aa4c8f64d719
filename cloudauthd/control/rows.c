/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/rows.h"

#include "common/text.h"
#include "common/wire.h"

#define SIZE    (CLOUD_WIRE_ANSWER_MAX - 64) /* leaves space for the packet's other fields */
#define RESERVE 32768

static char buffer[SIZE];
static struct cloud_text text;

void rows_start(void)
{
    cloud_text_start(&text, buffer, sizeof buffer);
}

void rows_add(const char *const *field, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            cloud_text_add_char(&text, '\t');
        for (const char *at = field[i]; *at != '\0'; at++) {
            cloud_text_add_bytes(&text, cloud_text_is_control(*at) ? "?" : at, 1);
        }
    }
    cloud_text_add_char(&text, '\n');
}

void rows_add_number(const char *name, int64_t number)
{
    ROW(name, CLOUD_DIGITS(number), "#");
}

void rows_add_line(const char *line)
{
    cloud_text_add(&text, line);
    cloud_text_add_char(&text, '\n');
}

bool rows_full(void)
{
    return text.used > sizeof buffer - RESERVE;
}

void rows_send(struct connection *connection, uint32_t page)
{
    struct cloud_answer answer = {.status = CLOUD_OK, .text = buffer, .page = page};

    server_answer(connection, &answer);
}

void rows_send_after(struct connection *connection, const char *session)
{
    struct cloud_answer answer = {.status = CLOUD_OK, .text = buffer, .session = session};

    server_answer(connection, &answer);
}

void rows_refuse(struct connection *connection, enum cloud_status status, const char *reason,
                 const char *message)
{
    struct cloud_answer answer = {.status = status, .reason = reason, .message = message};

    server_answer(connection, &answer);
}
