/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_CALL_H
#define CLOUD_COMMON_CALL_H

#include "common/wire.h"

#define CLOUD_CALL_NSS_MS   2000  /* for how long a lookup waits for the daemon */
#define CLOUD_CALL_LOGIN_MS 10000 /* for how long the helper and PAM wait */

/*
 * Asks the daemon a question: connects, sends one packet and receives one, within timeout_ms.
 * *answer borrows from buffer; CLOUD_WIRE_ANSWER_MAX bytes are always enough, and an answer longer
 * than size counts as none. Returns the answer's status, or CLOUD_UNAVAILABLE with *answer zeroed
 * if there is no valid answer: then it has no reason, while the daemon's own "unavailable" has one.
 * Does not allocate, raise SIGPIPE or leave a descriptor open. May change errno. Must not be
 * cancelled (pthread_cancel(3)).
 */
enum cloud_status cloud_call(const struct cloud_question *question, struct cloud_answer *answer,
                             void *buffer, size_t size, int timeout_ms);

#endif
