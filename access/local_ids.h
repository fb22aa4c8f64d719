/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_LOCAL_IDS_H
#define CLOUD_ACCESS_LOCAL_IDS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The names and ids of the host's own users and groups: those in /etc/passwd and /etc/group, kept
 * sorted in memory, and the subordinate ids of users in /etc/subuid and /etc/subgid. The files are
 * read again when one of them has changed. cloudauth never serves an account with a local name or
 * id, whatever a document says.
 */

struct local_ids;

/* The result has no names and ids before the first call of local_ids_refresh. If memory runs out,
 * the process ends (base/fatal.h). */
struct local_ids *local_ids_new(void);
void local_ids_free(struct local_ids *ids);

/* Reads the four files again if stat(2) shows that one of them has changed. Returns false if
 * /etc/passwd or /etc/group cannot be read: then the local names and ids are unknown, and the
 * caller must not use any document. /etc/subuid and /etc/subgid may be missing. */
bool local_ids_refresh(struct local_ids *ids);

/* Returns how often the files have been read. If the number has changed between two calls, local
 * names and ids may have changed, too. */
unsigned local_ids_reads(const struct local_ids *ids);

/* Whether a local user or group has that name. */
bool local_ids_has_name(const struct local_ids *ids, const char *name);
bool local_ids_has_uid(const struct local_ids *ids, uint32_t uid);
/* Whether gid is the gid of a local group, or the primary gid of a local user. */
bool local_ids_has_gid(const struct local_ids *ids, uint32_t gid);

/* Whether an entry of subuid(5) contains the uid, or an entry of subgid(5) the gid. If so, a local
 * user can run processes with that uid or gid in a user namespace. */
bool local_ids_is_subordinate(const struct local_ids *ids, uint32_t uid, uint32_t gid);

#endif
