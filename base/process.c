/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include "base/array.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_MAX 4096

/*
 * visit_newest visits the pids up to the one that was assigned last, in rounds: at most NEWEST_MOST
 * each, of which NEWEST_AFTER may be assigned meanwhile. A pid without a process costs a
 * microsecond. It starts NEWEST_UNSEEN pids before the first pid to visit, because /proc may not
 * have shown those yet. There are at most NEWEST_TIMES rounds.
 */
#define NEWEST_MOST   16384
#define NEWEST_AFTER  24
#define NEWEST_TIMES  8
#define NEWEST_UNSEEN 8

#define FIELD_STATE   3 /* fields of /proc/PID/stat, counted from 1 as in proc(5) */
#define FIELD_PARENT  4
#define FIELD_TTY     7
#define FIELD_THREADS 20
#define FIELD_START   22

/* Reads the start of a file of /proc, up to size - 1 bytes, as a string, with a single read(2), so
 * that all bytes are from the same moment. False with errno if the file cannot be read; an empty
 * one counts as that of a process that has ended. */
static bool read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), failed;
    ssize_t got;

    if (fd < 0)
        return false;
    do
        got = read(fd, out, size - 1);
    while (got < 0 && errno == EINTR);
    failed = got < 0 ? errno : ESRCH;
    close(fd);
    errno = failed;
    if (got <= 0)
        return false;
    out[got] = '\0';
    return true;
}

/* Reads /proc/PID/NAME as read_file does. */
static bool read_of(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    errno = ESRCH;
    return pid > 0 && read_file(path, out, size);
}

/* Finds a field of /proc/PID/stat by its number in proc(5), which must be 3 or more. The search
 * starts after the command's name, field 2, which may contain spaces and parentheses. NULL if there
 * is no such field. */
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

/* Whether the process is a zombie. The state in /proc/PID/stat is that of the first thread. If that
 * thread has ended while others still run, the state is that of a zombie, but the process has more
 * than one thread. */
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

    if (!read_of(process->pid, "stat", stat, sizeof stat))
        return errno != ENOENT && errno != ESRCH;
    return field(stat, FIELD_START, &start) && start == process->start && !is_zombie(stat);
}

/* Parses "Uid:\t<real>\t<effective>\t<saved>\t<file system>" in /proc/PID/status. The command's
 * name, on an earlier line, cannot imitate this line, because /proc escapes newlines in it. */
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

/* Sets *out to the audit session id of a process, or to PROCESS_NO_AUDIT: a kernel without auditing
 * has no /proc/PID/sessionid. False with errno if the file cannot be read now. */
static bool audit_session(pid_t pid, uint32_t *out)
{
    char text[32];
    uint64_t id;

    *out = PROCESS_NO_AUDIT;
    if (!read_of(pid, "sessionid", text, sizeof text))
        return !process_is_unknown(errno);
    if (cloud_text_read_number(text, strcspn(text, "\n"), UINT32_MAX, &id))
        *out = (uint32_t)id;
    return true;
}

bool process_look(pid_t pid, struct process_info *out)
{
    struct process_info info = {.process = {.pid = pid}};
    char stat[STAT_MAX];
    uint64_t parent, tty;

    if (!read_of(pid, "stat", stat, sizeof stat) ||
        !field(stat, FIELD_START, &info.process.start) || !field(stat, FIELD_PARENT, &parent) ||
        parent > INT32_MAX || !read_uids(pid, info.ids.uid) || !audit_session(pid, &info.ids.audit))
        return false;
    info.parent = (pid_t)parent;
    info.zombie = is_zombie(stat);
    /* The device number is 0 without a terminal. /proc prints it as a signed number; a negative one
     * is not parsed, and counts as no terminal. */
    if (field(stat, FIELD_TTY, &tty) && tty <= UINT32_MAX)
        info.tty = (uint32_t)tty;
    *out = info;
    return true;
}

bool process_login_audit(const struct process *process, uint32_t *out)
{
    struct process_info own, above = {.ids.audit = PROCESS_NO_AUDIT};

    if (!process_look(process->pid, &own) || own.process.start != process->start ||
        (own.parent > 0 && !process_look(own.parent, &above)))
        return false;
    *out = own.ids.audit == above.ids.audit ? PROCESS_NO_AUDIT : own.ids.audit;
    return true;
}

/*
 * Returns the *n pids that /proc shows, in an array that the caller frees. NULL if /proc cannot be
 * read, or if out of memory. The list is completed before any process is looked at: /proc shows
 * pids in ascending order, and a reader that looks at each process in between would never catch up
 * with processes that fork all the time.
 */
