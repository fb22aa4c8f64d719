/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/lines.h"

#include "ctl/out.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Calls `each` for every line until it returns false. After that, still reads the input to its end,
 * so that the program that writes it is not blocked or killed by SIGPIPE. A line is cut off at the
 * first character that is in `ends`. */
static void give(FILE *in, const char *ends, lines_each *each, void *arg)
{
    char *line = NULL;
    size_t size = 0;
    bool more = true;

    while (getline(&line, &size, in) > 0) {
        line[strcspn(line, ends)] = '\0';
        more = more && each(arg, line);
    }
    free(line);
}

bool lines_read(const char *path, bool comments, lines_each *each, void *arg)
{
    FILE *in = fopen(path, "re");
    bool whole;

    if (in == NULL)
        return false;
    give(in, comments ? "\n#" : "\n", each, arg);
    whole = ferror(in) == 0;
    (void)fclose(in); /* the file was only read */
    return whole;
}

bool lines_run(char *const argv[], lines_each *each, void *arg, int *status)
{
    static char *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t child;
    FILE *in;
    bool ran;

    if (pipe2(ends, O_CLOEXEC) != 0 || (in = fdopen(ends[0], "r")) == NULL)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    ran = posix_spawn(&child, argv[0], &actions, NULL, argv, environment) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    give(in, "\n", each, arg);
    (void)fclose(in);
    while (ran && waitpid(child, status, 0) < 0 && errno == EINTR)
        ;
    return ran;
}

void lines_script(char **argv, const char *text, const char *name)
{
    lines_argument(argv, "/bin/sh");
    lines_argument(argv, "-c");
    lines_argument(argv, "%s", text);
    lines_argument(argv, "%s", name);
}

void lines_argument(char **argv, const char *format, ...)
{
    va_list arguments;

    while (*argv != NULL)
        argv++;
    va_start(arguments, format);
    if (vasprintf(argv, format, arguments) < 0)
        out_no_memory();
    va_end(arguments);
}
