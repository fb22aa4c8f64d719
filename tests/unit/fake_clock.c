/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_clock.h"

#include "common/clock.h"

_Atomic int64_t fake_ms = 1000;
_Atomic time_t fake_time = 1800000000;

int64_t cloud_clock_ms(void)
{
    return fake_ms;
}

time_t time(time_t *out)
{
    time_t now = fake_time;

    if (out != NULL)
        *out = now;
    return now;
}
