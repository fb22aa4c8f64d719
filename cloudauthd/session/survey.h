/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SESSION_SURVEY_H
#define CLOUDAUTHD_SESSION_SURVEY_H

#include "base/process.h"
#include "base/worker.h"
#include "cloudauthd/state/session_files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Finds out which of the sessions that sshd has closed still have processes (survey_owns). The
 * worker looks at all processes of the host, once for all sessions. If a session seems to have
 * none, the worker looks once more, because a process that forks and exits all the time is easily
 * missed.
 */

/* Whether a process belongs to the session of the account `uid` with the audit session id `audit`:
 * the process has that id, and one of its four uids is the account's, or its real uid is not
 * root's. False if audit is PROCESS_NO_AUDIT. */
bool survey_owns(uint32_t audit, uint32_t uid, const struct process_ids *ids);

struct survey_item {
    char id[SESSION_ID_SIZE];
    uint32_t audit, uid;
    bool lives; /* the result: a process of the session was found */
};

struct survey {
    struct work work;
    /* Called in the loop's thread. The survey is freed after the call. */
    void (*done)(void *arg, const struct survey *survey);
    void *arg;
    size_t n;
    struct survey_item item[];
};

/* Makes a survey of n items. The caller fills them in, with done and arg. */
struct survey *survey_new(size_t n);

/* Gives the survey to the worker; done is called later. */
void survey_begin(struct survey *survey, struct worker *worker);

#endif
