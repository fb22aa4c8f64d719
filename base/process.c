/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_MAX      4096
#define NEWEST_BEFORE 8  /* pids that were given before the last one are looked at */
#define NEWEST_AFTER  24 /* and so many that are given meanwhile */
#define NEWEST_TIMES  64 /* in each walk */
#define FIELD_STATE   3  /* of /proc/PID/stat, counted from 1 as proc(5) does */
#define FIELD_PARENT  4
#define FIELD_TTY     7
#define FIELD_THREADS 20
#define FIELD_START   22

/* Reads /proc/PID/NAME, or what fits; false if there is no such process. */
static bool read_of(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    struct cloud_text text;
    ssize_t got = -1;
    int fd;

    if (pid <= 0)
        return false;
    cloud_text_start(&text, path, sizeof path);
    cloud_text_add(&text, "/proc/");
    cloud_text_add_number(&text, (uint64_t)pid);
    cloud_text_add(&text, "/");
    cloud_text_add(&text, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
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

/* A field after the command's name, which may itself hold spaces and brackets; NULL: none. */
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

    return at != NULL && cloud_number(at, strcspn(at, " \n"), UINT64_MAX, out);
}

/* The state is that of the first thread alone: a process whose first thread has ended, and others
 * have not, looks like a zombie and is at work. */
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

/* "Uid:\t<real>\t..." of /proc/PID/status; a newline in the name before it is escaped there. */
static bool real_uid(pid_t pid, uint32_t *out)
{
    static const char mark[] = "\nUid:\t";
    char status[STAT_MAX];
    const char *at;
    uint64_t uid;

    if (!read_of(pid, "status", status, sizeof status))
        return false;
    at = strstr(status, mark);
    if (at == NULL)
        return false;
    at += strlen(mark);
    if (!cloud_number(at, strcspn(at, "\t\n"), UINT32_MAX, &uid))
        return false;
    *out = (uint32_t)uid;
    return true;
}

/* A kernel without auditing has no such file. */
static uint32_t audit_session(pid_t pid)
{
    char text[32];
    uint64_t id;

    if (read_of(pid, "sessionid", text, sizeof text) &&
        cloud_number(text, strcspn(text, "\n"), UINT32_MAX, &id))
        return (uint32_t)id;
    return PROCESS_NO_AUDIT;
}

bool process_look(pid_t pid, struct process_info *out)
{
    struct process_info info = {.process = {.pid = pid}, .audit = PROCESS_NO_AUDIT};
    char stat[STAT_MAX];
    uint64_t parent, tty;

    if (!read_of(pid, "stat", stat, sizeof stat) ||
        !field(stat, FIELD_START, &info.process.start) || !field(stat, FIELD_PARENT, &parent) ||
        parent > INT32_MAX || !real_uid(pid, &info.uid))
        return false;
    info.parent = (pid_t)parent;
    info.zombie = is_zombie(stat);
    /* The device number is signed there, and 0 where there is none. */
    if (field(stat, FIELD_TTY, &tty) && tty <= UINT32_MAX)
        info.tty = (uint32_t)tty;
    info.audit = audit_session(pid);
    *out = info;
    return true;
}

bool process_each(bool (*each)(void *arg, const struct process_info *), void *arg)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;

    if (dir == NULL)
        return false;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    while ((entry = readdir(dir)) != NULL) {
        struct process_info info;
        uint64_t pid;
        if (cloud_number(entry->d_name, strlen(entry->d_name), INT32_MAX, &pid) && pid > 0 &&
            process_look((pid_t)pid, &info) && !each(arg, &info))
            break;
    }
    closedir(dir);
    return true;
}

/* The descriptor is opened first: what is read of the pid afterwards is of who is behind it, or
 * he has gone, and then the signal reaches nobody. */
static void signal_wanted(pid_t pid, process_wanted *wanted, void *arg, int signal)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    uint32_t uid;

    if (fd < 0)
        return; /* it has gone, or descriptors are out */
    if (real_uid(pid, &uid) && wanted(arg, pid, audit_session(pid), uid))
        process_signal(fd, signal);
    close(fd);
}

/* The pid that was given last, as /proc/loadavg has it; 0: nobody knows. */
static pid_t newest_pid(void)
{
    char text[128];
    ssize_t got = -1;
    uint64_t pid;
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        got = read(fd, text, sizeof text - 1);
        close(fd);
    }
    if (got <= 0)
        return 0;
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    const char *last = strrchr(text, ' ');
    if (last == NULL || !cloud_number(last + 1, strlen(last + 1), INT32_MAX, &pid))
        return 0;
    return (pid_t)pid;
}

/* Those that came last, and those that come meanwhile: who forks and ends all the time is one of
 * them, and it takes him longer to do so than to look at the next pid. */
static void chase_newest(process_wanted *wanted, void *arg, int signal)
{
    for (int i = 0; i < NEWEST_TIMES; i++) {
        pid_t newest = newest_pid();
        pid_t pid = newest <= NEWEST_BEFORE ? 2 : newest - NEWEST_BEFORE;
        for (; newest > 0 && pid - newest <= NEWEST_AFTER; pid++)
            if (pid != getpid())
                signal_wanted(pid, wanted, arg, signal);
    }
}

bool process_chase(process_wanted *wanted, void *arg, int signal)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    uint64_t pid;

    if (dir == NULL)
        return false;
    chase_newest(wanted, arg, signal);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    while ((entry = readdir(dir)) != NULL)
        if (cloud_number(entry->d_name, strlen(entry->d_name), INT32_MAX, &pid) && pid > 1 &&
            (pid_t)pid != getpid())
            signal_wanted((pid_t)pid, wanted, arg, signal);
    closedir(dir);
    return true;
}

int process_open(const struct process *process, uint32_t uid)
{
    struct process_info now;
    int fd;

    if (process->pid <= 1)
        return -1; /* 0 and below would be no single process; pid 1 is never a session's */
    fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (fd < 0)
        return -1;
    /* The start time is read after the opening: if it is still his, then he had the pid all the
     * time, and nobody else can be behind the descriptor. */
    if (process_look(process->pid, &now) && now.process.start == process->start &&
        (uid == PROCESS_ANY_UID || now.uid == uid))
        return fd;
    close(fd);
    return -1;
}

bool process_signal(int pidfd, int signal)
{
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0;
}

bool process_boot(char out[PROCESS_BOOT_SIZE])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, out, PROCESS_BOOT_SIZE - 1);

    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return false;
    out[got] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return true;
}
