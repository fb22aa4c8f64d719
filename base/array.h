/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_ARRAY_H
#define CLOUD_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Appends an element of `size` bytes to a malloc'ed array of *used elements that has space for
 * *capacity. `array` is the address of the caller's pointer to the array. That pointer is NULL for
 * an empty array, and changes when the array is reallocated. False, with nothing changed, if out of
 * memory.
 */
bool array_add(void *array, size_t *used, size_t *capacity, const void *element, size_t size);

#endif
