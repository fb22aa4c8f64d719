/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_PRIVILEGES_H
#define CLOUD_BASE_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>

/* The privileges of the running daemon: user and group cloudauth and, if it ends sessions, the
 * group tty, to write to their terminals, and the capability CAP_KILL (capabilities(7)). */

/* Changes from root to uid and gid irreversibly. `tty` is the gid of the only supplementary group,
 * or 0 for none; keep_kill keeps CAP_KILL. False with errno: the process may then still have
 * privileges, and must exit. */
bool privileges_drop(uint32_t uid, uint32_t gid, uint32_t tty, bool keep_kill);

/* Gives up every capability, except CAP_KILL if keep_kill is set. False with errno. */
bool privileges_limit(bool keep_kill);

/* Whether this process has CAP_KILL, and so may signal processes of other users. True also if that
 * cannot be read. */
bool privileges_may_kill(void);

#endif
