/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_ARRAY_H
#define CLOUD_BASE_ARRAY_H

#include <stddef.h>

/*
 * Makes space for one more element of a malloc'ed array (NULL: none yet) that has `used` elements
 * of `size` bytes and space for *capacity. Returns the array, which may have moved, or NULL if
 * out of memory: then the old one is still valid.
 */
void *array_grow(void *array, size_t used, size_t *capacity, size_t size);

#endif
