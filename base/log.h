/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_LOG_H
#define CLOUD_BASE_LOG_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/*
 * Sends lines to the host's log daemon in the format of syslog(3) (RFC 3164). Unlike syslog(3),
 * never waits while the log daemon is stopped. Each line is one datagram, addressed to the path of
 * the log daemon's socket, so that a restarted log daemon gets the next line. Lines that the socket
 * does not take are kept in order, up to LOG_KEPT_MAX bytes, and sent later. A line for which there
 * is no space is lost; in its place a line reports how many were lost ("12 log lines were lost").
 *
 * Bytes outside printable ASCII are sent as \xHH, so that foreign text cannot end or forge a line.
 * errno is preserved. Any thread may log a line; only the main thread may call log_open, log_start
 * and log_stop.
 */

#define LOG_LINE_MAX 16384u  /* bytes of a line with its header; the rest is cut off */
#define LOG_KEPT_MAX 262144u /* bytes of the lines that wait to be sent */

/* Sets the path of the log daemon's socket (_PATH_LOG), and whether lines are copied to standard
 * error. To be called before any other function of this file. */
void log_open(const char *path, bool to_stderr);

/* Lets a timer of the loop send the lines that wait. Without it they wait until the next line is
 * logged. To be called by the thread that runs the loop. */
void log_start(struct loop *loop);

/* Tries once more to send the lines that wait. After this call the loop is no longer used. */
void log_stop(void);

/* Logs a message of cloudauthd itself with the facility LOG_DAEMON; level is one of syslog(3). The
 * message is cut off after 1023 bytes. */
void log_at(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)   log_at(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_INFO, __VA_ARGS__)

/* Logs a line; priority is facility | level, as in syslog(3). */
void log_write(int priority, const char *line);

/* Returns the number of lines lost since the process started. */
uint64_t log_lost(void);

#endif
