/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_ELAPSED_H
#define CLOUD_BASE_ELAPSED_H

#include <stdint.h>

#define ELAPSED_SLACK 2 /* seconds by which a time daemon may step the wall clock */

/*
 * Returns the time between two moments, in milliseconds. boot_ms is the difference of their
 * cloud_clock_ms(), in milliseconds; `wall` is that of their time(2), in seconds. If the wall clock
 * has advanced by over ELAPSED_SLACK seconds more than the other, its difference is returned,
 * because the clock since boot stands still while a virtual machine is paused. Otherwise boot_ms is
 * returned, because the wall clock may have been set back.
 */
static inline int64_t elapsed_ms(int64_t boot_ms, int64_t wall)
{
    return (wall - ELAPSED_SLACK) * 1000 > boot_ms ? wall * 1000 : boot_ms;
}

#endif
