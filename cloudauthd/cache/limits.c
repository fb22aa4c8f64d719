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

/* Returns the minute since boot, counted from GUARD_MINUTES, so that 0 is always out of the
 * window. */
static int64_t minute_of(int64_t now)
{
    return now / MINUTE + GUARD_MINUTES;
}

bool limits_believe_absence(struct guard *guard, size_t known, int64_t *counted, int64_t now)
{
    int64_t minute = minute_of(now);
    size_t place = (size_t)(minute % GUARD_MINUTES), others = 0, absent;
    bool again = minute - *counted < GUARD_MINUTES;

    for (size_t i = 0; i < GUARD_MINUTES; i++)
        if (minute - guard->minute[i] < GUARD_MINUTES)
            others += guard->absent[i];
    others -= again;
    absent = others + 1;
    /* The environments that turned absent in these ten minutes count as known, too. */
    if (absent > GUARD_COUNT && absent * 100 > (known + others) * GUARD_PERCENT)
        return false;
    if (again)
        guard->absent[*counted % GUARD_MINUTES]--;
    if (guard->minute[place] != minute) {
        guard->minute[place] = minute;
        guard->absent[place] = 0;
    }
    guard->absent[place]++;
    *counted = minute;
    return true;
}
