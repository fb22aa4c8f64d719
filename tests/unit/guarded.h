/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_GUARDED_H
#define CLOUD_TESTS_GUARDED_H

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bytes whose end lies against a page that cannot be read: one byte too far is a crash. */
struct guarded {
    char *at;
    void *map;
    size_t map_size;
};

static inline struct guarded guarded_copy(const void *bytes, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (n + page - 1) / page * page;
    struct guarded guarded = {NULL, NULL, room + page};

    guarded.map =
        mmap(NULL, guarded.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded.map == MAP_FAILED)
        return guarded;
    if (mprotect((char *)guarded.map + room, page, PROT_NONE) != 0) {
        (void)munmap(guarded.map, guarded.map_size);
        guarded.map = MAP_FAILED;
        return guarded;
    }
    guarded.at = (char *)guarded.map + room - n;
    if (n > 0)
        memcpy(guarded.at, bytes, n);
    return guarded;
}

static inline void guarded_free(struct guarded *guarded)
{
    (void)munmap(guarded->map, guarded->map_size);
    guarded->at = NULL;
}

#endif
