/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BENCH_SAMPLES_H
#define CLOUD_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds on the monotonic clock. */
int64_t samples_now(void);

/* Sorts samples in place. */
void samples_sort(int64_t *samples, size_t n);

/* The percentile p (0 to 100) of n > 0 sorted samples, by the nearest rank: one that was measured.
 */
int64_t samples_percentile(const int64_t *samples, size_t n, unsigned p);

/* Ends the program with status 1 and a line on stderr: a benchmark of what failed means nothing. */
_Noreturn void samples_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A number of the command line from least to most, or the end of the program. */
long samples_number(const char *text, long least, long most);

#endif
