/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_FATAL_H
#define CLOUD_BASE_FATAL_H

#include <stddef.h>

/*
 * How the daemon ends when it cannot go on: out of memory, or at its start without a file or thread
 * that it needs. The service manager restarts it. What is lost is what a SIGKILL at that moment
 * would lose: the log lines that the log daemon has not taken. Documents, bindings, denials and
 * sessions are written to files before a client gets an answer that depends on them. An allocation
 * whose size depends on a document or an answer uses malloc(3) instead, and its failure costs only
 * that document or answer. Any thread may call these functions.
 */

/* Logs the reason, and ends the process with status 1. */
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* calloc(3) and strdup(3) that end the process if they fail. The caller frees the result. */
void *xcalloc(size_t n, size_t size);
char *xstrdup(const char *text);

#endif
