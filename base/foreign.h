/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_FOREIGN_H
#define CLOUD_BASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The name services of nsswitch.conf(5) besides the host's own files and our module: sss, ldap,
 * winbind, systemd and the like.
 */

#ifndef CLOUD_NSSWITCH_PATH
#define CLOUD_NSSWITCH_PATH "/etc/nsswitch.conf"
#endif

/* Calls each for every such service of a database ("passwd", "group"), until it returns false. */
typedef bool foreign_service(void *arg, const char *service);
void foreign_each(const char *database, foreign_service *each, void *arg);

/*
 * Whether one of these services has a user with the uid or a group with the gid; why then names the
 * service and the user or group. Calls the module of each service directly, because getpwuid(3)
 * would call our module too. Waits as long as the module does, so the loop's thread must never call
 * it. A service that cannot answer counts as having none.
 */
bool foreign_has_id(uint32_t uid, uint32_t gid, char *why, size_t size);

#endif
