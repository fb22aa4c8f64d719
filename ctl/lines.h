/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_LINES_H
#define CLOUD_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Calls each for every line of a text file, without its newline, and without what follows a '#' if
 * the file has comments. each may change the line, and returns false to stop. False if the file
 * cannot be read.
 */
typedef bool lines_each(void *arg, char *line);
bool lines_read(const char *path, bool comments, lines_each *each, void *arg);

/* The same for the standard output and error of a program, of which argv[0] is the absolute path.
 * It gets an empty environment. *status is that of waitpid(2). False if it cannot be run. */
bool lines_run(char *const argv[], lines_each *each, void *arg, int *status);

/* Returns the next word of *at, and moves *at behind it; NULL at the end. A word that begins with
 * '[' ends with ']', as in pam.conf(5) and nsswitch.conf(5). */
char *lines_word(char **at);

/* Called for a line of a PAM stack: its control, and its module as it stands there. Returns false
 * to stop. */
typedef bool stack_each(void *arg, const char *control, const char *module);

/* The module without its directory. */
const char *stack_module(const char *module);

/*
 * Calls each for every line of a type (such as "account") in a service's stack, in the order of
 * pam.d(5): lines of included files and substacks come in their place, at most eight deep. A file
 * that cannot be read has no lines.
 */
void stack_read(const char *service, const char *type, stack_each *each, void *arg);

#endif
