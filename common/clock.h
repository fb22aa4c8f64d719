/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_CLOCK_H
#define CLOUD_COMMON_CLOCK_H

#include <stdint.h>

/* Milliseconds since boot, including time spent suspended (CLOCK_BOOTTIME, clock_gettime(2)). Never
 * goes backwards; setting the wall clock does not affect it. */
int64_t cloud_clock_ms(void);

#endif
