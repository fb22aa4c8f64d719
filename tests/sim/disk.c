/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The disk: a directory in memory, of which writes fail, and of which a power failure takes what no
 * fsync(2) has asked for: the last changes of directories, from a random one on, and the ends of
 * files. The times of directories are those of the world's clock. The directory "run" is a tmpfs,
 * which is full or fails by itself, and which a start of the host empties.
 */
#include "tests/sim/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from, const char *name, int to, const char *other);
int __wrap_renameat(int from, const char *name, int to, const char *other);
int __real_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags);

static const char *const parts[] = {"state", "state/documents"};

/* ---- What fails ---- */

static const char *path_of(int fd, char out[PATH_MAX])
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, out, PATH_MAX - 1);
    out[n < 0 ? 0 : n] = '\0';
    return out;
}

/* Whether the file or directory is below "run". */
static bool in_tmpfs(int fd)
{
    char path[PATH_MAX];

    return strstr(path_of(fd, path), "/run/sessions") != NULL;
}

/* Whether a call about a file or directory fails now, with errno. creates: it needs space. */
static bool fails(int fd, bool creates)
{
    bool in_run = world->run != world->disk && in_tmpfs(fd);
    enum disk disk = in_run ? world->run : world->disk;

    host_event();
    if (disk == DISK_WELL || (disk == DISK_FULL && !creates) || (disk == DISK_BROKEN && !one_in(3)))
        return false;
    errno = disk == DISK_FULL ? ENOSPC : EIO;
    if (in_run || in_tmpfs(fd))
        world->run_failures++;
    else
        world->disk_failed = ++world->disk_failures > 0;
    say("    %s fails", in_run ? "/run" : "the disk");
    return true;
}

/* ---- What is not on the disk yet ---- */

/* What the disk has of the environment's document is as the last change has it, or not. */
static void stick(const char *name, bool stuck)
{
    char own[128];

    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        snprintf(own, sizeof own, "%s.%s", e->project, e->name);
        if (strcmp(name, own) == 0)
            e->stuck = stuck;
    }
}

/* The changes of the directory of documents that are not synced. */
static void stick_undos(const char *path, bool stuck)
{
    for (int i = 0; i < world->undos; i++) {
        const struct undo *undo = &world->undo[i];
        const char *part = parts[undo->part];
        if (strcmp(path + strlen(path) - strlen(part), part) == 0)
            stick(undo->name, stuck || undo->stays);
    }
}

/* The file cannot be removed: to sync what made it changes nothing about that. */
static void stick_file(const char *name)
{
    stick(name, true);
    for (int i = 0; i < world->undos; i++)
        if (strcmp(world->undo[i].name, name) == 0)
            world->undo[i].stays = true;
}

/* Keeps the file that a change of the directory takes away, as lost/<number>. */
static void keep(int directory, const char *name)
{
    struct undo *undo = &world->undo[world->undos];
    char path[PATH_MAX], lost[32];

    if (in_tmpfs(directory))
        return;
    if (world->undos == UNDOS) { /* what is older is on the disk by now */
        memmove(world->undo, world->undo + 1, (UNDOS - 1) * sizeof *undo);
        undo = &world->undo[--world->undos];
    }
    path_of(directory, path);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(path) >= strlen(parts[i]) &&
            strcmp(path + strlen(path) - strlen(parts[i]), parts[i]) == 0)
            undo->part = (int)i;
    snprintf(undo->name, sizeof undo->name, "%s", name);
    undo->stays = false;
    undo->number = ++world->lost;
    snprintf(lost, sizeof lost, "lost/%d", undo->number);
    undo->was = linkat(directory, name, AT_FDCWD, lost, 0) == 0;
    world->undos++;
}

static void set_time(int directory)
{
    struct timespec now[2] = {{world->wall / 1000, 0}, {world->wall / 1000, 0}};

    futimens(directory, now);
}

/* All of the file, or the directory, is on the disk. */
static void synced(int fd)
{
    char path[PATH_MAX];
    struct stat st;
    int left = 0;

    if (fstat(fd, &st) != 0)
        return;
    if (!S_ISDIR(st.st_mode)) {
        for (int i = 0; i < UNDOS; i++)
            if (world->dirty[i].inode == st.st_ino)
                world->dirty[i].inode = 0;
        return;
    }
    path_of(fd, path);
    stick_undos(path, false);
    for (int i = 0; i < world->undos; i++) {
        const char *part = parts[world->undo[i].part];
        if (strcmp(path + strlen(path) - strlen(part), part) != 0)
            world->undo[left++] = world->undo[i];
    }
    world->undos = left;
}

static void written(int fd)
{
    struct stat st;
    int place = 0;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || in_tmpfs(fd))
        return;
    for (int i = 0; i < UNDOS; i++) {
        if (world->dirty[i].inode == st.st_ino)
            return;
        if (world->dirty[i].inode == 0)
            place = i;
    }
    world->dirty[place].inode = st.st_ino;
    world->dirty[place].size = st.st_size;
}

/* The file loses a part of what was not synced. */
static void tear(int directory, const char *name)
{
    struct stat st;
    int fd;

    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    for (int i = 0; i < UNDOS; i++)
        if (world->dirty[i].inode == st.st_ino && st.st_size > world->dirty[i].size) {
            off_t size = world->dirty[i].size +
                         (off_t)below((uint32_t)(st.st_size - world->dirty[i].size + 1));
            fd = __real_openat(directory, name, O_WRONLY);
            if (fd < 0 || ftruncate(fd, size) != 0)
                wrong("a file cannot be torn");
            close(fd);
            say("%s has %lld of %lld bytes", name, (long long)size, (long long)st.st_size);
        }
}

