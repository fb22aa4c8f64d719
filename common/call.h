/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_CALL_H
#define CLOUD_COMMON_CALL_H

#include "common/wire.h"

#define CLOUD_CALL_NSS_MS   2000  /* for how long a lookup waits for the daemon's answer */
#define CLOUD_CALL_LOGIN_MS 10000 /* for how long the helper and the PAM module wait */

/*
 * Asks the daemon a question: connects, sends one packet and receives one, within timeout_ms.
 * *answer borrows from buffer, for which CLOUD_WIRE_ANSWER_MAX bytes are always enough; an answer
 * longer than size is invalid. Returns the status of the answer. If there is no valid answer,
 * returns CLOUD_UNAVAILABLE with *answer zeroed, so that answer->reason is NULL; a daemon that
 * answers CLOUD_UNAVAILABLE gives a reason.
 *
 * Does not allocate, raise SIGPIPE or leave a descriptor open. May change errno. Must not be
 * cancelled (pthread_cancel(3)).
 */
enum cloud_status cloud_call(const struct cloud_question *question, struct cloud_answer *answer,
                             void *buffer, size_t size, int timeout_ms);

#endif
