/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Preloaded to every program of a sandbox by SLOW (tests/e2e/harness.sh): a program stops for up to
 * MOST milliseconds, by chance, where another one may pass it: before it runs another program,
 * after fork(2), before it ends, before it removes, renames, connects, sends or signals, and
 * between bind(2) and listen(2). So does a loaded machine, but seldom. PER_MILLE is the chance at
 * each of these calls.
 *
 * Without EVERY, what has deadlines of its own is not slow: the product, sshd, and the servers of
 * the tests. Nor is what is traced: a test counts its system calls.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PER_MILLE
#define PER_MILLE 100
#define MOST      2000
#endif
#ifndef EVERY
#define EVERY 0
#endif

extern char *program_invocation_short_name;

static bool is_traced(void)
{
    static char status[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, status, sizeof status - 1);

    if (fd >= 0)
        close(fd);
    status[n > 0 ? n : 0] = '\0';
    return strstr(status, "\nTracerPid:\t") != NULL && strstr(status, "\nTracerPid:\t0\n") == NULL;
}

static bool has_deadlines(const char *program)
{
    static const char *const them[] = {"cloudauthd",   "cloud-authkeys", "sshd",
                                       "sshd-session", "sshd-auth",      "nginx",
                                       "redis-server", "python3",        "perl"};

    for (size_t i = 0; i < sizeof them / sizeof them[0]; i++) {
        if (strcmp(program, them[i]) == 0)
            return true;
    }
    return false;
}

static void stop_here(void)
{
    static int slow = -1;
    uint32_t chance[3];
    struct timespec left;
    int saved = errno;

    if (slow < 0)
        slow = (EVERY || !has_deadlines(program_invocation_short_name)) && !is_traced();
    if (slow != 0 && getrandom(chance, sizeof chance, GRND_NONBLOCK) == (ssize_t)sizeof chance &&
        chance[0] % 1000 < PER_MILLE) {
        /* Mostly short, so that a test still ends. */
        uint32_t milliseconds = chance[1] % MOST / (chance[2] % 4 == 0 ? 1 : 8);

        left = (struct timespec){.tv_sec = milliseconds / 1000,
                                 .tv_nsec = milliseconds % 1000 * 1000000L};
        while (nanosleep(&left, &left) < 0 && errno == EINTR) {
        }
    }
    errno = saved;
}

__attribute__((constructor)) static void begin(void)
{
    stop_here();
}
__attribute__((destructor)) static void end(void)
{
    stop_here();
}

#define NEXT(function) ((__typeof__(&(function)))dlsym(RTLD_NEXT, #function))

int execve(const char *path, char *const argv[], char *const environment[])
{
    stop_here();
    return (int)syscall(SYS_execve, path, argv, environment);
}

int execvp(const char *file, char *const argv[])
{
    stop_here();
    return NEXT(execvp)(file, argv);
}

pid_t fork(void)
{
    pid_t pid = NEXT(fork)();

    stop_here();
    return pid;
}

int unlink(const char *path)
{
    stop_here();
    return NEXT(unlink)(path);
}

int rename(const char *from, const char *to)
{
    int result;

    stop_here();
    result = NEXT(rename)(from, to);
    stop_here();
    return result;
}

int unlinkat(int directory, const char *path, int flags)
{
    stop_here();
    return NEXT(unlinkat)(directory, path, flags);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    int result;

    stop_here();
    result = NEXT(renameat)(from_directory, from, to_directory, to);
    stop_here();
    return result;
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to,
              unsigned flags)
{
    int result;

    stop_here();
    result = NEXT(renameat2)(from_directory, from, to_directory, to, flags);
    stop_here();
    return result;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    stop_here();
    return NEXT(connect)(fd, address, length);
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int result;

    stop_here();
    result = NEXT(bind)(fd, address, length);
    stop_here();
    return result;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    stop_here();
    return NEXT(sendmsg)(fd, message, flags);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *address,
               socklen_t length)
{
    stop_here();
    return NEXT(sendto)(fd, data, size, flags, address, length);
}

int kill(pid_t pid, int signal)
{
    stop_here();
    return NEXT(kill)(pid, signal);
}
