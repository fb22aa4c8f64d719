/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire.h"

#include <string.h>

#define HEADER    8
#define FIELDS    8 /* the greatest number of fields in a packet */
#define STATUS_AT 6

static const unsigned char magic[4] = {'C', 'L', 'D', 'A'};

/* A field of a packet: the offset of its member in the struct, and whether it is a string or a
 * number. */
struct field {
    size_t offset;
    bool string;
};

/* The fields of one kind of packet, in order. A field with offset 0, where both structs have their
 * opcode, ends the list. */
struct layout {
    struct field field[FIELDS];
};

#define FIELD(type, member)                                                                        \
    offsetof(struct type, member),                                                                 \
        _Generic(((struct type *)NULL)->member, const char *: true, uint32_t: false)
#define Q(member) FIELD(cloud_question, member)
#define A(member) FIELD(cloud_answer, member)

static const struct layout questions[CLOUD_OP_END] = {
    [CLOUD_OP_PASSWD_BY_NAME] = {{{Q(account)}}},
    [CLOUD_OP_PASSWD_BY_ID] = {{{Q(id)}}},
    [CLOUD_OP_GROUP_BY_NAME] = {{{Q(account)}}},
    [CLOUD_OP_GROUP_BY_ID] = {{{Q(id)}}},
    [CLOUD_OP_KEYS] = {{{Q(kind)}, {Q(account)}, {Q(key_type)}, {Q(key)}, {Q(id)}}},
    [CLOUD_OP_PAM_ACCOUNT] = {{{Q(service)}, {Q(account)}, {Q(from)}, {Q(is_ssh)}}},
    [CLOUD_OP_PAM_SESSION] = {{{Q(service)}, {Q(account)}, {Q(from)}, {Q(auth_info)}}},
    [CLOUD_OP_PAM_SESSION_END] = {{{Q(account)}}},
    [CLOUD_OP_SESSIONS] = {{{Q(session)}}},
    [CLOUD_OP_SESSION_END] = {{{Q(session)}}},
    [CLOUD_OP_STATUS] = {{{Q(page)}}},
    [CLOUD_OP_DOCUMENTS] = {{{Q(page)}}},
    [CLOUD_OP_EXPLAIN] = {{{Q(account)}, {Q(key_type)}, {Q(key)}, {Q(from)}}},
    [CLOUD_OP_PEOPLE] = {{{Q(account)}, {Q(page)}}},
    [CLOUD_OP_REFRESH] = {{{Q(account)}}},
    [CLOUD_OP_DENY] = {{{Q(text)}}},
    [CLOUD_OP_UNDENY] = {{{Q(text)}}},
    [CLOUD_OP_DENIALS] = {{{Q(page)}}},
    [CLOUD_OP_REBIND] = {{{Q(account)}, {Q(page)}}},
    [CLOUD_OP_NAMED] = {{{Q(text)}, {Q(page)}}},
    [CLOUD_OP_METRICS] = {{{0, false}}},
    [CLOUD_OP_CONFIRM] = {{{Q(account)}}},
};

