/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BENCH_ACCOUNTS_H
#define CLOUD_BENCH_ACCOUNTS_H

#include <stdint.h>
#include <stdio.h>

/*
 * The accounts of a benchmark: number i, from 0, is BENCH_NAME of i with uid and gid BENCH_UID + i,
 * home /app/<name>, shell /bin/bash, gecos "bench". Each generator of accounts (accounts.pl, and
 * the snapshot's generator) keeps to this, and none of them has the name BENCH_ABSENT.
 */
#define BENCH_NAME      "bench%07u"
#define BENCH_NAME_SIZE 24
#define BENCH_UID       200000u
#define BENCH_ABSENT    "benchabsent"

static inline void bench_name(char out[BENCH_NAME_SIZE], uint32_t i)
{
    snprintf(out, BENCH_NAME_SIZE, BENCH_NAME, i);
}

/* A pseudo-random sequence that is the same in every run. */
static inline uint32_t bench_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

#endif
