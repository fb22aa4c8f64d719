/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_LOCAL_H
#define CLOUD_COMMON_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The host's own accounts: /etc/passwd and /etc/group, read as files, never through NSS (which
 * would ask us). passwd(5), group(5). No stdio, no allocation, constant memory.
 */

#define CLOUD_PASSWD_PATH "/etc/passwd"
#define CLOUD_GROUP_PATH  "/etc/group"

/* One line: the name (cut at CLOUD_LOCAL_NAME_SIZE - 1), its id, and a passwd line's gid. */
#define CLOUD_LOCAL_NAME_SIZE 256
struct cloud_local_entry {
    char name[CLOUD_LOCAL_NAME_SIZE];
    uint32_t id;  /* uid of a passwd line, gid of a group line */
    uint32_t gid; /* passwd lines: the primary group */
    bool id_ok, gid_ok;
};

/* Return false to stop the scan. */
typedef bool cloud_local_each(void *arg, const struct cloud_local_entry *entry);

/*
 * Calls each for every line that has a name. False if the file cannot be opened or read to its
 * end (unless each stopped it). Lines of any length; blank lines, comments and compat entries
 * ('+', '-') are passed over.
 */
bool cloud_local_scan(const char *path, bool passwd, cloud_local_each *each, void *arg);

enum cloud_local {
    CLOUD_LOCAL_NO = 0,
    CLOUD_LOCAL_YES = 1,
    CLOUD_LOCAL_UNKNOWN = 2, /* /etc/passwd cannot be read */
};

/* Whether the host itself has an account of that name. */
enum cloud_local cloud_local_user(const char *name);

#endif
