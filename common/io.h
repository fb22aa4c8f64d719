/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_IO_H
#define CLOUD_COMMON_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* read(2) and write(2) repeated until all bytes are transferred, also after EINTR. For blocking
 * descriptors. */

/* Reads up to size bytes, or to the end of the file. Returns the number of bytes read, or -1 with
 * errno. */
ssize_t io_read_all(int fd, char *buffer, size_t size);

/* Writes n bytes. False with errno if not all of them can be written. */
bool io_write_all(int fd, const char *bytes, size_t n);

/*
 * Whether a file with the st_uid `seen` belongs to the user `owner` of the host.
 *
 * In a user namespace (user_namespaces(7): bwrap, unshare -U) stat(2) shows the overflow uid for
 * each uid that the namespace does not map, including root's. In such a namespace, and only there,
 * the overflow uid is accepted as the owner. The check protects nothing there: the user that made
 * the namespace can give its processes any file and any NSS module, and the kernel ignores the
 * set-user-ID bit of programs with an unmapped owner. The overflow uid is not accepted in a
 * namespace that maps it, such as that of a container with a whole system, which may have a user
 * with that uid.
 *
 * Reads /proc only if `seen` is the overflow uid and not `owner`. If /proc cannot be read, the
 * overflow uid is not accepted.
 */
bool cloud_owned_by(uid_t seen, uid_t owner);

#endif
