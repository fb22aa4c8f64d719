/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/backoff.h"

#include "common/clock.h"

#include <stdatomic.h>

#define VAIN_MOST 16 /* what is counted: no wait of CLOUD_CALL_NSS_MS is halved as often */

static atomic_uint vain; /* waits in a row, each of which halves the next */
static _Atomic int64_t last;

int backoff_ms(int all)
{
    unsigned halved = atomic_load_explicit(&vain, memory_order_relaxed);

    if (halved == 0 ||
        cloud_clock_ms() - atomic_load_explicit(&last, memory_order_relaxed) >= BACKOFF_BACK_MS)
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
    int64_t now = cloud_clock_ms();

    if (now - since < ms)
        return;
    if (now - atomic_load_explicit(&last, memory_order_relaxed) >= BACKOFF_BACK_MS)
        halved = 0;
    atomic_store_explicit(&last, now, memory_order_relaxed);
    if (halved < VAIN_MOST)
        atomic_store_explicit(&vain, halved + 1, memory_order_relaxed);
}
