/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_FATAL_H
#define CLOUD_BASE_FATAL_H

#include <stddef.h>

/*
 * How the daemon ends where it cannot go on: without memory, or at the start without a file or
 * thread that it needs. The service manager starts it again. What is lost is what a kill at that
 * moment loses: the files of sessions that the worker has not written yet
 * (cloudauthd/state/session_files.h), and the log lines that the log daemon has not taken.
 * Documents, bindings and denials are on the disk before any client is answered by them. An
 * allocation whose size depends on a document or an answer uses malloc(3) instead, and its failure
 * costs only that document or answer. Any thread may call these functions.
 */

/* Logs the reason, and ends the process with status 1. */
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* calloc(3) and strdup(3) that succeed, or end the process. */
void *xcalloc(size_t n, size_t size);
char *xstrdup(const char *text);

#endif
