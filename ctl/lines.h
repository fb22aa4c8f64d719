/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_LINES_H
#define CLOUD_CTL_LINES_H

#include <stdbool.h>

/* Calls `each` for every line of a text file, without its newline and, if `comments` is set,
 * without a comment that begins with '#'. `each` may change the line; when it returns false, it is
 * not called again. Returns false if the file cannot be read. */
typedef bool lines_each(void *arg, char *line);
bool lines_read(const char *path, bool comments, lines_each *each, void *arg);

/* Runs a program, and calls `each` for every line of its standard output and error, as lines_read
 * does. argv[0] is the absolute path of the program, which gets an empty environment. Sets *status
 * as waitpid(2) does. Returns false if the program cannot be run. */
bool lines_run(char *const argv[], lines_each *each, void *arg, int *status);

/* Defines the string `extern const char name[]`: the text of the file at `path`, a script for sh
 * -c. */
#define LINES_SCRIPT(name, path)                                                                   \
    __asm__(".section .rodata\n" #name ": .incbin \"" path "\"\n.byte 0\n.previous")

/* Begins argv with what has sh run the text of a script, whose name in messages is `name`. */
void lines_script(char **argv, const char *text, const char *name);

/* Appends an argument to argv, in which all unused elements must be NULL. There must be space for
 * the argument and a NULL. The argument is never freed. Ends the process if out of memory: without
 * the argument, the program would take later ones for it. */
void lines_argument(char **argv, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
