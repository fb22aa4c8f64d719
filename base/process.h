/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_PROCESS_H
#define CLOUD_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Processes as /proc shows them (proc(5)). A pid alone names nobody for long: a process is told
 * from a later one with the same pid by its start time.
 */

struct process {
    pid_t pid;
    uint64_t start; /* clock ticks since boot (field 22 of /proc/PID/stat) */
};

/* The process with that pid. False if it is gone or /proc does not show it. */
bool process_find(pid_t pid, struct process *out);

/* When it started, in milliseconds as cloud_clock_ms() has them; up to a clock tick too early. */
int64_t process_began(const struct process *process);

/* Its parent. To be sure, ask only while the child is known to live (its socket is open), and
 * see to it afterwards that it still is. */
bool process_find_parent(pid_t child, struct process *out);

/* Whether that very process is still there; a zombie counts as gone, it does nothing any more. One
 * whose first thread alone has ended is none, though /proc gives it that state. */
bool process_lives(const struct process *process);

#define PROCESS_NO_AUDIT UINT32_MAX /* what the kernel says where no login has set it */

struct process_info {
    struct process process;
    pid_t parent;
    bool zombie;
    uint32_t tty;   /* device number of the controlling terminal; 0: it has none */
    uint32_t uid;   /* the real one: of who started it, also where it runs setuid */
    uint32_t audit; /* the audit session (pam_loginuid(8)), or PROCESS_NO_AUDIT */
};

/* All of that; false if it is gone or hidden. */
bool process_look(pid_t pid, struct process_info *out);

/* Calls each for every process that /proc shows, until it returns false. False if /proc cannot be
 * read. */
bool process_each(bool (*each)(void *arg, const struct process_info *), void *arg);

/*
 * A descriptor (pidfd_open(2)) of that very process, which is looked at again after it was opened:
 * so a signal sent through it can reach no other one. uid: whose it has to be (its real uid), or
 * PROCESS_ANY_UID. The caller closes it. -1: it is gone, or is not his any more.
 */
#define PROCESS_ANY_UID UINT32_MAX
int process_open(const struct process *process, uint32_t uid);

/* Sends a signal through such a descriptor. False with errno. */
bool process_signal(int pidfd, int signal);

/*
 * Signals every process wanted in the moment it is found, but for pid 1 and the caller: first among
 * those that were started last, again and again, since who forks and ends all the time is one of
 * them and has another pid by the end of a walk; then in one walk through /proc. Signals go
 * through a descriptor that was opened before the process was looked at, so that none can reach one
 * that was not wanted. False if /proc cannot be read.
 */
typedef bool process_wanted(void *arg, pid_t pid, uint32_t audit, uint32_t uid);
bool process_chase(process_wanted *wanted, void *arg, int signal);

/* /proc's boot_id: false if it cannot be read. Start times are told from that boot. */
#define PROCESS_BOOT_SIZE 64
bool process_boot(char out[PROCESS_BOOT_SIZE]);

#endif