static void each_file(void (*each)(int directory, const char *name))
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        DIR *directory = opendir(parts[i]);
        const struct dirent *entry;
        while (directory != NULL && (entry = readdir(directory)) != NULL)
            if (entry->d_type == DT_REG)
                each(dirfd(directory), entry->d_name);
        if (directory != NULL)
            closedir(directory);
    }
}

void disk_lose_power(void)
{
    int left = (int)below((uint32_t)world->undos + 1);

    each_file(tear);
    while (world->undos > left) {
        const struct undo *undo = &world->undo[--world->undos];
        char path[PATH_MAX], lost[32];
        snprintf(path, sizeof path, "%s/%s", parts[undo->part], undo->name);
        snprintf(lost, sizeof lost, "lost/%d", undo->number);
        say("the change of %s is lost", path);
        if (undo->was ? rename(lost, path) != 0 : unlink(path) != 0 && errno != ENOENT)
            say("%s: %s", path, strerror(errno));
    }
    disk_begin();
}

bool disk_has_session(int pid)
{
    char file[8192], line[32];
    const struct dirent *entry;
    DIR *directory = opendir("run/sessions");
    bool found = false;

    snprintf(line, sizeof line, "\npid %d\n", pid);
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        int fd = __real_openat(dirfd(directory), entry->d_name, O_RDONLY);
        ssize_t n = entry->d_name[0] == '.' ? 0 : read(fd, file, sizeof file - 1);
        file[n < 0 ? 0 : n] = '\0';
        found = strstr(file, line) != NULL && strlen(entry->d_name) == 16;
        close(fd);
    }
    if (directory != NULL)
        closedir(directory);
    return found;
}

void disk_begin(void)
{
    world->undos = 0;
    memset(world->dirty, 0, sizeof world->dirty);
}

bool disk_owes(void)
{
    for (int i = 0; i < world->undos; i++)
        if (world->undo[i].part == 1)
            return true;
    return false;
}

static int damage_in;

static void damage(int directory, const char *name)
{
    struct stat st;
    unsigned char byte;
    int fd;

    if (damage_in-- != 0)
        return;
    fd = __real_openat(directory, name, O_RDWR);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
        return;
    say("%s is damaged", name);
    model_damaged(name);
    if (one_in(2)) {
        (void)!ftruncate(fd, (off_t)below((uint32_t)st.st_size));
    } else {
        off_t at = (off_t)below((uint32_t)st.st_size);
        if (pread(fd, &byte, 1, at) == 1) {
            byte ^= (unsigned char)(1 << below(8));
            (void)!pwrite(fd, &byte, 1, at);
        }
    }
    close(fd);
}

void disk_damage(void)
{
    int directory = world->moves_ids && one_in(2) ? __real_open(parts[0], O_RDONLY) : -1;

    damage_in = directory < 0 ? (int)below(8) : 0;
    if (directory < 0) {
        each_file(damage);
    } else {
        damage(directory, "owners");
        close(directory);
    }
}

/* ---- Calls ---- */

static const char *in_state(const char *path)
{
    static const char whole[] = "/var/lib/cloudauth", run[] = "/run/cloudauth";
    static char out[256];

    if (strncmp(path, whole, sizeof whole - 1) == 0)
        snprintf(out, sizeof out, "state%s", path + sizeof whole - 1);
    else if (strncmp(path, run, sizeof run - 1) == 0)
        snprintf(out, sizeof out, "run%s", path + sizeof run - 1);
    else
        return path;
    return out;
}

int __wrap_open(const char *path, int flags, ...)
{
    return __real_open(in_state(path), flags); /* none of them creates a file */
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return __real_mkdir(in_state(path), mode);
}

int __wrap_openat(int directory, const char *path, int flags, ...)
{
    va_list list;
    mode_t mode;
    int fd;

    va_start(list, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    if ((flags & O_CREAT) != 0 && fails(directory, true))
        return -1;
    fd = __real_openat(directory, path, flags, mode);
    if ((flags & O_CREAT) != 0)
        set_time(directory);
    return fd;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    ssize_t done;

    written(fd);
    if (fails(fd, true)) {
        if (n > 1)
            (void)!__real_write(fd, bytes, below((uint32_t)n));
        return -1;
    }
    done = __real_write(fd, bytes, n);
    if ((fcntl(fd, F_GETFL) & O_DSYNC) != 0)
        synced(fd);
    return done;
}

int __wrap_fsync(int fd)
{
    char path[PATH_MAX];

    if (fails(fd, false)) {
        stick_undos(path_of(fd, path), true);
        return -1;
    }
    synced(fd);
    host_event();
    return 0;
}

int __wrap_renameat(int from, const char *name, int to, const char *other)
{
    if (fails(to, false))
        return -1;
    if (faccessat(from, name, F_OK, 0) != 0)
        return -1;
    keep(to, other);
    __real_renameat(from, name, to, other);
    set_time(to);
    host_event();
    return 0;
}

int __wrap_unlinkat(int directory, const char *name, int flags)
{
    struct stat st;

    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    if (fails(directory, false)) {
        stick_file(name);
        return -1;
    }
    keep(directory, name);
    __real_unlinkat(directory, name, flags);
    set_time(directory);
    host_event();
    return 0;
}
