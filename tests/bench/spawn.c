/* SPDX-License-Identifier: Apache-2.0 */

/*
 * spawn [-n ROUNDS] [-w WARM] [-j TOGETHER] FILE COMMAND... [:: COMMAND...]...
 *
 * Starts each command once a round, as a process in no shell, and waits for its end. The commands
 * take turns, and each round begins with the next of them: what drifts meets all alike.
 * The first WARM rounds do not count. -j: so many of one command at once, whose time is that of
 * all. FILE gets a line for each: COMMAND(0...) WALL-NS CPU-US RSS-KB FAULTS, where CPU time, the
 * greatest resident set and minor page faults are those of the process and of those that it waited
 * for. A command that fails ends the run.
 *
 * spawn -p FILE COMMAND: once, with stdin and stdout as they are, and with that command's status.
 * As ssh's ProxyCommand, which gets a SIGHUP at the end.
 */
#include "tests/bench/samples.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMANDS_MAX 16
#define TOGETHER_MAX 256

extern char **environ;

static struct {
    long rounds, warm, together;
    bool passes;
} options = {.rounds = 1, .together = 1};

static char **command[COMMANDS_MAX];
static int commands;

static pid_t start(char **argv)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t reset;
    pid_t pid;

    sigemptyset(&reset);
    sigaddset(&reset, SIGHUP);
    if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawnattr_init(&attributes) != 0)
        samples_die("no memory");
    if (!options.passes) {
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    posix_spawnattr_setsigdefault(&attributes, &reset);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    if (posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ) != 0)
        samples_die("%s: cannot be started", argv[0]);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static long microseconds(const struct timeval *time)
{
    return time->tv_sec * 1000000 + time->tv_usec;
}

/* Returns the status of the last that ended. */
static int measure(int which, FILE *out)
{
    struct rusage usage, all = {0};
    int status = 0;
    int64_t begin = samples_now();

    for (long i = 0; i < options.together; i++)
        start(command[which]);
    for (long i = 0; i < options.together; i++) {
        if (wait4(-1, &status, 0, &usage) < 0)
            samples_die("%s: lost", command[which][0]);
        if (status != 0 && !options.passes)
            samples_die("%s: status %d", command[which][0], status);
        timeradd(&all.ru_utime, &usage.ru_utime, &all.ru_utime);
        timeradd(&all.ru_stime, &usage.ru_stime, &all.ru_stime);
        all.ru_maxrss = usage.ru_maxrss > all.ru_maxrss ? usage.ru_maxrss : all.ru_maxrss;
        all.ru_minflt += usage.ru_minflt;
    }
    int64_t wall = samples_now() - begin;
    if (out != NULL && fprintf(out, "%d %lld %ld %ld %ld\n", which, (long long)wall,
                               microseconds(&all.ru_utime) + microseconds(&all.ru_stime),
                               all.ru_maxrss, all.ru_minflt) < 0)
        samples_die("the samples cannot be written");
    return status;
}

static void take_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "+n:w:j:p")) != -1)
        switch (option) {
        case 'n':
            options.rounds = samples_number(optarg, 1, 1000000);
            break;
        case 'w':
            options.warm = samples_number(optarg, 0, 1000000);
            break;
        case 'j':
            options.together = samples_number(optarg, 1, TOGETHER_MAX);
            break;
        case 'p':
            options.passes = true;
            break;
        default:
            samples_die("usage: spawn [-n ROUNDS] [-w WARM] [-j TOGETHER] [-p] FILE COMMAND...");
        }
}

static void take_commands(char **words)
{
    command[commands++] = words;
    for (; *words != NULL; words++)
        if (strcmp(*words, "::") == 0 && commands < COMMANDS_MAX) {
            *words = NULL;
            command[commands++] = words + 1;
        }
    for (int i = 0; i < commands; i++)
        if (command[i][0] == NULL)
            samples_die("a command is missing");
}

int main(int argc, char **argv)
{
    int status = 0;

    take_options(argc, argv);
    if (argc - optind < 2)
        samples_die("no file or no command");
    FILE *out = fopen(argv[optind], "ae");
    if (out == NULL)
        samples_die("%s: cannot be written", argv[optind]);
    take_commands(argv + optind + 1);
    signal(SIGHUP, options.passes ? SIG_IGN : SIG_DFL);
    for (long round = 0; round < options.warm + options.rounds; round++)
        for (int i = 0; i < commands; i++)
            status = measure((int)((i + round) % commands), round < options.warm ? NULL : out);
    if (fclose(out) != 0)
        samples_die("%s: cannot be written", argv[optind]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
