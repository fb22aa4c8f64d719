/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_IO_H
#define CLOUD_COMMON_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* read(2) and write(2) to the end, continued after signals. For blocking descriptors. */

/* Reads up to the end of the file or size bytes. Returns how many were read, or -1 with errno. */
ssize_t io_read_all(int fd, char *buffer, size_t size);

/* Writes n bytes. False with errno if it cannot write all of them. */
bool io_write_all(int fd, const char *bytes, size_t n);

#endif
