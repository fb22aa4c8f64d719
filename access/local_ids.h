/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_LOCAL_IDS_H
#define CLOUD_ACCESS_LOCAL_IDS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The host's own users and groups, from /etc/passwd and /etc/group, kept sorted in memory and read
 * again when a file changed. They are never ours, whatever a document says.
 */

struct local_ids;

/* NULL if memory is out. Empty, and not ready, until local_ids_refresh. */
struct local_ids *local_ids_new(void);
void local_ids_free(struct local_ids *db);

/* Looks whether the files changed. False if they cannot be read: then nobody can tell what is
 * local, and no document is to be used. */
bool local_ids_refresh(struct local_ids *db);

bool local_ids_has_user(const struct local_ids *db, const char *name);
bool local_ids_has_group(const struct local_ids *db, const char *name);
bool local_ids_has_uid(const struct local_ids *db, uint32_t uid);
/* A group's gid, or the primary one of a local user. */
bool local_ids_has_gid(const struct local_ids *db, uint32_t gid);

/* The gid of a local group; false if there is none of that name. */
bool local_ids_find_group(const struct local_ids *db, const char *name, uint32_t *gid);

/* The uid and gid of a local user; false if there is none of that name. */
bool local_ids_find_user(const struct local_ids *db, const char *name, uint32_t *uid,
                         uint32_t *gid);

#endif
