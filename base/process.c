/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include "base/array.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_MAX      4096
#define NEWEST_BEFORE 256 /* pids visited below the one that was given last, at most */
#define NEWEST_AGAIN  32  /* and in each further round */
#define NEWEST_AFTER  24  /* and above it: pids that are given meanwhile */
#define NEWEST_TIMES  8   /* rounds in each process_visit, at most */
#define NEWEST_UNSEEN 8   /* pids that had been given, while /proc did not show them yet */
#define FIELD_STATE   3   /* of /proc/PID/stat, counted from 1 as proc(5) does */
#define FIELD_PARENT  4
#define FIELD_TTY     7
#define FIELD_THREADS 20
#define FIELD_START   22

/* Reads the start of a file of /proc, up to size - 1 bytes, as a string. One read(2) makes all of
 * it belong to one moment. False if the file cannot be read or is empty. */
static bool read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return false;
    do
        got = read(fd, out, size - 1);
    while (got < 0 && errno == EINTR);
    close(fd);
    if (got <= 0)
        return false;
    out[got] = '\0';
    return true;
}

/* Reads /proc/PID/NAME as read_file does. */
static bool read_of(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    struct cloud_text text;

    if (pid <= 0)
        return false;
    cloud_text_start(&text, path, sizeof path);
    cloud_text_add(&text, "/proc/");
    cloud_text_add_number(&text, (uint64_t)pid);
    cloud_text_add(&text, "/");
    cloud_text_add(&text, name);
    return read_file(path, out, size);
}

/* The start of a field of /proc/PID/stat, by its number in proc(5), from 3 on: the fields after the
 * name of the command, which may contain spaces and brackets. NULL if there is no such field. */
static const char *field_at(const char *stat, unsigned wanted)
{
    const char *at = strrchr(stat, ')');

    if (at == NULL || at[1] != ' ')
        return NULL;
    at += 2;
    for (unsigned number = 3; number < wanted; number++) {
        at = strchr(at, ' ');
        if (at == NULL)
            return NULL;
        at++;
    }
    return at;
}

static bool field(const char *stat, unsigned wanted, uint64_t *out)
{
    const char *at = field_at(stat, wanted);

    return at != NULL && cloud_text_read_number(at, strcspn(at, " \n"), UINT64_MAX, out);
}

/* Whether the process is a zombie. The state is that of its first thread: if that thread has ended
 * and others go on, the state is a zombie's, but the number of threads is more than one. */
static bool is_zombie(const char *stat)
{
    const char *state = field_at(stat, FIELD_STATE);
    uint64_t threads;

    if (state != NULL && *state != 'Z' && *state != 'X')
        return false;
    return !field(stat, FIELD_THREADS, &threads) || threads <= 1;
}

bool process_find(pid_t pid, struct process *out)
{
    char stat[STAT_MAX];
    uint64_t start;

    if (!read_of(pid, "stat", stat, sizeof stat) || !field(stat, FIELD_START, &start))
        return false;
    *out = (struct process){pid, start};
    return true;
}

int64_t process_began(const struct process *process)
{
    uint64_t second = (uint64_t)sysconf(_SC_CLK_TCK);

    return (int64_t)(process->start / second * 1000 + process->start % second * 1000 / second);
}

bool process_find_parent(pid_t child, struct process *out)
{
    char stat[STAT_MAX];
    uint64_t parent;

    return read_of(child, "stat", stat, sizeof stat) && field(stat, FIELD_PARENT, &parent) &&
           parent > 0 && parent <= INT32_MAX && process_find((pid_t)parent, out);
}

bool process_lives(const struct process *process)
{
    char stat[STAT_MAX];
    uint64_t start;

    return read_of(process->pid, "stat", stat, sizeof stat) && field(stat, FIELD_START, &start) &&
           start == process->start && !is_zombie(stat);
}

/* Reads "Uid:\t<real>\t<effective>\t<saved>\t<file system>" of /proc/PID/status. No command's name
 * before that line can imitate it, because its newlines are escaped. */
static bool read_uids(pid_t pid, uint32_t out[4])
{
    static const char mark[] = "\nUid:";
    char status[STAT_MAX];
    const char *at;
    uint64_t uid;

    if (!read_of(pid, "status", status, sizeof status))
        return false;
    at = strstr(status, mark);
    if (at == NULL)
        return false;
    at += strlen(mark);
    for (int i = 0; i < 4; i++) {
        size_t n = *at == '\t' ? strcspn(++at, "\t\n") : 0;
        if (!cloud_text_read_number(at, n, UINT32_MAX, &uid))
            return false;
        out[i] = (uint32_t)uid;
        at += n;
    }
    return true;
}

bool process_real_uid(pid_t pid, uint32_t *out)
{
    uint32_t uid[4];

    if (!read_uids(pid, uid))
        return false;
    *out = uid[0];
    return true;
}

/* A kernel without auditing has no sessionid file. */
static uint32_t audit_session(pid_t pid)
{
    char text[32];
    uint64_t id;

    if (read_of(pid, "sessionid", text, sizeof text) &&
        cloud_text_read_number(text, strcspn(text, "\n"), UINT32_MAX, &id))
        return (uint32_t)id;
    return PROCESS_NO_AUDIT;
}

