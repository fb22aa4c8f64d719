/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_IO_H
#define CLOUD_COMMON_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* read(2) and write(2) to the end, whatever signal comes between. For regular files. */

/* Reads until the end or until size bytes are there; how many there are, or -1 with errno. */
ssize_t io_read_all(int fd, char *buffer, size_t size);

/* False with errno if not all could be written. */
bool io_write_all(int fd, const char *bytes, size_t n);

#endif
