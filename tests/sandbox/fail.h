/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_FAIL_H
#define CLOUD_TESTS_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What tests/sandbox/fail.c and a test share. */
struct fail {
    long at, count; /* the call that is to fail; those that were made */
    long only;      /* 1: allocations count, 2: all other calls; 0: both do */
    long fired;     /* it has failed: that call */
    char name[40];
};

/* Maps $FAIL_FILE; NULL if there is none. By syscall(2), which fails no call of fail.c. */
static inline struct fail *fail_map(void)
{
    const char *path = getenv("FAIL_FILE");
    long fd = path == NULL ? -1 : syscall(SYS_openat, -100, path, 2 /* O_RDWR */, 0), map;

    if (fd < 0)
        return NULL;
    map = syscall(SYS_mmap, NULL, sizeof(struct fail), 3 /* read, write */, 1 /* shared */, fd, 0);
    syscall(SYS_close, fd);
    return map < 0 && map > -4096 ? NULL : (struct fail *)map;
}

#endif
