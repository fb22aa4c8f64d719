/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_CALL_H
#define CLOUD_COMMON_CALL_H

#include "common/wire.h"

#define CLOUD_CALL_NSS_MS   2000  /* how long a lookup may wait for the daemon */
#define CLOUD_CALL_LOGIN_MS 10000 /* how long the helper and PAM may */

/*
 * Asks the daemon one question: a fresh socket, one packet out, one back, everything before one
 * deadline of timeout_ms by cloud_clock_ms(). *answer borrows from buffer, which needs no more
 * than CLOUD_WIRE_ANSWER_MAX bytes; a longer answer than size counts as none.
 * Returns the answer's status, or CLOUD_UNAVAILABLE with *answer zeroed when there is none: the
 * daemon's own "unavailable" always has a reason, that one has not. No allocation, no signal
 * (MSG_NOSIGNAL), no descriptor left open. Does not keep errno. Not a safe place for thread
 * cancellation.
 */
enum cloud_status cloud_call(const struct cloud_question *question, struct cloud_answer *answer,
                             void *buffer, size_t size, int timeout_ms);

#endif
