/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_PROCESS_H
#define CLOUD_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Processes as /proc shows them (proc(5)). The kernel gives a pid again after its process has
 * ended, so a process is identified by its pid and its start time.
 */

struct process {
    pid_t pid;
    uint64_t start; /* clock ticks since boot (field 22 of /proc/PID/stat) */
};

/* Finds the process that has the pid now. False if it has ended or /proc hides it (hidepid). */
bool process_find(pid_t pid, struct process *out);

/* The start time of the process in milliseconds on the clock of cloud_clock_ms(), at most one clock
 * tick too early. */
int64_t process_began(const struct process *process);

/* Finds the parent of a process. The result is certain only if the child was alive during the call,
 * which the caller checks afterwards (for example: the child's socket is still open). */
bool process_find_parent(pid_t child, struct process *out);

/* Whether the process still runs; a zombie does not. A process runs as long as any of its threads
 * does, although /proc shows the state of a zombie once its first thread has ended. */
bool process_lives(const struct process *process);

#define PROCESS_NO_AUDIT UINT32_MAX /* audit session id of a process that belongs to no login */

/* The ids that tell to which account or session a process belongs. */
struct process_ids {
    uint32_t uid[4]; /* real, effective, saved, of the file system: credentials(7) */
    uint32_t audit;  /* audit session id (pam_loginuid(8)), or PROCESS_NO_AUDIT */
};

/* Whether one of the four uids is the given one. A process that runs another user's set-user-ID
 * program may keep the uid of the user who started it in any of the four. */
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

/* Reads the real uid of a process. False if the process has ended or /proc hides it. */
bool process_real_uid(pid_t pid, uint32_t *out);

/* Reads everything in struct process_info. False if the process has ended or /proc hides it. */
bool process_look(pid_t pid, struct process_info *out);

/* Calls `each` for every process that /proc shows at the beginning, until it returns false. False
 * if /proc cannot be read, or if out of memory. */
bool process_each(bool (*each)(void *arg, const struct process_info *), void *arg);

/*
 * Opens a pidfd (pidfd_open(2)) of the process, which the caller closes. The start time is checked,
 * and *ids is read, after the pidfd was opened: a signal sent through the pidfd reaches this
 * process or none. -1 if the process has ended, and for pid 1.
 */
int process_open(const struct process *process, struct process_ids *ids);

/* Sends a signal through a pidfd. False with errno. */
bool process_signal(int pidfd, int signal);

/* A process as process_visit meets it. The pidfd was opened before the other members were read, so
 * a signal sent through it reaches a process with these values or none. process_visit closes it
 * after the call. */
struct process_met {
    int pidfd;
    pid_t pid;
    struct process_ids ids;
};
typedef void process_visitor(void *arg, const struct process_met *met);

/*
 * Calls visit for every process, except pid 1 and the caller. A process that forks and exits all
 * the time has a new pid by the time that its old one is visited; therefore the pids that were
 * given during the walk are visited as well, until no pid was given meanwhile. While processes fork
 * all the time, that ends after a few hundred pids, and one may be missed. A process can be visited
 * more than once. False if /proc cannot be read, or if out of memory.
 */
bool process_visit(process_visitor *visit, void *arg);

/* Reads /proc/sys/kernel/random/boot_id, which differs after each boot. The start times of two
 * processes can be compared only if both belong to the same boot. False if the file cannot be
 * read. */
#define PROCESS_BOOT_SIZE 64
bool process_boot(char out[PROCESS_BOOT_SIZE]);

#endif
