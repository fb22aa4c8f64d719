/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_LOG_H
#define CLOUD_BASE_LOG_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/*
 * Sends lines to the host's log daemon in the form of syslog(3) (RFC 3164), but never waits, as
 * syslog(3) does while the log daemon is stopped. Each line is one datagram, addressed to the path
 * of the log daemon's socket, so that a restarted log daemon gets the next line. Lines that the
 * socket does not take are kept in order, up to LOG_KEPT_MAX bytes, and sent later. A line that
 * finds no space is lost; a line in its place reports how many were lost ("12 log lines were
 * lost").
 *
 * Bytes outside printable ASCII are sent as \xHH, so that no foreign byte ends or forges a line.
 * errno is preserved. Any thread may log a line; log_open, log_start and log_stop are for the main
 * thread.
 */

#define LOG_LINE_MAX 16384u  /* bytes of a line with its header; the rest is cut off */
#define LOG_KEPT_MAX 262144u /* bytes of the lines that wait to be sent */

/* Sets the path of the log daemon's socket (_PATH_LOG), and whether lines are copied to standard
 * error. To be called before any other function of this file. */
void log_open(const char *path, bool to_stderr);

/* From this call on a timer of the loop sends the lines that wait. Before, they wait until the next
 * line is logged. */
void log_start(struct loop *loop);

/* Tries once more to send the lines that wait. The loop is not used after this call. */
void log_stop(void);

/* Logs a message of cloudauthd itself with facility daemon; level is one of syslog(3). The message
 * is cut off after 1023 bytes. */
void log_at(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)   log_at(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_INFO, __VA_ARGS__)

/* Logs a line; priority is facility | level, as in syslog(3). */
void log_write(int priority, const char *line);

/* The number of lines lost since the start. */
uint64_t log_lost(void);

#endif
