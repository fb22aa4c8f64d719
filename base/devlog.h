/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_DEVLOG_H
#define CLOUD_BASE_DEVLOG_H

#include "base/loop.h"

#include <stdbool.h>

/*
 * Lines to the host's log daemon, in the form of syslog(3) (RFC 3164), without its waiting: while
 * the daemon is stopped, syslog(3) stops whoever logs. Each line is a datagram to the daemon's
 * socket as it stands then, so a daemon that starts anew gets the next one. What it does not take
 * is kept, in order, within DEVLOG_KEPT_MAX, and tried again; what does not fit is lost, and
 * counted in a line of its own ("12 log lines were lost") in its place.
 */

#define DEVLOG_LINE_MAX 16384u  /* bytes of a line with its head; the rest is cut off */
#define DEVLOG_KEPT_MAX 262144u /* bytes of the lines that wait */

/* The daemon's socket, and whether lines go to standard error, too. To be called first. */
void devlog_open(const char *path, bool to_stderr);

/* From now on what waits is tried again by a timer, not only as the next line comes. */
void devlog_start(struct loop *loop);

/* One more try for what waits; without the loop from now on. */
void devlog_stop(void);

/*
 * One line: priority as in syslog(3), facility | level. Bytes outside printable ASCII are sent as
 * \xHH, so that no foreign byte ends a line. Never waits for the daemon; keeps errno. From any
 * thread.
 */
void devlog_write(int priority, const char *line);

/* Lines lost since the start. */
uint64_t devlog_lost(void);

#endif
