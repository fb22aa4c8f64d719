/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_OWNER_H
#define CLOUD_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether a file with the st_uid `seen` belongs to the user `owner` of the host.
 *
 * In a user namespace (user_namespaces(7): bwrap, unshare -U, rootless containers) stat(2) shows
 * the overflow uid for each uid that the namespace does not map, root's included. In such a
 * namespace, and only there, the overflow uid is accepted as the owner. The check protects nothing
 * there: the user that made the namespace can give its processes any file and any NSS module, and
 * the kernel ignores the set-user-ID bit of programs with an unmapped owner.
 *
 * Reads /proc only if `seen` is the overflow uid and not `owner`. Without /proc the process counts
 * as one outside of any such namespace.
 */
bool cloud_owned_by(uid_t seen, uid_t owner);

#endif
