/* SPDX-License-Identifier: Apache-2.0 */

/*
 * For LD_PRELOAD: one allocation or system call of a program fails. The program and its test map
 * the file $FAIL_FILE (fail.h). The call that has the number `at` does nothing and fails with an
 * error that it can have; with FAIL_SHORT, the write of that number writes half.
 */
#include "tests/sandbox/fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/types.h>

#define SHORTENED 64 /* a write of more bytes can be short: no file or socket splits fewer */

struct stat;
struct epoll_event;
struct sockaddr;
struct mount_attr;

/* Of glibc, without a name that this file defines. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static struct fail *shared;
static bool paused;       /* no call fails or counts */
static const char *named; /* $FAIL_NAMED: no other call does */

/* The names of all calls are in one section: the place of a name is its row in the shared file. */
#define ROW(call) static const char *const row_##call __attribute__((section("rows"), used)) = #call

extern const char *const __start_rows[], *const __stop_rows[];

__attribute__((constructor)) static void begin(void)
{
    struct fail *map = fail_map();

    named = getenv("FAIL_NAMED");
    for (long i = 0; map != NULL && i < __stop_rows - __start_rows && i < FAIL_ROWS; i++) {
        strncpy(map->row[i].name, __start_rows[i], sizeof map->row[i].name - 1);
        map->rows = i + 1;
    }
    shared = map;
}

/* Whether this call is the one that fails. */
static bool is_due(const char *const *row, enum fail_kind kind)
{
    bool counts = shared != NULL && !paused && (named == NULL || strcmp(named, *row) == 0) &&
                  (shared->only == FAIL_BOTH ? kind != FAIL_SHORT : shared->only == (long)kind);

    if (shared != NULL && kind != FAIL_SHORT)
        __atomic_add_fetch(&shared->row[row - __start_rows].made, 1, __ATOMIC_RELAXED);
    if (!counts || __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST) != shared->at)
        return false;
    strncpy(shared->name, *row, sizeof shared->name - 1);
    shared->fired = 1;
    return true;
}

