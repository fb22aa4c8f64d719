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
 * if the child exits first. In the child returns true, and sets *ready to a descriptor for
 * daemonize_finish. False with errno if a system call fails.
 */
bool daemonize_start(int *ready);

/* Reports that the child is ready: redirects its standard streams to /dev/null, lets the parent
 * exit with 0, and closes `ready`. False with errno. */
bool daemonize_finish(int ready);

/* Raises the soft limit on open files to the hard limit, but not above 65536; disables core dumps,
 * which would contain credentials; sets no_new_privs (prctl(2)). */
void daemonize_set_limits(void);

#endif
