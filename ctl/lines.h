/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_LINES_H
#define CLOUD_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The lines of a text file of the host, of at most 1 MiB, each without its newline; what follows a
 * '#' is left out if comments says so. The line may be changed by each, which returns false to
 * stop. False if the file cannot be read.
 */
typedef bool lines_each(void *arg, char *line);
bool lines_read(const char *path, bool comments, lines_each *each, void *arg);

/* The same of a program's standard output and error; *status is what waitpid(2) says. False if it
 * cannot be run. argv[0] is its absolute path. Its environment is empty. */
bool lines_run(char *const argv[], lines_each *each, void *arg, int *status);

/* The next word of *at, which moves on; NULL at the end. A word that begins with '[' goes on to its
 * ']', as in pam.conf(5) and nsswitch.conf(5). */
char *lines_word(char **at);

#endif
