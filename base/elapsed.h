/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_ELAPSED_H
#define CLOUD_BASE_ELAPSED_H

#include <stdint.h>

#define ELAPSED_SLACK 2 /* seconds by which a time daemon may step the wall clock */

/*
 * The time between two moments, in milliseconds. boot_ms is what cloud_clock_ms() has advanced by
 * in between, wall what time(2) has, in seconds. The wall clock counts if it has advanced by over
 * ELAPSED_SLACK more, because the time since boot stands still while a virtual machine is paused.
 * Otherwise boot_ms counts, because the wall clock can be put back.
 */
static inline int64_t elapsed_ms(int64_t boot_ms, int64_t wall)
{
    return (wall - ELAPSED_SLACK) * 1000 > boot_ms ? wall * 1000 : boot_ms;
}

#endif
