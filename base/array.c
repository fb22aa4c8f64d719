/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

#define FIRST 64 /* capacity of a new array, in elements */

bool array_add(void *array, size_t *used, size_t *capacity, const void *element, size_t size)
{
    char *at;

    memcpy(&at, array, sizeof at);
    if (*used == *capacity) {
        size_t more = *capacity == 0 ? FIRST : *capacity * 2;
        char *grown = reallocarray(at, more, size);
        if (grown == NULL)
            return false;
        memcpy(array, &grown, sizeof grown);
        at = grown;
        *capacity = more;
    }
    memcpy(at + (*used)++ * size, element, size);
    return true;
}
