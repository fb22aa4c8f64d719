/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/limits.h"

#include <string.h>

#define TOKEN  1000
#define MINUTE 60000

bool bucket_take(struct bucket *bucket, uint32_t rate, uint32_t burst, int64_t now)
{
    uint64_t most = (uint64_t)burst * TOKEN, left = most;

    /* Milliseconds times tokens a second are thousandths of tokens. */
    if (bucket->started && now - bucket->at < (int64_t)3600 * 1000)
        left = bucket->thousandths + (uint64_t)(now - bucket->at) * rate;
    bucket->started = true;
    bucket->at = now;
    if (left > most)
        left = most;
    bucket->thousandths = (uint32_t)left;
    if (left < TOKEN)
        return false;
    bucket->thousandths -= TOKEN;
    return true;
}

bool guard_believes(struct guard *guard, size_t known, int64_t now)
{
    int64_t minute = now / MINUTE;
    size_t place = (size_t)(minute % GUARD_MINUTES), before = 0;

    if (guard->tripped)
        return false;
    if (guard->minute[place] != minute) {
        guard->minute[place] = minute;
        guard->absent[place] = 0;
    }
    for (size_t i = 0; i < GUARD_MINUTES; i++)
        if (minute - guard->minute[i] < GUARD_MINUTES)
            before += guard->absent[i];
    /* Those that went before in this time were known, too. */
    guard->tripped =
        before + 1 > GUARD_COUNT && (before + 1) * 100 > (known + before) * GUARD_PERCENT;
    if (!guard->tripped)
        guard->absent[place]++;
    return !guard->tripped;
}

void guard_confirm(struct guard *guard)
{
    memset(guard, 0, sizeof *guard);
}
