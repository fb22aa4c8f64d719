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

/* NULL if out of memory. Empty until local_ids_refresh. */
struct local_ids *local_ids_new(void);
void local_ids_free(struct local_ids *ids);

/* Reads the files again if one has changed, which four stat(2) show. False if /etc/passwd or
 * /etc/group cannot be read: what is local is then unknown, and the caller must not use any
 * document. subuid(5) and subgid(5) may be missing. */
bool local_ids_refresh(struct local_ids *ids);

/* How often the files have been read. If the number has changed, local names and ids may have
 * changed. */
unsigned local_ids_reads(const struct local_ids *ids);

bool local_ids_has_user(const struct local_ids *ids, const char *name);
bool local_ids_has_group(const struct local_ids *ids, const char *name);
bool local_ids_has_uid(const struct local_ids *ids, uint32_t uid);
/* Whether gid is that of a group, or the primary gid of a user. */
bool local_ids_has_gid(const struct local_ids *ids, uint32_t gid);

/* Whether an entry of subuid(5) contains the uid, or an entry of subgid(5) the gid. Then a local
 * user can run processes with that id in a user namespace. */
bool local_ids_is_subordinate(const struct local_ids *ids, uint32_t uid, uint32_t gid);

/* The gid of a local group; false if there is none of that name. */
bool local_ids_find_group(const struct local_ids *ids, const char *name, uint32_t *gid);

/* The uid and gid of a local user; false if there is none of that name. */
bool local_ids_find_user(const struct local_ids *ids, const char *name, uint32_t *uid,
                         uint32_t *gid);

#endif
