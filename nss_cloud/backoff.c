/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/backoff.h"

#include "common/clock.h"

#include <stdatomic.h>

#define COUNT_MAX 16 /* halvings: from 20 minutes down to BACKOFF_MIN_MS */

static atomic_uint unanswered; /* calls in a row without an answer; each halves the next timeout */
static _Atomic int64_t last;   /* cloud_clock_ms() at the end of the last call without an answer */

int backoff_timeout(int full_ms)
{
    unsigned count = atomic_load_explicit(&unanswered, memory_order_relaxed);

    if (count == 0 ||
        cloud_clock_ms() - atomic_load_explicit(&last, memory_order_relaxed) >= BACKOFF_RESET_MS)
        return full_ms;
    if (full_ms >> count > BACKOFF_MIN_MS)
        return full_ms >> count;
    return full_ms < BACKOFF_MIN_MS ? full_ms : BACKOFF_MIN_MS;
}

void backoff_answered(void)
{
    if (atomic_load_explicit(&unanswered, memory_order_relaxed) != 0)
        atomic_store_explicit(&unanswered, 0, memory_order_relaxed);
}

void backoff_unanswered(int64_t since, int timeout_ms)
{
    unsigned count = atomic_load_explicit(&unanswered, memory_order_relaxed);
    int64_t now = cloud_clock_ms();

    if (now - since < timeout_ms)
        return;
    if (now - atomic_load_explicit(&last, memory_order_relaxed) >= BACKOFF_RESET_MS)
        count = 0;
    atomic_store_explicit(&last, now, memory_order_relaxed);
    if (count < COUNT_MAX)
        atomic_store_explicit(&unanswered, count + 1, memory_order_relaxed);
}
