/* SPDX-License-Identifier: Apache-2.0 */

/*
 * For LD_PRELOAD: one allocation or system call of a program fails. The program and its test map
 * the file $FAIL_FILE (fail.h). The call that has the number `at` does nothing and fails with
 * ENOMEM if it allocates, else with EIO.
 */
#include "tests/sandbox/fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

struct stat;
struct epoll_event;
struct sockaddr;
struct msghdr;
struct timespec;

/* Of glibc, without a name that this file defines. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static struct fail *shared;
static bool paused; /* no call fails or counts */

__attribute__((constructor)) static void begin(void)
{
    shared = fail_map();
}

static bool fails(const char *name, int error)
{
    if (shared == NULL || paused ||
        (shared->only != 0 && (shared->only == 1) != (error == ENOMEM)) ||
        __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST) != shared->at)
        return false;
    strncpy(shared->name, name, sizeof shared->name - 1);
    shared->fired = 1;
    errno = error;
    return true;
}

/* glibc 2.36 ends the program without memory here (nss_database.c, lines 291 and 402); the daemon
 * calls it once, at its start. */
int __nss_configure_lookup(const char *database, const char *services);
int __nss_configure_lookup(const char *database, const char *services)
{
    int (*real)(const char *, const char *);
    int done;

    *(void **)&real = dlsym(RTLD_NEXT, "__nss_configure_lookup");
    paused = true;
    done = real(database, services);
    paused = false;
    return done;
}

void *malloc(size_t size)
{
    return fails("malloc", ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails("calloc", ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails("realloc", ENOMEM) ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
    size_t all;

    return __builtin_mul_overflow(n, size, &all) || fails("reallocarray", ENOMEM)
               ? NULL
               : __libc_realloc(old, all);
}

/* open(2) and its like have a mode behind their flags, which costs nothing where it is not there.
 */
#define CALL(type, bad, name, parameters, arguments)                                               \
    type name parameters;                                                                          \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        if (real == NULL)                                                                          \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                             \
        return fails(#name, EIO) ? bad : real arguments;                                           \
    }

CALL(int, -1, open, (const char *a, int b, int c), (a, b, c))
CALL(int, -1, open64, (const char *a, int b, int c), (a, b, c))
CALL(int, -1, openat, (int a, const char *b, int c, int d), (a, b, c, d))
CALL(int, -1, openat64, (int a, const char *b, int c, int d), (a, b, c, d))
CALL(FILE *, NULL, fopen, (const char *a, const char *b), (a, b))
CALL(FILE *, NULL, fdopen, (int a, const char *b), (a, b))
CALL(void *, NULL, opendir, (const char *a), (a))
CALL(void *, NULL, fdopendir, (int a), (a))
CALL(void *, NULL, readdir, (void *a), (a))
CALL(int, -1, fstat, (int a, struct stat *b), (a, b))
CALL(int, -1, stat, (const char *a, struct stat *b), (a, b))
CALL(int, -1, lstat, (const char *a, struct stat *b), (a, b))
CALL(int, -1, fstatat, (int a, const char *b, struct stat *c, int d), (a, b, c, d))
CALL(ssize_t, -1, read, (int a, void *b, size_t c), (a, b, c))
CALL(ssize_t, -1, pread, (int a, void *b, size_t c, off_t d), (a, b, c, d))
CALL(ssize_t, -1, pread64, (int a, void *b, size_t c, off_t d), (a, b, c, d))
CALL(ssize_t, -1, write, (int a, const void *b, size_t c), (a, b, c))
CALL(ssize_t, -1, pwrite, (int a, const void *b, size_t c, off_t d), (a, b, c, d))
CALL(ssize_t, -1, readlink, (const char *a, char *b, size_t c), (a, b, c))
CALL(off_t, -1, lseek, (int a, off_t b, int c), (a, b, c))
CALL(int, -1, ftruncate, (int a, off_t b), (a, b))
CALL(int, -1, fallocate, (int a, int b, off_t c, off_t d), (a, b, c, d))
CALL(int, -1, fsync, (int a), (a))
CALL(int, -1, rename, (const char *a, const char *b), (a, b))
CALL(int, -1, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
CALL(int, -1, unlink, (const char *a), (a))
CALL(int, -1, unlinkat, (int a, const char *b, int c), (a, b, c))
CALL(int, -1, mkdir, (const char *a, mode_t b), (a, b))
CALL(int, -1, chmod, (const char *a, mode_t b), (a, b))
CALL(int, -1, fchmod, (int a, mode_t b), (a, b))
CALL(int, -1, futimens, (int a, const struct timespec *b), (a, b))
CALL(void *, (void *)-1, mmap, (void *a, size_t b, int c, int d, int e, off_t f),
     (a, b, c, d, e, f))
CALL(int, -1, socket, (int a, int b, int c), (a, b, c))
CALL(int, -1, bind, (int a, const struct sockaddr *b, unsigned c), (a, b, c))
CALL(int, -1, listen, (int a, int b), (a, b))
CALL(int, -1, accept4, (int a, struct sockaddr *b, unsigned *c, int d), (a, b, c, d))
CALL(int, -1, connect, (int a, const struct sockaddr *b, unsigned c), (a, b, c))
CALL(int, -1, getsockopt, (int a, int b, int c, void *d, unsigned *e), (a, b, c, d, e))
CALL(int, -1, setsockopt, (int a, int b, int c, const void *d, unsigned e), (a, b, c, d, e))
CALL(ssize_t, -1, send, (int a, const void *b, size_t c, int d), (a, b, c, d))
CALL(ssize_t, -1, sendto,
     (int a, const void *b, size_t c, int d, const struct sockaddr *e, unsigned f),
     (a, b, c, d, e, f))
CALL(ssize_t, -1, sendmsg, (int a, const struct msghdr *b, int c), (a, b, c))
CALL(ssize_t, -1, recv, (int a, void *b, size_t c, int d), (a, b, c, d))
CALL(ssize_t, -1, recvmsg, (int a, struct msghdr *b, int c), (a, b, c))
CALL(int, -1, poll, (struct pollfd * a, nfds_t b, int c), (a, b, c))
CALL(int, -1, epoll_create1, (int a), (a))
CALL(int, -1, epoll_ctl, (int a, int b, int c, struct epoll_event *d), (a, b, c, d))
CALL(int, -1, epoll_wait, (int a, struct epoll_event *b, int c, int d), (a, b, c, d))
CALL(int, -1, eventfd, (unsigned a, int b), (a, b))
CALL(int, -1, signalfd, (int a, const void *b, int c), (a, b, c))
CALL(int, -1, inotify_init1, (int a), (a))
CALL(int, -1, inotify_add_watch, (int a, const char *b, uint32_t c), (a, b, c))
CALL(ssize_t, -1, getrandom, (void *a, size_t b, unsigned c), (a, b, c))
CALL(int, EAGAIN, pthread_create, (void *a, const void *b, void *(*c)(void *), void *d),
     (a, b, c, d))
CALL(int, -1, pidfd_open, (pid_t a, unsigned b), (a, b))
/* With _FORTIFY_SOURCE. */
CALL(ssize_t, -1, __read_chk, (int a, void *b, size_t c, size_t d), (a, b, c, d))
CALL(ssize_t, -1, __pread_chk, (int a, void *b, size_t c, off_t d, size_t e), (a, b, c, d, e))
CALL(ssize_t, -1, __recv_chk, (int a, void *b, size_t c, size_t d, int e), (a, b, c, d, e))
CALL(int, -1, __poll_chk, (struct pollfd * a, nfds_t b, int c, size_t d), (a, b, c, d))
