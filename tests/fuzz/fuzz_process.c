/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files of /proc, by which the daemon decides whom it signals. The name of a process is whatever
 * its owner likes. The first byte says which files are missing, or that all are as the kernel
 * writes them, with the rest of the input as the name: what is read is then what the kernel says,
 * whatever that name. Otherwise the files are the rest, with a NUL between them.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Only this file knows how they are read; it opens those of the input. */
static int open_file(const char *path, int flags);
#define open open_file
#include "base/process.c" /* NOLINT(bugprone-suspicious-include) */
#undef open

enum {
    STAT,
    STATUS,
    SESSIONID,
    LOADAVG,
    BOOT_ID,
    FILES,
    NAMED = 32,
    THREADS = 64,
    UNREADABLE = 128
};

static const char *const paths[FILES] = {"/proc/42/stat", "/proc/42/status", "/proc/42/sessionid",
                                         "/proc/loadavg", "/proc/sys/kernel/random/boot_id"};

#define NAME_OF_KERNEL_MAX 63 /* of a worker of the kernel; of a process 15 */

static struct {
    char file[FILES][8192];
    size_t size[FILES];
    unsigned missing; /* a bit for each; with UNREADABLE they cannot be read now */
} proc;

static int open_file(const char *path, int flags)
{
    unsigned i = 0;
    int fd;

    require(flags == (O_RDONLY | O_CLOEXEC));
    while (i < FILES && strcmp(path, paths[i]) != 0)
        i++;
    if (i == FILES || (proc.missing >> i & 1) != 0) {
        errno = (proc.missing & UNREADABLE) != 0 ? EMFILE : ENOENT;
        return -1;
    }
    fd = open("file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, proc.file[i], proc.size[i]) == (ssize_t)proc.size[i] &&
            lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* ---- As the kernel writes them ---- */

/* A name as seq_escape_str() writes it in /proc/PID/status. */
static void escape(const char *name, char *out)
{
    for (; *name != '\0'; name++)
        if (*name == '\n')
            out = stpcpy(out, "\\n");
        else if (*name == '\\')
            out = stpcpy(out, "\\\\");
        else
            *out++ = *name;
    *out = '\0';
}

__attribute__((format(printf, 2, 3))) static void print(unsigned i, const char *format, ...)
{
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(proc.file[i], sizeof proc.file[i], format, arguments);
    va_end(arguments);
    require(n > 0 && (size_t)n < sizeof proc.file[i]);
    proc.size[i] = (size_t)n;
}

static void print_named(const char *name, bool threads)
{
    char escaped[2 * NAME_OF_KERNEL_MAX + 1];

    escape(name, escaped);
    print(STAT,
          "42 (%s) Z 41 42 42 1025 42 4194304 0 0 0 0 0 0 0 0 20 0 %d 0 4711 0 0 "
          "18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 9\n",
          name, threads ? 2 : 1);
    print(STATUS,
          "Name:\t%s\nUmask:\t0022\nState:\tZ (zombie)\nTgid:\t42\nNgid:\t0\nPid:\t42\n"
          "PPid:\t41\nTracerPid:\t0\nUid:\t200001\t200002\t200003\t200004\nGid:\t1\t1\t1\t1\n",
          escaped);
    print(SESSIONID, "4294967294");
    print(LOADAVG, "0.00 0.00 0.00 1/100 4242\n");
    print(BOOT_ID, "d4b8a0a0-0000-4000-8000-000000000000\n");
}

static void check_named(const char *name, bool threads)
{
    struct process process = {42, 4711}, found, other = {42, 4712};
    struct process_info info;
    char boot[PROCESS_BOOT_SIZE];
    uint32_t uid, audit;

    print_named(name, threads);
    require(process_find(42, &found) && found.pid == 42 && found.start == 4711);
    require(process_look(42, &info) && info.process.start == 4711 && info.parent == 41 &&
            info.tty == 1025 && info.zombie == !threads);
    for (uint32_t i = 0; i < 4; i++)
        require(info.ids.uid[i] == 200001 + i);
    require(info.ids.audit == 4294967294 && process_real_uid(42, &uid) && uid == 200001);
    require(process_lives(&process) == threads && !process_lives(&other));
    require(!process_find_parent(42, &found)); /* it has ended */
    require(!process_login_audit(&process, &audit) && !process_login_audit(&other, &audit));
    require(newest_pid() == 4242 && process_boot(boot) && strlen(boot) == 36);
}

/* ---- Of any bytes ---- */

static void check_any(void)
{
    struct process process = {42, 4711}, found;
    struct process_info info, again;
    char boot[PROCESS_BOOT_SIZE];
    uint32_t uid, audit;
    bool is_found = process_find(42, &found);

    require(!is_found || process_began(&found) >= 0 || found.start > INT64_MAX / 1000);
    require(!process_find_parent(42, &process) || process.pid > 0);
    process = (struct process){42, is_found ? found.start : 4711};
    if (process_look(42, &info)) {
        require(is_found && info.parent >= 0 && process_real_uid(42, &uid) &&
                uid == info.ids.uid[0]);
        require(process_lives(&process) != info.zombie);
        require(process_look(42, &again) && memcmp(&again.ids, &info.ids, sizeof info.ids) == 0);
    }
    (void)process_lives(&process);
    (void)process_real_uid(42, &uid);
    if (process_login_audit(&process, &audit))
        require(audit == PROCESS_NO_AUDIT || audit == info.ids.audit);
    require(newest_pid() >= 0 && newest_pid() <= INT32_MAX / 2);
    require(!process_boot(boot) || strlen(boot) < sizeof boot);
    require(!process_find(0, &found) && !process_find(43, &found));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size < 1 || size > sizeof proc.file[0])
        return 0;
    text = fuzz_text(data + 1, size - 1);
    proc.missing = 0;
    if ((data[0] & NAMED) != 0) {
        text[strnlen(text, NAME_OF_KERNEL_MAX)] = '\0';
        check_named(text, (data[0] & THREADS) != 0);
    } else {
        size_t used = 0;
        proc.missing = data[0];
        for (unsigned i = 0; i < FILES; i++) {
            size_t n = used < size ? strlen(text + used) : 0;
            memcpy(proc.file[i], text + (n > 0 ? used : 0), n);
            proc.size[i] = n;
            used += n + 1;
        }
        check_any();
    }
    free(text);
    return 0;
}
