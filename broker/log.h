/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_LOG_H
#define CLOUD_BROKER_LOG_H

#include <stdbool.h>

/*
 * The daemon's own log (facility daemon), for operators; decisions go to audit.h. Control
 * characters in what is printed become '?': foreign bytes cannot forge a line. errno is kept.
 */

/* Opens syslog(3) under the name cloudauthd; also to standard error if that is wanted. */
void log_open(bool to_stderr);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
