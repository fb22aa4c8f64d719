/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_LOCAL_IDS_H
#define CLOUD_ACCESS_LOCAL_IDS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The names and ids of the host's own users and groups: /etc/passwd and /etc/group, kept sorted in
 * memory and read again when a file has changed; and the ids that /etc/subuid and /etc/subgid give
 * to users. cloudauth never handles a local name or id, whatever a document says.
 */

struct local_ids;

/* NULL if memory is out. Empty until local_ids_refresh. */
struct local_ids *local_ids_new(void);
void local_ids_free(struct local_ids *ids);

/* Reads the files again if one has changed (four stat(2) if not). False if they cannot be read:
 * then it is unknown what is local, and the caller must not use any document. A host need not have
 * subuid(5) and subgid(5). */
bool local_ids_refresh(struct local_ids *ids);

/* How often the files have been read: another number tells that what is local may have changed. */
unsigned local_ids_reads(const struct local_ids *ids);

bool local_ids_has_user(const struct local_ids *ids, const char *name);
bool local_ids_has_group(const struct local_ids *ids, const char *name);
bool local_ids_has_uid(const struct local_ids *ids, uint32_t uid);
/* Whether gid is that of a group, or the primary gid of a user. */
bool local_ids_has_gid(const struct local_ids *ids, uint32_t gid);

/* Whether an entry of subuid(5) has the uid, or one of subgid(5) the gid: a local user could have
 * processes with it, in a user namespace. */
bool local_ids_is_subordinate(const struct local_ids *ids, uint32_t uid, uint32_t gid);

/* The gid of a local group; false if there is none of that name. */
bool local_ids_find_group(const struct local_ids *ids, const char *name, uint32_t *gid);

/* The uid and gid of a local user; false if there is none of that name. */
bool local_ids_find_user(const struct local_ids *ids, const char *name, uint32_t *uid,
                         uint32_t *gid);

#endif
