/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_CALL_H
#define CLOUD_COMMON_CALL_H

#include "common/wire.h"

#define CLOUD_CALL_NSS_MS   2000  /* timeout of an NSS lookup */
#define CLOUD_CALL_LOGIN_MS 10000 /* timeout of cloud-authkeys and the PAM module */

/*
 * Asks the daemon a question: connects, sends one packet and receives one, within timeout_ms. The
 * packets are built and received in `buffer`; the strings of *answer point into it. A packet that
 * is longer than `size` is an error; CLOUD_WIRE_ANSWER_MAX bytes hold any question and any answer.
 * Returns the status of the answer. If there is no valid answer, returns CLOUD_UNAVAILABLE with
 * *answer zeroed, so that answer->reason is NULL; a daemon that answers CLOUD_UNAVAILABLE gives a
 * reason.
 *
 * Does not allocate, raise SIGPIPE or leave a descriptor open. May change errno. The calling thread
 * must not be cancelled in it (pthread_cancel(3)), which would leak the descriptor.
 */
enum cloud_status cloud_call(const struct cloud_question *question, struct cloud_answer *answer,
                             void *buffer, size_t size, int timeout_ms);

#endif
