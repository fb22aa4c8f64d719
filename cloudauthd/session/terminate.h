/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SESSION_TERMINATE_H
#define CLOUDAUTHD_SESSION_TERMINATE_H

#include "base/loop.h"
#include "base/process.h"
#include "base/worker.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Terminates sessions. The processes of a session are its sshd monitor, the descendants of the
 * monitor, and the processes with the audit session id of the session. The id also finds processes
 * that have left the tree (setsid, nohup, a double fork).
 *
 * Signals go to the monitor, which runs as root; to other processes of the session that have the
 * uid of the account as one of their four uids; and to processes of the audit session whose real
 * uid is not root's, so that a set-user-ID program of another account is no way to escape. Other
 * processes of root get no signal, and are logged: one may be a service of the host that was
 * restarted in the session. Each signal is sent through a pidfd, and the process is checked after
 * the pidfd was opened (process_open).
 *
 *   at once                  a message on the session's terminals
 *   TERMINATE_NOTICE_MS      later (at once if no terminal takes the message): TERM to the monitor,
 *                            HUP and TERM to the other processes
 *   TERMINATE_KILL_MS        later: KILL to the processes that are left, again every
 *                            TERMINATE_ROUND_MS until none is left, at most TERMINATE_KILLS times.
 *                            From the second KILL on, processes of the audit session are also
 *                            killed one by one as they are found (process_visit): a process that
 *                            forks and exits all the time has another pid by the time that all of
 *                            /proc has been read
 *
 * The worker thread does all of this in rounds. A round is one walk through /proc, for all sessions
 * that are due. A round in which /proc cannot be read, for lack of descriptors or memory, is tried
 * again every TERMINATE_ROUND_MS, however often. One that may have missed a process counts as one
 * that has found it.
 */

#define TERMINATE_NOTICE_MS 400
#define TERMINATE_ROUND_MS  500
#define TERMINATE_KILL_MS   5000
#define TERMINATE_KILLS     10
#define TERMINATE_PROCESSES 4096 /* the most processes of a session that a round signals */
#define TERMINATE_ID_SIZE   24

/* The sessions that are being terminated. */
struct terminations;

/* Called from the loop, once. input is when a program last read input from one of the session's
 * terminals, in seconds since 1970: their atime, as in w(1), which the kernel keeps in steps of 8
 * seconds. 0: the session has no terminal, or the time cannot be read. */
typedef void terminate_looked(void *arg, const char *id, int64_t input);

/* Called from the loop, once: when no process of the session is left that gets signals (over), or
 * when cloudauthd gives up, which is logged: also where so many processes begin meanwhile that one
 * may have been missed. */
typedef void terminate_done(void *arg, const char *id, bool over);

struct terminate_order {
    struct process monitor; /* the sshd process that serves the connection as root */
    uint32_t audit; /* audit session id; PROCESS_NO_AUDIT: unknown, or another session has it */
    uint32_t uid;   /* of the account */
    const char *message; /* for the session's terminals, a line without its newline; or "" */
    const char *id;      /* of the session, shorter than TERMINATE_ID_SIZE; for done and looked */
    terminate_done *done;
    terminate_looked *looked; /* if not NULL, the session is not terminated: its terminals get the
                                 message and are looked at, and `done` is not called */
    void *arg;
};

/* Borrows loop and worker. To be freed in this order: the worker, which completes its round; then
 * the terminations; then the loop. */
struct terminations *terminate_new(struct loop *loop, struct worker *worker);

/* Frees the terminations. A session whose termination is not complete is left as it is, and `done`
 * is not called for it. */
void terminate_free(struct terminations *terminations);

/* Begins to terminate a session, or to look at its terminals. Copies the order and its strings. */
void terminate_begin(struct terminations *terminations, const struct terminate_order *order);

#endif