static const struct layout answers[CLOUD_OP_END] = {
    [CLOUD_OP_PASSWD_BY_NAME] =
        {{{A(account)}, {A(id)}, {A(gid)}, {A(gecos)}, {A(home)}, {A(shell)}}},
    [CLOUD_OP_PASSWD_BY_ID] =
        {{{A(account)}, {A(id)}, {A(gid)}, {A(gecos)}, {A(home)}, {A(shell)}}},
    [CLOUD_OP_GROUP_BY_NAME] = {{{A(account)}, {A(gid)}}},
    [CLOUD_OP_GROUP_BY_ID] = {{{A(account)}, {A(gid)}}},
    [CLOUD_OP_KEYS] = {{{A(line)}}},
    [CLOUD_OP_PAM_ACCOUNT] =
        {{{A(reason)}, {A(message)}, {A(home)}, {A(id)}, {A(gid)}, {A(mounts)}}},
    [CLOUD_OP_PAM_SESSION] = {{{A(project)}, {A(environment)}, {A(app)}, {A(user)}}},
    [CLOUD_OP_PAM_SESSION_END] = {{{0, false}}},
    [CLOUD_OP_SESSIONS] = {{{A(session)}, {A(text)}}},
    [CLOUD_OP_SESSION_END] = {{{0, false}}},
    [CLOUD_OP_STATUS] = {{{A(page)}, {A(text)}}},
    [CLOUD_OP_DOCUMENTS] = {{{A(page)}, {A(text)}}},
    [CLOUD_OP_EXPLAIN] = {{{A(text)}}},
    [CLOUD_OP_PEOPLE] = {{{A(page)}, {A(text)}}},
    [CLOUD_OP_REFRESH] = {{{A(text)}}},
    [CLOUD_OP_DENY] = {{{A(text)}}},
    [CLOUD_OP_UNDENY] = {{{A(text)}}},
    [CLOUD_OP_DENIALS] = {{{A(page)}, {A(text)}}},
    [CLOUD_OP_REBIND] = {{{A(text)}}},
    [CLOUD_OP_NAMED] = {{{A(page)}, {A(text)}}},
    [CLOUD_OP_METRICS] = {{{A(text)}}},
    [CLOUD_OP_CONFIRM] = {{{A(text)}}},
};

static const struct layout refusal = {{{A(reason)}, {A(message)}}};
static const struct layout no_answer = {{{A(reason)}}};

static const struct layout *answer_layout(enum cloud_op op, enum cloud_status status)
{
    switch (status) {
    case CLOUD_OK:
        return &answers[op];
    case CLOUD_REFUSED:
        return &refusal;
    case CLOUD_ABSENT:
    case CLOUD_UNAVAILABLE:
        return &no_answer;
    }
    return NULL;
}

/* The tables have a field for every opcode that exists, in its question or in its answer. */
bool cloud_wire_op_known(unsigned op)
{
    return op > 0 && op < CLOUD_OP_END &&
           (questions[op].field[0].offset != 0 || answers[op].field[0].offset != 0);
}

/* The unread rest of a packet. Only get_number and get_string read from it; after a failure all
 * further calls fail. */
struct cursor {
    const unsigned char *at;
    size_t left;
    bool failed;
};

