/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_RETRY_H
#define CLOUD_BASE_RETRY_H

#include <stdint.h>

/* Returns the time to wait after a failure, by exponential back-off: `first` after the first
 * failure, and twice as long after each further failure in a row, but at most `most`. All times
 * have the same unit. `failures` is the number of failures in a row before this one. */
int64_t retry_delay(unsigned failures, int64_t first, int64_t most);

#endif
