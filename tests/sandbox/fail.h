/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_FAIL_H
#define CLOUD_TESTS_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAIL_ROWS 128

enum fail_kind { FAIL_BOTH, FAIL_ALLOCATION, FAIL_CALL, FAIL_SHORT };

/* What tests/sandbox/fail.c and a test share. */
struct fail {
    long at, count; /* the call that is to fail; those that were made */
    long only;      /* enum fail_kind: which calls count; FAIL_BOTH: allocations and other calls */
    long fired;     /* it has failed: that call */
    char name[40];
    /* The calls that fail.c can fail, and how often each was made since the file was made. */
    long rows;
    struct {
        char name[24];
        long made;
    } row[FAIL_ROWS];
};

/* Maps $FAIL_FILE; NULL if there is none. By syscall(2), of which the test fails none before. */
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
