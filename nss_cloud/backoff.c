/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/backoff.h"

#include <stdatomic.h>
#include <time.h>

#define VAIN_MOST 16 /* what is counted: no wait of CLOUD_CALL_NSS_MS is halved as often */

static atomic_uint vain; /* waits in a row, each of which halves the next */
static _Atomic int64_t last;

int64_t backoff_now(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int backoff_ms(int all)
{
    unsigned halved = atomic_load_explicit(&vain, memory_order_relaxed);

    if (halved == 0 ||
        backoff_now() - atomic_load_explicit(&last, memory_order_relaxed) >= BACKOFF_BACK_MS)
        return all;
    if (all >> halved > BACKOFF_LEAST_MS)
        return all >> halved;
    return all < BACKOFF_LEAST_MS ? all : BACKOFF_LEAST_MS;
}

void backoff_answered(void)
{
    if (atomic_load_explicit(&vain, memory_order_relaxed) != 0)
        atomic_store_explicit(&vain, 0, memory_order_relaxed);
}

void backoff_silence(int64_t since, int ms)
{
    unsigned halved = atomic_load_explicit(&vain, memory_order_relaxed);
    int64_t now = backoff_now();

    if (now - since < ms)
        return;
    if (now - atomic_load_explicit(&last, memory_order_relaxed) >= BACKOFF_BACK_MS)
        halved = 0;
    atomic_store_explicit(&last, now, memory_order_relaxed);
    if (halved < VAIN_MOST)
        atomic_store_explicit(&vain, halved + 1, memory_order_relaxed);
}
