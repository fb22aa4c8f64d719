/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_DAEMONIZE_H
#define CLOUD_BASE_DAEMONIZE_H

#include <stdbool.h>

/*
 * Goes to the background as daemon(7) describes for SysV daemons: fork, setsid, chdir("/"). To be
 * called before the process has a thread or an epoll set: a child has none of its parent's threads,
 * and a signalfd in an epoll set that the parent filled never wakes the child.
 *
 * The parent does not return: it exits with 0 once the child has called daemonize_finish, or with 1
 * if the child ends before. In the child: true, and *ready is a descriptor, the argument for
 * daemonize_finish. False with errno if a system call fails.
 */
bool daemonize_start(int *ready);

/* Reports that the child is ready: its standard streams become /dev/null, the parent exits with 0,
 * and ready is closed. False with errno. */
bool daemonize_finish(int ready);

/* Raises the soft limit of open files to the hard limit, but not above 65536; forbids core dumps,
 * which would contain credentials; sets no_new_privs (prctl(2)). */
void daemonize_set_limits(void);

#endif
