/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_HOME_H
#define CLOUD_CTL_HOME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes an account's home, mode 0750 and its own, where there is nothing at path, and the folders
 * above it that are missing, mode 0755. What is there stays as it is. False after a message: it
 * could not be made, or a folder above it is not root's alone, so that somebody else could say
 * where it is made.
 */
bool home_make(const char *path, uint32_t uid, uint32_t gid);

#endif
