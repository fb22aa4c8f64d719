/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_ARRAY_H
#define CLOUD_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Appends the element, of `size` bytes, to a malloc'ed array of *used elements with space for
 * *capacity. `array` is the address of the caller's pointer to the array; that pointer is NULL
 * before the first element, and changes when the array is moved. False if out of memory; then
 * nothing has changed.
 */
bool array_add(void *array, size_t *used, size_t *capacity, const void *element, size_t size);

#endif
