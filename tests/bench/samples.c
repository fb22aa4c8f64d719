/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/samples.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t samples_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

void samples_sort(int64_t *samples, size_t n)
{
    qsort(samples, n, sizeof *samples, compare);
}

int64_t samples_percentile(const int64_t *samples, size_t n, unsigned p)
{
    size_t rank = (n * p + 99) / 100;

    return samples[rank > 0 ? rank - 1 : 0];
}

void samples_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

long samples_number(const char *text, long least, long most)
{
    char *end;

    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < least || number > most)
        samples_die("%s: not a number from %ld to %ld", text, least, most);
    return number;
}
