/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_LINES_H
#define CLOUD_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Calls each for every line of a text file. The line has no newline and, if the file has comments,
 * nothing from a '#' on. each may change the line, and returns false to end the calls. False if the
 * file cannot be read.
 */
typedef bool lines_each(void *arg, char *line);
bool lines_read(const char *path, bool comments, lines_each *each, void *arg);

/* Runs a program and calls each for every line of its standard output and error, as lines_read
 * does. argv[0] is the absolute path of the program, which gets an empty environment. *status is
 * that of waitpid(2). False if the program cannot be run. */
bool lines_run(char *const argv[], lines_each *each, void *arg, int *status);

/* Returns the next word at *at, and moves *at behind it; NULL at the end. A word that begins with
 * '[' extends to the ']', as in pam.conf(5) and nsswitch.conf(5). */
char *lines_word(char **at);

/* Called for a line of a PAM stack, with its control and its module as the line has them. Returns
 * false to end the calls. */
typedef bool stack_each(void *arg, const char *control, const char *module);

/* The module without its directory. */
const char *stack_module(const char *module);

/*
 * Calls each for every line of a type (such as "account") in the stack of a service, in the order
 * of pam.d(5). Lines of included files and substacks come in their place, at most eight levels
 * deep. A file that cannot be read has no lines.
 */
void stack_read(const char *service, const char *type, stack_each *each, void *arg);

#endif
