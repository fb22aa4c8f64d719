/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_RETRY_H
#define CLOUD_BASE_RETRY_H

#include <stdint.h>

/* The time to wait after a failure, in milliseconds, by exponential back-off: `first` after the
 * first failure, twice as long after each further failure in a row, at most `most`. failures is how
 * many came before this one. */
int64_t retry_delay(unsigned failures, int64_t first, int64_t most);

#endif
