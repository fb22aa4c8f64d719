/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_DAEMONIZE_H
#define CLOUD_BASE_DAEMONIZE_H

#include <stdbool.h>

/*
 * Goes to the background as daemon(7) describes for SysV daemons: fork, setsid, chdir("/"). To be
 * called before the process has a thread or an epoll set: a fork leaves threads behind, and a
 * signalfd in an epoll set that the parent filled never wakes the child.
 *
 * The parent stays until daemonize_finish in the child, or until the child ends, and exits with 0
 * or 1 accordingly. In the child: true, and *ready is what daemonize_finish takes; false with errno
 * otherwise.
 */
bool daemonize_start(int *ready);

/* The child is ready: its standard streams become /dev/null and the parent exits with 0. Closes
 * ready. False with errno. */
bool daemonize_finish(int ready);

/* Raises the soft limit of open files as far as the hard one and 65536 allow, forbids core dumps,
 * which would hold credentials, and sets no_new_privs (prctl(2)). */
void daemonize_set_limits(void);

#endif
