/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SESSION_TERMINATE_H
#define CLOUDAUTHD_SESSION_TERMINATE_H

#include "base/loop.h"
#include "base/process.h"
#include "base/worker.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Ends the processes of a session: its sshd monitor, the monitor's descendants, and those that bear
 * its audit session id, whoever their parent is by now (setsid, nohup, a double fork). But for the
 * monitor, which is root's, only processes whose real uid is the account's are ever touched; and
 * each through a pidfd whose process was looked at again after it was opened (process_open).
 *
 *   at once          a line on the session's terminals
 *   REAPER_SAY_MS    later (at once where there is no terminal): TERM to the monitor, HUP and TERM
 *                    to the rest
 *   REAPER_KILL_MS   later: KILL to those still there, and again until nothing is left,
 *                    REAPER_KILLS times at most. From the second time on, those of the audit
 *                    session get it in the moment they are found: a process that forks and ends
 *                    all the time has gone before the others have been looked at
 *
 * All of it is done by the worker, in one walk through /proc for all sessions that are due.
 */

#define REAPER_SAY_MS    400
#define REAPER_LOOK_MS   500 /* how often it is looked whether all have ended */
#define REAPER_KILL_MS   5000
#define REAPER_KILLS     10
#define REAPER_PROCESSES 4096 /* of one session at a time; the rest comes at the next look */

struct reaper;

struct reaper_target {
    struct process monitor;
    uint32_t audit; /* PROCESS_NO_AUDIT: not known, or not this session's alone */
    uint32_t uid;   /* of the account */
};

/* NULL if memory is out. Both outlive the reaper, but for the worker: it is freed before it, so
 * that nothing of the reaper's is under way there. */
struct reaper *reaper_new(struct loop *loop, struct worker *worker);
void reaper_free(struct reaper *reaper);

/*
 * Begins to end a session. The sentence is a line for its terminals, without its newline; id is
 * handed back. done is called from the loop, once, when nothing of it is left or no more can be
 * done (which is logged); not if the reaper is freed before. False, logged, if memory is out.
 */
typedef void reaper_done(void *arg, const char *id);
#define REAPER_ID_SIZE 24
bool reaper_end(struct reaper *reaper, const struct reaper_target *target, const char *sentence,
                const char *id, reaper_done *done, void *arg);

#endif
