/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/limits.h"

#include "base/retry.h"

#define TOKEN        1000
#define HOUR         3600000
#define MINUTE       60000
#define BACK_OFF_MIN 1000
#define BACK_OFF_MAX 15000

bool limits_take_token(struct bucket *bucket, uint32_t rate, uint32_t burst, int64_t now)
{
    uint64_t most = (uint64_t)burst * TOKEN, left = most;

    /* In thousandths of a token, the gain is the elapsed milliseconds times the tokens per
     * second. */
    if (bucket->started && now - bucket->at < HOUR)
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

int64_t limits_back_off(unsigned failures, uint32_t retry_after)
{
    int64_t wait = retry_delay(failures, BACK_OFF_MIN, BACK_OFF_MAX),
            asked = (int64_t)1000 * retry_after;

    return wait < asked ? asked : wait;
}

/* Returns the number of absences that were believed within the last ten minutes. */
static size_t recent_absences(const struct guard *guard, int64_t now)
{
    size_t n = 0;

    for (size_t i = 0; i < GUARD_MINUTES; i++)
        if (now / MINUTE - guard->minute[i] < GUARD_MINUTES)
            n += guard->absent[i];
    return n;
}

bool limits_may_believe(const struct guard *guard, size_t known, int64_t now)
{
    size_t before = recent_absences(guard, now), absent = before + 1;

    /* The environments that turned absent in these ten minutes count as known, too. */
    return absent <= GUARD_COUNT || absent * 100 <= (known + before) * GUARD_PERCENT;
}

void limits_count_absence(struct guard *guard, int64_t now)
{
    int64_t minute = now / MINUTE;
    size_t place = (size_t)(minute % GUARD_MINUTES);

    if (guard->minute[place] != minute) {
        guard->minute[place] = minute;
        guard->absent[place] = 0;
    }
    guard->absent[place]++;
}
