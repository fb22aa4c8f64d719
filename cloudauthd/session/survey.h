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
 * Finds out which of the sessions that sshd has closed still have processes (survey_owns). One pass
 * of the worker over all processes of the host serves all sessions. If a session seems to have
 * none, the worker makes a second pass, because a process that forks and exits all the time is
 * easily missed.
 */

/* Whether a process with these ids belongs to the session that has the audit session id `audit` and
 * whose account has the uid `uid`: its audit session id is `audit`, and either one of its four uids
 * is `uid` or its real uid is not root's. False if audit is PROCESS_NO_AUDIT. */
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

/* Makes a survey of n items. The caller sets them, `done` and `arg`. */
struct survey *survey_new(size_t n);

/* Gives the survey to the worker. survey->done is called when it is complete. */
void survey_begin(struct survey *survey, struct worker *worker);

#endif
