/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_PRIVILEGES_H
#define CLOUD_BASE_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Who the daemon is once it runs: user cloudauth, in no group but its own and, to end sessions, in
 * group tty (their line on the terminal); of root's capabilities(7) none but, for the same,
 * CAP_KILL.
 */

/* As root: becomes uid and gid for good, in group tty too unless that is 0, and keeps CAP_KILL if
 * that is wanted. False with errno: then this is no place to go on. */
bool privileges_drop(uint32_t uid, uint32_t gid, uint32_t tty, bool keep_kill);

/* As whoever it is: CAP_KILL and no other capability, or none. False with errno. */
bool privileges_limit(bool keep_kill);

/* Whether this process may signal those of other users. */
bool privileges_may_kill(void);

#endif
