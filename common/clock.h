/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_CLOCK_H
#define CLOUD_COMMON_CLOCK_H

#include <stdint.h>

/* Milliseconds since boot, suspension included (CLOCK_BOOTTIME, clock_gettime(2)). Never goes back;
 * unaffected by changes of the wall clock. */
int64_t cloud_clock_ms(void);

#endif
