/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_LINES_H
#define CLOUD_CTL_LINES_H

#include <stdbool.h>

/* Calls `each` for every line of a text file. The line has no newline and, if the file has
 * comments, nothing from a '#' on. `each` may change the line, and returns false to end the calls.
 * False if the file cannot be read. */
typedef bool lines_each(void *arg, char *line);
bool lines_read(const char *path, bool comments, lines_each *each, void *arg);

/* Runs a program and calls `each` for every line of its standard output and error, as lines_read
 * does. argv[0] is the absolute path of the program, which gets an empty environment. Sets *status
 * as waitpid(2) does. False if the program cannot be run. */
bool lines_run(char *const argv[], lines_each *each, void *arg, int *status);

/* Defines the string `extern const char name[]`: the text of the file at path, for sh -c. */
#define LINES_SCRIPT(name, path)                                                                   \
    __asm__(".section .rodata\n" #name ": .incbin \"" path "\"\n.byte 0\n.previous")

/* Appends an argument to argv, in which all elements from the first unused one on are NULL. The
 * argument lives as long as the process. */
void lines_argument(char **argv, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
