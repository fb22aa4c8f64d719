/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_LOCAL_H
#define CLOUD_COMMON_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The host's own accounts: passwd(5) and group(5), read as files. getpwnam(3) cannot be used,
 * because it would call nss_cloud again. No stdio, no allocation, constant memory.
 */

#ifndef CLOUD_PASSWD_PATH
#define CLOUD_PASSWD_PATH "/etc/passwd"
#define CLOUD_GROUP_PATH  "/etc/group"
#define CLOUD_SUBUID_PATH "/etc/subuid"
#define CLOUD_SUBGID_PATH "/etc/subgid"
#endif

/* A line of passwd(5) or group(5). A name is cut off after CLOUD_LOCAL_NAME_SIZE - 1 bytes. */
#define CLOUD_LOCAL_NAME_SIZE 256
struct cloud_local_entry {
    char name[CLOUD_LOCAL_NAME_SIZE];
    uint32_t id;        /* uid of a passwd line, gid of a group line */
    uint32_t gid;       /* primary group of a passwd line */
    bool id_ok, gid_ok; /* whether the field is a number that fits */
};

/* Receives an entry, which is valid only during the call. Returns false to end the scan. */
typedef bool cloud_local_each(void *arg, const struct cloud_local_entry *entry);

/*
 * Calls `each` for every line with a ':', until `each` returns false. The file has the format of
 * passwd(5) if `passwd` is true, otherwise that of group(5). As for libc, a line may have any
 * length and its name may be empty; blank lines, comments and compat entries ('+', '-') are
 * skipped. False if the file cannot be opened, or if reading it fails before the end of the file is
 * reached or `each` returns false.
 */
bool cloud_local_scan(const char *path, bool passwd, cloud_local_each *each, void *arg);

enum cloud_local {
    CLOUD_LOCAL_NO = 0,
    CLOUD_LOCAL_YES = 1,
    CLOUD_LOCAL_UNKNOWN = 2, /* /etc/passwd cannot be read */
};

/* Whether /etc/passwd has an account of that name. */
enum cloud_local cloud_local_user(const char *name);

#endif
