/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_ELAPSED_H
#define CLOUD_BASE_ELAPSED_H

#include <stdint.h>

#define ELAPSED_SLACK 2 /* seconds by which a time daemon may step the wall clock */

/*
 * Returns the time between two moments, in milliseconds. boot_ms is the difference of their
 * cloud_clock_ms(), in milliseconds; `wall` is that of their time(2), in seconds. Returns `wall` if
 * it is longer than boot_ms by over ELAPSED_SLACK seconds, because the clock since boot stands
 * still while a virtual machine is paused. Otherwise returns boot_ms, because the wall clock may
 * have been set back.
 */
static inline int64_t elapsed_ms(int64_t boot_ms, int64_t wall)
{
    return (wall - ELAPSED_SLACK) * 1000 > boot_ms ? wall * 1000 : boot_ms;
}

#endif
