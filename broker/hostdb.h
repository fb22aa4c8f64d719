/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_HOSTDB_H
#define CLOUD_BROKER_HOSTDB_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The host's own users and groups, from /etc/passwd and /etc/group, kept sorted in memory and read
 * again when a file changed. They are never ours, whatever a document says.
 */

struct hostdb;

/* NULL if memory is out. Empty, and not ready, until hostdb_refresh. */
struct hostdb *hostdb_new(void);
void hostdb_free(struct hostdb *db);

/* Looks whether the files changed. False if they cannot be read: then nobody can tell what is
 * local, and no document is to be used. */
bool hostdb_refresh(struct hostdb *db);

bool hostdb_has_user(const struct hostdb *db, const char *name);
bool hostdb_has_group(const struct hostdb *db, const char *name);
bool hostdb_has_uid(const struct hostdb *db, uint32_t uid);
/* A group's gid, or the primary one of a local user. */
bool hostdb_has_gid(const struct hostdb *db, uint32_t gid);

/* The gid of a local group; false if there is none of that name. */
bool hostdb_find_group(const struct hostdb *db, const char *name, uint32_t *gid);

/* The uid and gid of a local user; false if there is none of that name. */
bool hostdb_find_user(const struct hostdb *db, const char *name, uint32_t *uid, uint32_t *gid);

#endif
