/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The daemon's memory, which is taken from it at once when it is killed, and again before the next
 * one starts: its heap, its static variables, its mappings and descriptors. A process for each
 * would do the same in ten times the time.
 */
#include "tests/sim/host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAP_SIZE (256u << 20)
#define CLASSES   28
#define LARGE     (1u << 18) /* from here on blocks are mappings of their own */
#define MAPS_MAX  64

/* Before each block: which power of two it has as size. */
union head {
    size_t power;
    union head *next;
    max_align_t align;
};

static struct {
    char *start, *at;
    union head *free[CLASSES];
    struct map {
        void *at;
        size_t size;
    } map[MAPS_MAX];
    bool used; /* the daemon runs */
} heap;

static char *statics; /* a copy of all static variables, as they were at first */
static int first_fd;
static sigset_t mask;

extern char __data_start[], _end[];

void *__real_malloc(size_t size);
void __real_free(void *block);
void *__real_realloc(void *block, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
void *__wrap_malloc(size_t size);
void __wrap_free(void *block);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t n, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *got = __real_mmap(at, size, protection, flags, fd, offset);

    for (size_t i = 0; heap.used && got != MAP_FAILED && i < MAPS_MAX; i++)
        if (heap.map[i].at == NULL) {
            heap.map[i] = (struct map){got, size};
            return got;
        }
    if (heap.used && got != MAP_FAILED)
        abort();
    return got;
}

int __wrap_munmap(void *at, size_t size)
{
    for (size_t i = 0; i < MAPS_MAX; i++)
        if (heap.map[i].at == at)
            heap.map[i].at = NULL;
    return __real_munmap(at, size);
}

static unsigned power_of(size_t size)
{
    unsigned power = 6;

    while (((size_t)1 << power) < size + sizeof(union head))
        power++;
    return power;
}

static bool is_ours(const void *block)
{
    return (const char *)block >= heap.start && (const char *)block < heap.start + HEAP_SIZE;
}

void *__wrap_malloc(size_t size)
{
    unsigned power = power_of(size);
    union head *head;

    if (!heap.used)
        return __real_malloc(size);
    if (heap.free[power] != NULL) {
        head = heap.free[power];
        heap.free[power] = head->next;
    } else {
        head = (union head *)(void *)heap.at;
        heap.at += (size_t)1 << power;
        if (heap.at > heap.start + HEAP_SIZE)
            abort();
    }
    head->power = power;
    return head + 1;
}

void __wrap_free(void *block)
{
    union head *head = (union head *)block - 1;
    size_t power;

    if (!is_ours(block)) {
        if (block != NULL && heap.used)
            for (size_t i = 0; i < MAPS_MAX; i++)
                if (heap.map[i].at == block) {
                    __wrap_munmap(block, heap.map[i].size);
                    return;
                }
        __real_free(block);
        return;
    }
    power = head->power;
    head->next = heap.free[power];
    heap.free[power] = head;
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *block;

    /* Most of such a block is never touched. */
    if (heap.used && n * size >= LARGE) {
        block =
            __wrap_mmap(NULL, n * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return block == MAP_FAILED ? NULL : block;
    }
    block = __wrap_malloc(n * size);
    if (block != NULL)
        memset(block, 0, n * size);
    return block;
}

void *__wrap_realloc(void *block, size_t size)
{
    const union head *head = (const union head *)block - 1;
    size_t had;
    void *other;

    if (block == NULL)
        return __wrap_malloc(size);
    if (!is_ours(block))
        return __real_realloc(block, size);
    had = ((size_t)1 << head->power) - sizeof *head;
    if (size <= had)
        return block;
    other = __wrap_malloc(size);
    memcpy(other, block, had);
    __wrap_free(block);
    return other;
}

void *__wrap_reallocarray(void *block, size_t n, size_t size)
{
    return __wrap_realloc(block, n * size);
}

char *__wrap_strdup(const char *text)
{
    size_t n = strlen(text) + 1;

    return memcpy(__wrap_malloc(n), text, n);
}

void memory_prepare(void)
{
    size_t size = (size_t)(_end - __data_start);

    heap.start = __real_mmap(NULL, HEAP_SIZE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    heap.at = heap.start;
    statics = malloc(size);
    first_fd = dup(0);
    if (heap.start == MAP_FAILED || statics == NULL || first_fd < 0)
        abort();
    sigprocmask(SIG_BLOCK, NULL, &mask);
    memcpy(statics, __data_start, size);
}

void memory_begin(void)
{
    heap.used = true;
}

void memory_end(void)
{
    for (size_t i = 0; i < MAPS_MAX; i++)
        if (heap.map[i].at != NULL)
            __real_munmap(heap.map[i].at, heap.map[i].size);
    close_range((unsigned)first_fd + 1, ~0u, 0);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    memcpy(__data_start, statics, (size_t)(_end - __data_start));
}
