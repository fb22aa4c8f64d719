/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_DAEMONIZE_H
#define CLOUD_BASE_DAEMONIZE_H

#include <stdbool.h>

/*
 * Goes to the background as daemon(7) describes for SysV daemons: fork, setsid, chdir("/"). To be
 * called before the process has a thread or an epoll set: a child has none of its parent's threads,
 * and a signalfd in an epoll set that the parent filled never wakes the child.
 *
 * The parent waits for daemonize_finish in the child, or for the end of the child, and then exits
 * with 0 or 1. In the child: true, and *ready is the argument for daemonize_finish. False with
 * errno on failure.
 */
bool daemonize_start(int *ready);

/* Says that the child is ready: its standard streams become /dev/null, the parent exits with 0, and
 * ready is closed. False with errno. */
bool daemonize_finish(int ready);

/* Raises the soft limit of open files to the hard limit, but not above 65536; forbids core dumps,
 * which would contain credentials; sets no_new_privs (prctl(2)). */
void daemonize_set_limits(void);

#endif