static bool fails(const char *const *row, int error)
{
    if (!is_due(row, FAIL_CALL))
        return false;
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

/* ---- Memory ---- */

#define ALLOCATION(name, parameters, arguments)                                                    \
    ROW(name);                                                                                     \
    void *name parameters                                                                          \
    {                                                                                              \
        if (!is_due(&row_##name, FAIL_ALLOCATION))                                                 \
            return __libc_##name arguments;                                                        \
        errno = ENOMEM;                                                                            \
        return NULL;                                                                               \
    }

ALLOCATION(malloc, (size_t size), (size))
ALLOCATION(calloc, (size_t n, size_t size), (n, size))
ALLOCATION(realloc, (void *old, size_t size), (old, size))

ROW(reallocarray);
void *reallocarray(void *old, size_t n, size_t size)
{
    size_t all;

    if (!__builtin_mul_overflow(n, size, &all) && !is_due(&row_reallocarray, FAIL_ALLOCATION))
        return __libc_realloc(old, all);
    errno = ENOMEM;
    return NULL;
}

/* ---- Calls that fail and do nothing ---- */

#define REAL(type, name, parameters)                                                               \
    static type(*real) parameters;                                                                 \
    if (real == NULL)                                                                              \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

/* open(2) and its like have a mode behind their flags, which costs nothing where it is not there.
 */
#define CALL(type, bad, error, name, parameters, arguments)                                        \
    ROW(name);                                                                                     \
    type name parameters;                                                                          \
    type name parameters                                                                           \
    {                                                                                              \
        REAL(type, name, parameters);                                                              \
        return fails(&row_##name, error) ? bad : real arguments;                                   \
    }

CALL(int, -1, EMFILE, open, (const char *a, int b, int c), (a, b, c))
CALL(int, -1, EMFILE, openat, (int a, const char *b, int c, int d), (a, b, c, d))
CALL(FILE *, NULL, EMFILE, fopen, (const char *a, const char *b), (a, b))
CALL(FILE *, NULL, ENOMEM, fdopen, (int a, const char *b), (a, b))
CALL(FILE *, NULL, ENOMEM, open_memstream, (char **a, size_t *b), (a, b))
CALL(int, -1, ENOSPC, fseeko, (FILE * a, off_t b, int c), (a, b, c))
CALL(void *, NULL, EMFILE, opendir, (const char *a), (a))
CALL(void *, NULL, ENOMEM, fdopendir, (int a), (a))
CALL(void *, NULL, EIO, readdir, (void *a), (a))
CALL(int, -1, ENOMEM, scandirat,
     (int a, const char *b, void *c, int (*d)(const void *), int (*e)(const void *, const void *)),
     (a, b, c, d, e))
CALL(int, -1, EIO, fstat, (int a, struct stat *b), (a, b))
CALL(int, -1, EIO, stat, (const char *a, struct stat *b), (a, b))
CALL(int, -1, EIO, lstat, (const char *a, struct stat *b), (a, b))
CALL(int, -1, EIO, faccessat, (int a, const char *b, int c, int d), (a, b, c, d))
CALL(ssize_t, -1, EIO, read, (int a, void *b, size_t c), (a, b, c))
CALL(ssize_t, -1, EIO, pread, (int a, void *b, size_t c, off_t d), (a, b, c, d))
CALL(off_t, -1, EIO, lseek, (int a, off_t b, int c), (a, b, c))
CALL(int, -1, EMFILE, fcntl, (int a, int b, long c), (a, b, c))
CALL(int, -1, ENOLCK, flock, (int a, int b), (a, b))
CALL(int, -1, EIO, fsync, (int a), (a))
CALL(int, -1, ENOSPC, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
CALL(int, -1, ENOSPC, renameat2, (int a, const char *b, int c, const char *d, unsigned e),
     (a, b, c, d, e))
CALL(int, -1, EIO, unlinkat, (int a, const char *b, int c), (a, b, c))
CALL(int, -1, ENOSPC, mkdir, (const char *a, mode_t b), (a, b))
CALL(int, -1, ENOSPC, mkdirat, (int a, const char *b, mode_t c), (a, b, c))
CALL(int, -1, EROFS, chmod, (const char *a, mode_t b), (a, b))
CALL(int, -1, EROFS, fchmodat, (int a, const char *b, mode_t c, int d), (a, b, c, d))
CALL(int, -1, EROFS, chown, (const char *a, uid_t b, gid_t c), (a, b, c))
CALL(void *, (void *)-1, ENOMEM, mmap, (void *a, size_t b, int c, int d, int e, off_t f),
     (a, b, c, d, e, f))

CALL(int, -1, EMFILE, socket, (int a, int b, int c), (a, b, c))
CALL(int, -1, EADDRINUSE, bind, (int a, const struct sockaddr *b, unsigned c), (a, b, c))
CALL(int, -1, EADDRINUSE, listen, (int a, int b), (a, b))
CALL(int, -1, EMFILE, accept4, (int a, struct sockaddr *b, unsigned *c, int d), (a, b, c, d))
CALL(int, -1, ECONNREFUSED, connect, (int a, const struct sockaddr *b, unsigned c), (a, b, c))
CALL(int, -1, ENOPROTOOPT, getsockopt, (int a, int b, int c, void *d, unsigned *e), (a, b, c, d, e))
CALL(int, -1, ENOPROTOOPT, setsockopt, (int a, int b, int c, const void *d, unsigned e),
     (a, b, c, d, e))
CALL(ssize_t, -1, ENOBUFS, send, (int a, const void *b, size_t c, int d), (a, b, c, d))
CALL(ssize_t, -1, ENOBUFS, sendto,
     (int a, const void *b, size_t c, int d, const struct sockaddr *e, unsigned f),
     (a, b, c, d, e, f))
CALL(ssize_t, -1, ECONNRESET, recv, (int a, void *b, size_t c, int d), (a, b, c, d))
CALL(int, -1, ENOTCONN, shutdown, (int a, int b), (a, b))
CALL(int, -1, ENOMEM, poll, (struct pollfd * a, nfds_t b, int c), (a, b, c))
CALL(int, -1, EMFILE, epoll_create1, (int a), (a))
CALL(int, -1, ENOMEM, epoll_ctl, (int a, int b, int c, struct epoll_event *d), (a, b, c, d))
CALL(int, -1, EINTR, epoll_wait, (int a, struct epoll_event *b, int c, int d), (a, b, c, d))
CALL(int, -1, EMFILE, eventfd, (unsigned a, int b), (a, b))
CALL(int, -1, EMFILE, signalfd, (int a, const void *b, int c), (a, b, c))
CALL(int, -1, EMFILE, inotify_init1, (int a), (a))
CALL(int, -1, ENOSPC, inotify_add_watch, (int a, const char *b, uint32_t c), (a, b, c))
CALL(ssize_t, -1, ENOSYS, getrandom, (void *a, size_t b, unsigned c), (a, b, c))

CALL(int, EAGAIN, EAGAIN, pthread_create, (void *a, const void *b, void *(*c)(void *), void *d),
     (a, b, c, d))
CALL(int, -1, EINVAL, prctl, (int a, long b, long c, long d, long e), (a, b, c, d, e))
CALL(int, -1, EPERM, setrlimit, (int a, const void *b), (a, b))
CALL(int, -1, EPERM, setgroups, (size_t a, const gid_t *b), (a, b))
CALL(int, -1, EAGAIN, setresuid, (uid_t a, uid_t b, uid_t c), (a, b, c))
CALL(int, -1, EAGAIN, setresgid, (gid_t a, gid_t b, gid_t c), (a, b, c))
CALL(struct passwd *, NULL, EMFILE, getpwnam, (const char *a), (a))
CALL(int, EMFILE, EMFILE, getpwnam_r,
     (const char *a, struct passwd *b, char *c, size_t d, struct passwd **e), (a, b, c, d, e))
CALL(struct group *, NULL, EMFILE, getgrnam, (const char *a), (a))

/* Of the sFTP directories. setfsuid(2) has no error: it returns the former id, root's. */
CALL(int, 0, EPERM, setfsuid, (uid_t a), (a))
CALL(int, 0, EPERM, setfsgid, (gid_t a), (a))
CALL(int, -1, ENOMEM, unshare, (int a), (a))
CALL(int, -1, ENOMEM, mount,
     (const char *a, const char *b, const char *c, unsigned long d, const void *e), (a, b, c, d, e))
CALL(int, -1, EMFILE, open_tree, (int a, const char *b, unsigned c), (a, b, c))
CALL(int, -1, ENOMEM, move_mount, (int a, const char *b, int c, const char *d, unsigned e),
     (a, b, c, d, e))
CALL(int, -1, EPERM, mount_setattr,
     (int a, const char *b, unsigned c, struct mount_attr *d, size_t e), (a, b, c, d, e))

/* ---- Calls that fail in a way of their own ---- */

/* Writes nothing, or, with FAIL_SHORT, half. That of an eventfd, of eight bytes, cannot fail. */
#define WRITE(name, parameters, arguments)                                                         \
    ROW(name);                                                                                     \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        REAL(ssize_t, name, parameters);                                                           \
        if (n != 8 && fails(&row_##name, ENOSPC))                                                  \
            return -1;                                                                             \
        if (n > SHORTENED && is_due(&row_##name, FAIL_SHORT))                                      \
            n /= 2;                                                                                \
        return real arguments;                                                                     \
    }

WRITE(write, (int fd, const void *bytes, size_t n), (fd, bytes, n))
WRITE(pwrite, (int fd, const void *bytes, size_t n, off_t at), (fd, bytes, n, at))

/* <unistd.h> declares it with fewer parameters; arguments that are not there cost nothing. */
ROW(syscall);
long by_number(long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");
long by_number(long number, long a, long b, long c, long d, long e, long f)
{
    REAL(long, syscall, (long, long, long, long, long, long, long));
    bool opens = number == SYS_pidfd_open || number == SYS_openat2;

    return fails(&row_syscall, opens ? EMFILE : EPERM) ? -1 : real(number, a, b, c, d, e, f);
}

ROW(close);
int close(int fd)
{
    REAL(int, close, (int));
    int done = real(fd);

    return fails(&row_close, EIO) ? -1 : done;
}

/* What is in the buffer is lost. */
ROW(fclose);
int fclose(FILE *file)
{
    REAL(int, fclose, (FILE *));
    bool failed = fails(&row_fclose, ENOSPC);
    int done;

    if (failed && __fwriting(file))
        __fpurge(file);
    done = real(file);
    if (failed)
        errno = ENOSPC;
    return failed ? EOF : done;
}

static bool stream_fails(const char *const *row, FILE *file, int error)
{
    if (!fails(row, error))
        return false;
    file->_flags |= 0x20; /* ferror(3): _IO_ERR_SEEN */
    return true;
}

ROW(fwrite);
size_t fwrite(const void *bytes, size_t size, size_t n, FILE *file)
{
    REAL(size_t, fwrite, (const void *, size_t, size_t, FILE *));
    return stream_fails(&row_fwrite, file, ENOSPC) ? 0 : real(bytes, size, n, file);
}

ROW(fgets);
char *fgets(char *line, int size, FILE *file)
{
    REAL(char *, fgets, (char *, int, FILE *));
    return stream_fails(&row_fgets, file, EIO) ? NULL : real(line, size, file);
}

ROW(__getdelim);
ssize_t __getdelim(char **line, size_t *size, int end, FILE *file)
{
    REAL(ssize_t, __getdelim, (char **, size_t *, int, FILE *));
    return stream_fails(&row___getdelim, file, EIO) ? -1 : real(line, size, end, file);
}
