/* SPDX-License-Identifier: Apache-2.0 */
#include "common/clock.h"

#include <time.h>

/* In a file of its own, so that a test can link its own clock instead. */
int64_t cloud_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
