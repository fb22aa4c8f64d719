/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_HOME_H
#define CLOUD_CTL_HOME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes an account's home directory, mode 0750 and owned by the account, where there is nothing at
 * path, and the directories above it that are missing, mode 0755. What exists stays as it is. False
 * after a message: it could not be made, or another user than root may write in a directory above
 * it, and could choose where it is made.
 */
bool home_make(const char *path, uint32_t uid, uint32_t gid);

/* Whether only root can change what a path leads to: each directory above it is root's, writable by
 * no other user, and no symbolic link. */
bool home_is_guarded(const char *path);

#endif
