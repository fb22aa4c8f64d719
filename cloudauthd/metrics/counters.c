/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/counters.h"

struct counters counters;

const uint32_t count_bounds[COUNT_BUCKETS - 1] = {5,   10,   25,   50,   100,  250,
                                                  500, 1000, 2500, 5000, 10000};

void count_decision(enum count_stage stage, enum cloud_kind kind, enum policy_reason reason)
{
    if (stage < COUNT_STAGES && reason < POLICY_REASONS)
        counters.decisions[stage][kind == CLOUD_SFTP][reason]++;
}

void count_request(enum count_outcome outcome, bool sent, int64_t milliseconds)
{
    unsigned bucket = 0;

    if (outcome < COUNT_OUTCOMES)
        counters.requests[outcome]++;
    if (!sent)
        return;
    if (milliseconds < 0)
        milliseconds = 0;
    while (bucket < COUNT_BUCKETS - 1 && milliseconds > (int64_t)count_bounds[bucket])
        bucket++;
    counters.request_times.bucket[bucket]++;
    counters.request_times.milliseconds += (uint64_t)milliseconds;
}
