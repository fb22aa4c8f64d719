/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_PROCESS_H
#define CLOUD_BASE_PROCESS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Processes as /proc shows them (proc(5)). The kernel reuses the pid of a process that has ended,
 * so a process is identified by its pid together with its start time. */

struct process {
    pid_t pid;
    uint64_t start; /* clock ticks since boot (field 22 of /proc/PID/stat) */
};

/* Finds the process that now has the pid. False if it has ended, or if /proc hides it (hidepid). */
bool process_find(pid_t pid, struct process *out);

/* Returns the start time of the process in milliseconds on the clock of cloud_clock_ms(). It may be
 * too early by one clock tick. */
int64_t process_began(const struct process *process);

/* Finds the parent of a process. False if the child or its parent has ended. The result is reliable
 * only if the child was alive during the call, which the caller checks afterwards (for example: the
 * child's socket is still open). */
bool process_find_parent(pid_t child, struct process *out);

/* Whether the process is still running, or may be, because /proc cannot be read now; a zombie is
 * not. A process is running as long as any of its threads is, even if the first thread has ended
 * and /proc therefore shows the state of a zombie. */
bool process_lives(const struct process *process);

#define PROCESS_NO_AUDIT UINT32_MAX /* audit session id of a process that belongs to no login */

/* The ids that tell to which account or session a process belongs. */
struct process_ids {
    uint32_t uid[4]; /* real, effective, saved, file system: credentials(7) */
    uint32_t audit;  /* audit session id (pam_loginuid(8)), or PROCESS_NO_AUDIT */
};

/* Whether any of the four uids is `uid`. A process that runs a set-user-ID program of another user
 * may keep the uid of the user who started it in any of the four. */
static inline bool process_has_uid(const struct process_ids *ids, uint32_t uid)
{
    return ids->uid[0] == uid || ids->uid[1] == uid || ids->uid[2] == uid || ids->uid[3] == uid;
}

struct process_info {
    struct process process;
    pid_t parent;
    bool zombie;
    uint32_t tty; /* device number of the controlling terminal; 0: none */
    struct process_ids ids;
};

/* Reads the real uid of a process. False if the process has ended, or if /proc hides it. */
bool process_real_uid(pid_t pid, uint32_t *out);

/* Whether an errno says nothing of a process: descriptors or memory are lacking, or the read itself
 * has failed. Others mean that the process has ended, or that this process may not see it. */
static inline bool process_is_unknown(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO;
}

/* Fills all of *out. False with errno if the process has ended, if /proc hides it, or if it cannot
 * be read now (process_is_unknown). */
bool process_look(pid_t pid, struct process_info *out);

/* Finds the audit session that pam_loginuid(8) has begun in the process of a login. Without it the
 * process has that of its parent, and *out is PROCESS_NO_AUDIT. False if this cannot be found out:
 * the process or its parent has ended, or /proc hides it or cannot be read now. */
bool process_login_audit(const struct process *process, uint32_t *out);

/* Calls `each` for every process that /proc shows when the call begins, until `each` returns false.
 * False if /proc or one of the processes cannot be read now, which ends the walk. */
bool process_each(bool (*each)(void *arg, const struct process_info *), void *arg);

/*
 * Opens a pidfd (pidfd_open(2)) of the process, which the caller closes. Checks the start time and
 * reads *ids only after the pidfd was opened, so that a signal sent through the pidfd reaches this
 * process or none. Returns -1 if this fails, for example because the process has ended; always for
 * pid 1.
 */
int process_open(const struct process *process, struct process_ids *ids);

/* Sends a signal through a pidfd. False with errno. */
bool process_signal(int pidfd, int signal);

/* What process_visit passes on about a process. The pidfd was opened before the other members were
 * read, so a signal sent through it reaches a process with these values or none. process_visit
 * closes the pidfd after the call. */
struct process_met {
    int pidfd;
    pid_t pid;
    struct process_ids ids;
};
typedef void process_visitor(void *arg, const struct process_met *met);

/*
 * Calls `visit` for every process, except pid 1 and the caller. A process that forks and exits all
 * the time has a new pid by the time that its old one is visited. Therefore the pids that are
 * assigned during the walk are visited as well, until few are assigned meanwhile, or a few times.
 * A process may be visited more than once. False if /proc or one of the processes cannot be read
 * now, or if so many pids are assigned all the time that a process may have been missed; neither
 * ends the walk.
 */
bool process_visit(process_visitor *visit, void *arg);

/* Reads /proc/sys/kernel/random/boot_id, which is different after each boot. The start times of two
 * processes can be compared only if both are from the same boot. False if the file cannot be
 * read. */
#define PROCESS_BOOT_SIZE 64
bool process_boot(char out[PROCESS_BOOT_SIZE]);

#endif
