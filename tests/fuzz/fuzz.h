/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_FUZZ_H
#define CLOUD_TESTS_FUZZ_H

/*
 * What the fuzz targets share. A target is LLVMFuzzerTestOneInput; libFuzzer calls it, or replay.c
 * with the inputs of corpus/. The working directory is the target's own, and the reader's files are
 * in it (tests/unit/here.h).
 */

#include "base/log.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool condition)
{
    if (!condition)
        abort();
}

/*
 * The n-th allocation from here on fails, and no other (memory.c); fuzz_failed() says whether there
 * was such a one, and from there on none fails. A target tries 1, 2 and so on until there is none.
 */
void fuzz_fail(unsigned n);
bool fuzz_failed(void);

/* A copy with a NUL behind it, in memory that ends there. */
static inline char *fuzz_text(const void *data, size_t size)
{
    char *text = malloc(size + 1);

    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Replaces a file. */
static inline void fuzz_file(const char *name, const void *bytes, size_t n)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    require(fd >= 0 && write(fd, bytes, n) == (ssize_t)n && close(fd) == 0);
}

static inline bool fuzz_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

#endif
