/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <stdlib.h>

#define FIRST 64 /* elements */

void *array_grow(void *array, size_t used, size_t *capacity, size_t size)
{
    size_t more = *capacity == 0 ? FIRST : *capacity * 2;
    void *grown;

    if (used < *capacity)
        return array;
    grown = reallocarray(array, more, size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}
