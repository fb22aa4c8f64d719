/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_HOME_H
#define CLOUD_CTL_HOME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes the home directory of an account, with mode 0750 and the account as its owner, and the
 * missing directories above it, with mode 0755. What exists stays as it is. False, after a message,
 * if that fails, or if another user than root may write in a directory above the home and so could
 * choose where it is made.
 */
bool home_make(const char *path, uint32_t uid, uint32_t gid);

/* Whether only root can change what a path leads to: each directory above it belongs to root, is
 * writable by no other user, and is no symbolic link. */
bool home_is_guarded(const char *path);

#endif
