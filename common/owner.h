/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_OWNER_H
#define CLOUD_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether a file whose st_uid is `seen` belongs to `owner`, a user of the host.
 *
 * In a user namespace (user_namespaces(7): bwrap, unshare -U, rootless containers) a uid that the
 * namespace does not map is seen as the overflow uid, root's too. There, and there alone, the
 * overflow uid passes as the owner. The check protects nothing there: the user that made the
 * namespace can give its processes any file and any NSS module, and the kernel ignores the
 * set-user-ID bit of programs whose owner is not mapped.
 *
 * /proc is read if the owner is another one, so not on a lookup that hits. Without /proc, the
 * process counts as one of the host's own namespace.
 */
bool cloud_owned_by(uid_t seen, uid_t owner);

#endif
