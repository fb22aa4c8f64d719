/* SPDX-License-Identifier: Apache-2.0 */
#include "base/retry.h"

int64_t retry_delay(unsigned failures, int64_t first, int64_t most)
{
    int64_t delay = first;

    while (failures-- > 0 && delay < most)
        delay *= 2;
    return delay < most ? delay : most;
}
