/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_LOG_H
#define CLOUD_BASE_LOG_H

#include <stdbool.h>

/*
 * The daemon's own log (facility daemon), for operators; decisions go to audit.h. Bytes outside
 * printable ASCII are printed as \xHH: foreign bytes cannot forge a line. errno is kept, and
 * nothing is waited for (devlog.h).
 */

/* To the host's log daemon from now on; also to standard error if that is wanted. */
void log_open(bool to_stderr);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