static pid_t *list_pids(size_t *n)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    pid_t *list = NULL, pid;
    bool ok = true;
    size_t size = 0;
    uint64_t number;

    *n = 0;
    if (dir == NULL)
        return NULL;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    while (ok && (errno = 0, entry = readdir(dir)) != NULL) {
        if (!cloud_text_read_number(entry->d_name, strlen(entry->d_name), INT32_MAX, &number))
            continue;
        pid = (pid_t)number;
        ok = array_add(&list, n, &size, &pid, sizeof pid);
    }
    ok = ok && errno == 0;
    closedir(dir);
    if (ok)
        return list;
    free(list);
    return NULL;
}

bool process_each(bool (*each)(void *arg, const struct process_info *), void *arg)
{
    struct process_info info;
    size_t n;
    pid_t *list = list_pids(&n);
    bool ok = list != NULL;

    for (size_t i = 0; i < n && ok; i++) {
        if (!process_look(list[i], &info))
            ok = !process_is_unknown(errno);
        else if (!each(arg, &info))
            break;
    }
    free(list);
    return ok;
}

/* False if the process may live, but cannot be looked at now. */
static bool visit_pid(pid_t pid, process_visitor *visit, void *arg)
{
    struct process_met met = {.pid = pid};
    bool ok;

    if (pid <= 1 || pid == getpid())
        return true;
    met.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (met.pidfd < 0)
        return !process_is_unknown(errno);
    ok = read_uids(pid, met.ids.uid) && audit_session(pid, &met.ids.audit);
    if (ok)
        visit(arg, &met);
    else
        ok = !process_is_unknown(errno);
    close(met.pidfd);
    return ok;
}

/* Returns the pid that was assigned last in this pid namespace; 0 if it cannot be read. A kernel
 * without ns_last_pid has it in the last field of loadavg, which in a container may be a file of
 * the host (lxcfs). */
static pid_t newest_pid(void)
{
    char text[128];
    const char *last = text;
    uint64_t pid;

    if (!read_file("/proc/sys/kernel/ns_last_pid", text, sizeof text)) {
        if (!read_file("/proc/loadavg", text, sizeof text))
            return 0;
        last = strrchr(text, ' ');
        last += last != NULL;
    }
    if (last == NULL || !cloud_text_read_number(last, strcspn(last, "\n"), INT32_MAX / 2, &pid))
        return 0;
    return (pid_t)pid;
}

/* Returns pid_max of proc(5), which no pid reaches; if it cannot be read, the most that it can be.
 */
static pid_t pid_limit(void)
{
    char text[64];
    uint64_t limit;

    if (!read_file("/proc/sys/kernel/pid_max", text, sizeof text) ||
        !cloud_text_read_number(text, strcspn(text, "\n"), INT32_MAX / 2, &limit) || limit == 0)
        return 1 << 22;
    return (pid_t)limit;
}

/*
 * Visits the pids that were assigned after `last`, and in each further round those that were
 * assigned during the previous round, until at most NEWEST_AFTER are assigned during one. Then
 * processes that fork and exit all the time have been met as well: the lowest pid of such a family
 * only grows, it is still among the pids of that round, and the visits, each at the next pid, have
 * overtaken it. False after NEWEST_TIMES rounds, because processes may fork all the time, and if a
 * process cannot be looked at now or a pid was left out.
 */
static bool visit_newest(pid_t last, process_visitor *visit, void *arg)
{
    const pid_t limit = pid_limit();
    bool ok = true;

    for (int i = 0;; i++) {
        pid_t newest = newest_pid(), assigned = newest - last, first = last - NEWEST_UNSEEN, n;
        if (assigned < 0) /* the kernel began anew with the lowest pids */
            assigned += limit;
        if (newest == 0 || assigned < 0)
            return false;
        if (i > 0 && assigned <= NEWEST_AFTER)
            return ok;
        if (i == NEWEST_TIMES)
            return false;
        n = NEWEST_UNSEEN + assigned + NEWEST_AFTER;
        if (n > NEWEST_MOST) {
            first += n - NEWEST_MOST;
            n = NEWEST_MOST;
            ok = false;
        }
        for (pid_t pid = first; pid <= first + n; pid++)
            ok &= visit_pid((pid + limit) % limit, visit, arg);
        last = newest;
    }
}

bool process_visit(process_visitor *visit, void *arg)
{
    pid_t last = newest_pid();
    size_t n;
    pid_t *list = list_pids(&n);
    bool ok = true;

    if (list == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        ok &= visit_pid(list[i], visit, arg);
    free(list);
    return visit_newest(last, visit, arg) && ok;
}

int process_open(const struct process *process, struct process_ids *ids)
{
    struct process_info now;
    int fd;

    if (process->pid <= 1)
        return -1; /* not a single process, or pid 1, which belongs to no session */
    fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (fd < 0)
        return -1;
    /* The start time is checked after the pidfd was opened: if it matches, the pid has not been
     * reused in between, and the pidfd refers to this process. */
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
