/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_LOG_H
#define CLOUD_BASE_LOG_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/*
 * Lines to the host's log daemon, in the form of syslog(3) (RFC 3164), but without its wait: a
 * stopped log daemon stops every process that calls syslog(3). Each line is one datagram to the
 * log daemon's socket, addressed by its path each time, so a restarted log daemon gets the next
 * line. A line that the socket does not take is kept, in order, within LOG_KEPT_MAX bytes, and
 * sent later. A line for which there is no space is lost; the number of lost lines is logged in
 * their place ("12 log lines were lost").
 *
 * Bytes outside printable ASCII are sent as \xHH, so that no foreign byte ends or forges a line.
 * No function here waits for the log daemon. errno is kept. Lines may be logged from any thread;
 * log_open, log_start and log_stop are the main thread's.
 */

#define LOG_LINE_MAX 16384u  /* bytes of a line with its header; the rest is cut off */
#define LOG_KEPT_MAX 262144u /* bytes of the lines that wait */

/* Sets the path of the log daemon's socket (_PATH_LOG), and whether lines are copied to standard
 * error. To be called before any other function of this file. */
void log_open(const char *path, bool to_stderr);

/* From now on a timer of the loop sends the lines that wait; before, only the next line does. */
void log_start(struct loop *loop);

/* Tries once more to send the lines that wait; from now on without the loop. */
void log_stop(void);

/* cloudauthd's own messages, with facility daemon; at most 1023 bytes of each. */
void log_at(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)   log_at(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_INFO, __VA_ARGS__)

/* One line with the given priority: facility | level, as in syslog(3). */
void log_write(int priority, const char *line);

/* The number of lines lost since the start. */
uint64_t log_lost(void);

#endif
