/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rows of docs/outages.md that one request meets, by the tests that the row names:
 * tests/lint/docs compares them. What only the transport can tell apart looks the same here, where
 * that is replaced.
 */
#include "tests/sim/host.h"

#include <string.h>

enum look {
    AT_ONCE, /* an outage */
    LATE,    /* an outage after request_timeout */
    ABSENCE,
    BODY,  /* a 200 with a body that is no document */
    CUT,   /* a 200 with a part of the document */
    OTHER, /* a 200 with another environment's document */
    TRUTH, /* as without a fault */
};

struct row {
    const char *tests;
    const char *body; /* BODY */
    enum look look;
    uint32_t retry_after; /* seconds */
};

#define ROW(names, how)                                                                            \
    {                                                                                              \
        .tests = (names), .look = (how)                                                            \
    }
#define GIVES(names, text)                                                                         \
    {                                                                                              \
        .tests = (names), .look = BODY, .body = (text)                                             \
    }
#define LATER(names, seconds)                                                                      \
    {                                                                                              \
        .tests = (names), .look = AT_ONCE, .retry_after = (seconds)                                \
    }

static const struct row rows[] = {
    ROW("test_refused_connection", AT_ONCE),
    ROW("test_unroutable", AT_ONCE),
    ROW("test_packets_lost", LATE),
    ROW("test_packets_lost_kept", LATE),
    ROW("test_dns_failure", AT_ONCE),
    ROW("test_dns_silence", LATE),

    ROW("test_silence", LATE),
    ROW("test_tls_silence", LATE),
    ROW("test_drip_head", LATE),
    ROW("test_drip_body", LATE),
    ROW("test_cut_head", AT_ONCE),
    ROW("test_cut_head_404", AT_ONCE),
    ROW("test_cut_body", AT_ONCE),
    ROW("test_cut_chunked", AT_ONCE),
    ROW("test_long_length", AT_ONCE),
    ROW("test_short_length", CUT),

    ROW("test_bomb", AT_ONCE),
    ROW("test_codings", AT_ONCE),
    ROW("test_large", AT_ONCE),
    ROW("test_endless_body", AT_ONCE),
    ROW("test_endless_head", AT_ONCE),
    GIVES("test_nested", "{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),

    GIVES("test_utf8", "{\"x\":\"\xff\"}"),
    ROW("test_duplicate", TRUTH), /* it is a document: scenario_write has it */
    GIVES("test_not_json", "{\"x\""),
    GIVES("test_empty", ""),
    GIVES("test_login_page", "<html>"),
    ROW("test_other_environment", OTHER),
    ROW("test_no_http", AT_ONCE),

    ROW("test_301", AT_ONCE),
    ROW("test_400", AT_ONCE),
    ROW("test_401", AT_ONCE),
    ROW("test_403", AT_ONCE),
    ROW("test_404", ABSENCE),
    ROW("test_410", ABSENCE),
    ROW("test_418", AT_ONCE),
    LATER("test_429 test_retry_after", 30),
    ROW("test_500", AT_ONCE),
    LATER("test_503", 20),

    ROW("test_tls_expired", AT_ONCE),
    ROW("test_tls_self_signed", AT_ONCE),
    ROW("test_tls_wrong_name", AT_ONCE),
    ROW("test_tls_client", AT_ONCE),
    ROW("test_tls_garbage", AT_ONCE),

    ROW("test_goaway", AT_ONCE),
    ROW("test_goaway_body", AT_ONCE),
    ROW("test_goaway_kept", AT_ONCE),
    ROW("test_kept_silence_h2 test_kept_silence", LATE),
    ROW("test_idle_close", TRUTH),
    ROW("test_reuse_close", TRUTH),
};

/* Writes the document that the API has, if it has one, with a fault, into out. */
static bool write_faulty(int environment, enum look look, char *out, size_t size)
{
    const struct environment *e = environment < 0 ? NULL : &world->environment[environment];
    size_t length;

    if (e == NULL || e->now == ABSENT)
        return false;
    length = scenario_write(environment, e->now, 0, out, size);
    if (look == CUT)
        out[below((uint32_t)length)] = '\0';
    else
        memcpy(strstr(out, e->name), "x", 1);
    return true;
}

struct reply fault_reply(int environment)
{
    static char faulty[65536];
    const struct row *row = &rows[below(sizeof rows / sizeof *rows)];
    struct reply reply = {.what = row->tests,
                          .kind = REPLY_OUTAGE,
                          .milliseconds = 1 + below(30),
                          .retry_after = row->retry_after};

    switch (row->look) {
    case AT_ONCE:
        break;
    case LATE:
        reply.milliseconds = 1000 * (int64_t)world->settings.request_timeout;
        break;
    case ABSENCE:
        reply.kind = REPLY_ABSENT;
        break;
    case BODY:
        reply.kind = REPLY_BODY;
        reply.body = row->body;
        break;
    case CUT:
    case OTHER:
        if (!write_faulty(environment, row->look, faulty, sizeof faulty))
            break;
        reply.kind = REPLY_BODY;
        reply.body = faulty;
        break;
    case TRUTH:
        reply.kind = REPLY_TRUE;
        break;
    }
    return reply;
}