static uint32_t get_number(struct cursor *cursor)
{
    const unsigned char *at = cursor->at;

    if (cursor->failed || 4 > cursor->left) {
        cursor->failed = true;
        return 0;
    }
    cursor->at += 4;
    cursor->left -= 4;
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static const char *get_string(struct cursor *cursor)
{
    size_t n = get_number(cursor);
    const char *string = (const char *)cursor->at;

    /* The limit on n is checked first, so that n + 1 cannot wrap. */
    if (cursor->failed || n > CLOUD_WIRE_STRING_MAX || n + 1 > cursor->left ||
        memchr(string, '\0', n + 1) != string + n) {
        cursor->failed = true;
        return NULL;
    }
    cursor->at += n + 1;
    cursor->left -= n + 1;
    return string;
}

static void get_fields(struct cursor *cursor, const struct layout *layout, void *message)
{
    for (size_t i = 0; i < FIELDS && layout->field[i].offset != 0; i++) {
        char *member = (char *)message + layout->field[i].offset;
        if (layout->field[i].string) {
            const char *string = get_string(cursor);
            memcpy(member, &string, sizeof string);
        } else {
            uint32_t number = get_number(cursor);
            memcpy(member, &number, sizeof number);
        }
    }
}

unsigned cloud_wire_version(const void *packet, size_t n)
{
    const unsigned char *at = packet;

    return n < HEADER || memcmp(at, magic, sizeof magic) != 0 ? 0 : at[4];
}

/* Checks the header and that the opcode is known, and sets *cursor to the first field. False if the
 * header is not valid. */
static bool get_header(struct cursor *cursor, const void *packet, size_t n, unsigned *op,
                       unsigned *status)
{
    const unsigned char *at = packet;

    if (cloud_wire_version(packet, n) != CLOUD_WIRE_VERSION || !cloud_wire_op_known(at[5]) ||
        at[7] != 0)
        return false;
    *op = at[5];
    *status = at[STATUS_AT];
    *cursor = (struct cursor){at + HEADER, n - HEADER, false};
    return true;
}

bool cloud_wire_get_question(const void *packet, size_t n, struct cloud_question *out)
{
    struct cloud_question question = {0};
    struct cursor cursor;
    unsigned op, status;

    if (n > CLOUD_WIRE_QUESTION_MAX || !get_header(&cursor, packet, n, &op, &status) || status != 0)
        return false;
    question.op = (enum cloud_op)op;
    get_fields(&cursor, &questions[op], &question);
    if (cursor.failed || cursor.left != 0 || question.is_ssh > 1)
        return false;
    *out = question;
    return true;
}

bool cloud_wire_get_answer(const void *packet, size_t n, struct cloud_answer *out)
{
    struct cloud_answer answer = {0};
    struct cursor cursor;
    unsigned op, status;

    if (n > CLOUD_WIRE_ANSWER_MAX || !get_header(&cursor, packet, n, &op, &status))
        return false;
    answer.op = (enum cloud_op)op;
    answer.status = (enum cloud_status)status;
    const struct layout *layout = answer_layout(answer.op, answer.status);
    if (layout == NULL)
        return false;
    get_fields(&cursor, layout, &answer);
    if (cursor.failed || cursor.left != 0)
        return false;
    *out = answer;
    return true;
}

struct writer {
    unsigned char *at;
    size_t left;
    bool failed;
};

static void put_bytes(struct writer *writer, const void *bytes, size_t n)
{
    if (writer->failed || n > writer->left) {
        writer->failed = true;
        return;
    }
    memcpy(writer->at, bytes, n);
    writer->at += n;
    writer->left -= n;
}

static void put_number(struct writer *writer, uint32_t number)
{
    const unsigned char bytes[4] = {(unsigned char)number, (unsigned char)(number >> 8),
                                    (unsigned char)(number >> 16), (unsigned char)(number >> 24)};

    put_bytes(writer, bytes, sizeof bytes);
}

static void put_string(struct writer *writer, const char *string)
{
    size_t n = string == NULL ? 0 : strlen(string);

    if (string == NULL || n > CLOUD_WIRE_STRING_MAX) {
        writer->failed = true;
        return;
    }
    put_number(writer, (uint32_t)n);
    put_bytes(writer, string, n + 1);
}

static void put_header(struct writer *writer, unsigned op, unsigned status)
{
    const unsigned char tail[4] = {CLOUD_WIRE_VERSION, (unsigned char)op, (unsigned char)status, 0};

    put_bytes(writer, magic, sizeof magic);
    put_bytes(writer, tail, sizeof tail);
}

static void put_fields(struct writer *writer, const struct layout *layout, const void *message)
{
    for (size_t i = 0; i < FIELDS && layout->field[i].offset != 0; i++) {
        const char *member = (const char *)message + layout->field[i].offset;
        if (layout->field[i].string) {
            const char *string;
            memcpy(&string, member, sizeof string);
            put_string(writer, string);
        } else {
            uint32_t number;
            memcpy(&number, member, sizeof number);
            put_number(writer, number);
        }
    }
}

size_t cloud_wire_put_question(const struct cloud_question *question, void *buffer, size_t size)
{
    size_t most = size < CLOUD_WIRE_QUESTION_MAX ? size : CLOUD_WIRE_QUESTION_MAX;
    struct writer writer = {buffer, most, false};

    if (!cloud_wire_op_known(question->op))
        return 0;
    put_header(&writer, question->op, 0);
    put_fields(&writer, &questions[question->op], question);
    return writer.failed ? 0 : most - writer.left;
}

size_t cloud_wire_put_answer(const struct cloud_answer *answer, void *buffer, size_t size)
{
    size_t most = size < CLOUD_WIRE_ANSWER_MAX ? size : CLOUD_WIRE_ANSWER_MAX;
    struct writer writer = {buffer, most, false};

    if (!cloud_wire_op_known(answer->op))
        return 0;
    const struct layout *layout = answer_layout(answer->op, answer->status);
    if (layout == NULL)
        return 0;
    put_header(&writer, answer->op, answer->status);
    put_fields(&writer, layout, answer);
    return writer.failed ? 0 : most - writer.left;
}
