/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_ELAPSED_H
#define CLOUD_BASE_ELAPSED_H

#include <stdint.h>

#define ELAPSED_SLACK 2 /* seconds that a time daemon may step the wall clock */

/*
 * The milliseconds that have passed while cloud_clock_ms() went on by boot_ms, and time(2) by wall
 * seconds. The wall clock counts where it is ahead: the time since boot stands still while a
 * virtual machine is paused. Else the other does: the wall clock can be put back.
 */
static inline int64_t elapsed_ms(int64_t boot_ms, int64_t wall)
{
    return (wall - ELAPSED_SLACK) * 1000 > boot_ms ? wall * 1000 : boot_ms;
}

#endif
