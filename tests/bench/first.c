/* SPDX-License-Identifier: Apache-2.0 */

/*
 * first SOURCE NAME: the first lookup of this process, through glibc, by the line SOURCE of
 * nsswitch.conf ("files cloud"). SOURCE - looks nothing up: what is there without.
 *
 * Prints: NANOSECONDS LIBRARIES MAPPINGS FAULTS, the latter three what the lookup added: shared
 * objects, lines of /proc/self/maps, minor page faults.
 */
#include "tests/bench/samples.h"

#include <link.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct state {
    long libraries, mappings, faults;
};

static int count_library(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    ++*(long *)arg;
    return 0;
}

static long count_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    long lines = 0;
    int c;

    if (file == NULL)
        samples_die("no /proc/self/maps");
    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    if (fclose(file) != 0)
        samples_die("/proc/self/maps cannot be read");
    return lines;
}

static long count_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

static struct state look(void)
{
    struct state state = {.libraries = 0, .mappings = count_mappings()};

    dl_iterate_phdr(count_library, &state.libraries);
    return state;
}

int main(int argc, char **argv)
{
    static char buffer[4096];
    struct passwd result, *found = NULL;
    struct state before, after;
    int error = 0;

    if (argc != 3)
        samples_die("usage: first SOURCE NAME");
    if (strcmp(argv[1], "-") != 0 && __nss_configure_lookup("passwd", argv[1]) != 0)
        samples_die("%s: no line of nsswitch.conf", argv[1]);
    memset(buffer, 1, sizeof buffer); /* a page fault of ours is none of theirs */
    (void)look();                     /* nor is the buffer of the first fopen */
    before = look();
    before.faults = count_faults();
    syscall(SYS_getppid); /* a mark for strace(1) */
    int64_t begin = samples_now();
    if (strcmp(argv[1], "-") != 0)
        error = getpwnam_r(argv[2], &result, buffer, sizeof buffer, &found);
    int64_t nanoseconds = samples_now() - begin;
    syscall(SYS_getppid);
    after.faults = count_faults();
    if (strcmp(argv[1], "-") != 0 && found == NULL)
        samples_die("%s by %s: not found, error %d", argv[2], argv[1], error);
    long faults = after.faults - before.faults;
    after = look();
    printf("%lld %ld %ld %ld\n", (long long)nanoseconds, after.libraries - before.libraries,
           after.mappings - before.mappings, faults);
    return 0;
}