bool process_look(pid_t pid, struct process_info *out)
{
    struct process_info info = {.process = {.pid = pid}};
    char stat[STAT_MAX];
    uint64_t parent, tty;

    if (!read_of(pid, "stat", stat, sizeof stat) ||
        !field(stat, FIELD_START, &info.process.start) || !field(stat, FIELD_PARENT, &parent) ||
        parent > INT32_MAX || !read_uids(pid, info.ids.uid))
        return false;
    info.parent = (pid_t)parent;
    info.zombie = is_zombie(stat);
    /* proc(5) prints the device number as a signed number, which is 0 without a terminal. */
    if (field(stat, FIELD_TTY, &tty) && tty <= UINT32_MAX)
        info.tty = (uint32_t)tty;
    info.ids.audit = audit_session(pid);
    *out = info;
    return true;
}

/*
 * The pids that /proc shows, n of them, which the caller frees. NULL if it cannot be read or memory
 * is out. All are listed before any process is looked at: /proc shows them in ascending order, and
 * a reader that takes its time with each would never overtake processes that fork all the time.
 */
static pid_t *list_pids(size_t *n)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    pid_t *list = NULL, *grown = NULL;
    size_t size = 0;
    uint64_t pid;

    *n = 0;
    if (dir == NULL)
        return NULL;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    while ((entry = readdir(dir)) != NULL) {
        if (!cloud_text_read_number(entry->d_name, strlen(entry->d_name), INT32_MAX, &pid))
            continue;
        grown = array_grow(list, *n, &size, sizeof *list);
        if (grown == NULL)
            break;
        list = grown;
        list[(*n)++] = (pid_t)pid;
    }
    closedir(dir);
    if (grown != NULL)
        return list;
    free(list);
    return NULL;
}

bool process_each(bool (*each)(void *arg, const struct process_info *), void *arg)
{
    struct process_info info;
    size_t n;
    pid_t *list = list_pids(&n);

    for (size_t i = 0; i < n && list != NULL; i++)
        if (process_look(list[i], &info) && !each(arg, &info))
            break;
    free(list);
    return list != NULL;
}

static void visit_pid(pid_t pid, process_visitor *visit, void *arg)
{
    struct process_met met = {.pid = pid};

    if (pid <= 1 || pid == getpid())
        return;
    met.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (met.pidfd < 0)
        return; /* it has ended, or no descriptor is left */
    if (read_uids(pid, met.ids.uid)) {
        met.ids.audit = audit_session(pid);
        visit(arg, &met);
    }
    close(met.pidfd);
}

/* The pid of the newest process: the last field of /proc/loadavg. 0 if it cannot be read. */
static pid_t newest_pid(void)
{
    char text[128];
    const char *last;
    uint64_t pid;

    if (!read_file("/proc/loadavg", text, sizeof text))
        return 0;
    last = strrchr(text, ' ');
    if (last == NULL ||
        !cloud_text_read_number(last + 1, strcspn(last + 1, "\n"), INT32_MAX / 2, &pid))
        return 0;
    return (pid_t)pid;
}

/*
 * Visits the pids that were given after `last`, then those that were given meanwhile, and so on
 * until none was, or the rounds are used up: no process that lives has been missed then, unless
 * others fork all the time. A process that forks and exits all the time always has one of these
 * pids, and keeps each for longer than a visit takes.
 */
static void visit_newest(pid_t last, process_visitor *visit, void *arg)
{
    pid_t most = NEWEST_BEFORE;

    for (int i = 0; i < NEWEST_TIMES; i++) {
        pid_t newest = newest_pid(), first = last - NEWEST_UNSEEN;
        if (i > 0 && newest == last)
            return;
        if (first > newest || first < newest - most) /* the pids began anew, or too many */
            first = newest - most;
        for (pid_t pid = first; newest > 0 && pid <= newest + NEWEST_AFTER; pid++)
            visit_pid(pid, visit, arg);
        last = newest;
        most = NEWEST_AGAIN;
    }
}

bool process_visit(process_visitor *visit, void *arg)
{
    pid_t last = newest_pid();
    size_t n;
    pid_t *list = list_pids(&n);

    if (list == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        visit_pid(list[i], visit, arg);
    free(list);
    visit_newest(last, visit, arg);
    return true;
}

int process_open(const struct process *process, struct process_ids *ids)
{
    struct process_info now;
    int fd;

    if (process->pid <= 1)
        return -1; /* 0 and below are no single process; pid 1 never belongs to a session */
    fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (fd < 0)
        return -1;
    /* If the start time is still right after the pidfd was opened, no other process has had the pid
     * in between, so the pidfd refers to this process. */
    if (process_look(process->pid, &now) && now.process.start == process->start) {
        *ids = now.ids;
        return fd;
    }
    close(fd);
    return -1;
}

bool process_signal(int pidfd, int signal)
{
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0;
}

bool process_boot(char out[PROCESS_BOOT_SIZE])
{
    if (!read_file("/proc/sys/kernel/random/boot_id", out, PROCESS_BOOT_SIZE))
        return false;
    out[strcspn(out, "\n")] = '\0';
    return true;
}
