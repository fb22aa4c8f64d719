/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Calls each for every line until it returns false. Reads the rest nevertheless, so that the
 * program that writes the lines can end. */
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
    (void)fclose(in); /* it was only read */
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

char *lines_word(char **at)
{
    char *word = *at + strspn(*at, " \t\r");
    size_t n = strcspn(word, word[0] == '[' ? "]" : " \t\r");

    if (*word == '\0')
        return NULL;
    if (word[0] == '[' && word[n] == ']')
        n++;
    *at = word + n;
    if (**at != '\0')
        *(*at)++ = '\0';
    return word;
}

/* ---- PAM stacks ---- */

#define DEPTH_MAX 8

struct reading {
    const char *type;
    stack_each *each;
    void *arg;
    unsigned depth;
    bool enough;
};

static void read_file(const char *service, struct reading *reading);

static bool take_line(void *arg, char *line)
{
    struct reading *reading = arg;
    char *at = line, *type = lines_word(&at), *control, *module;

    if (type == NULL)
        return true;
    type += type[0] == '-';
    control = lines_word(&at);
    if (control != NULL && strcmp(type, "@include") == 0) {
        read_file(control, reading);
    } else if (control != NULL && strcmp(type, reading->type) == 0 &&
               (module = lines_word(&at)) != NULL) {
        if (strcmp(control, "include") == 0 || strcmp(control, "substack") == 0)
            read_file(module, reading);
        else
            reading->enough = !reading->each(reading->arg, control, module);
    }
    return !reading->enough;
}

static void read_file(const char *service, struct reading *reading)
{
    char path[256];

    if (reading->depth >= DEPTH_MAX || strchr(service, '/') != NULL)
        return;
    reading->depth++;
    snprintf(path, sizeof path, "/etc/pam.d/%.200s", service);
    (void)lines_read(path, true, take_line, reading);
    reading->depth--;
}

const char *stack_module(const char *module)
{
    const char *slash = strrchr(module, '/');

    return slash == NULL ? module : slash + 1;
}

void stack_read(const char *service, const char *type, stack_each *each, void *arg)
{
    struct reading reading = {.type = type, .each = each, .arg = arg};

    read_file(service, &reading);
}
