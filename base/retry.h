/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_RETRY_H
#define CLOUD_BASE_RETRY_H

#include <stdint.h>

/* Exponential back-off: `first` milliseconds after the first failure, twice as long after each
 * further one in a row, `most` at the most. failures: how many came before this one. */
int64_t retry_delay(unsigned failures, int64_t first, int64_t most);

#endif
