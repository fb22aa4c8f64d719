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

/* Calls each for every such service in the line of a database ("passwd", "group"), until it returns
 * false. */
typedef bool foreign_service(void *arg, const char *service);
void foreign_each(const char *database, foreign_service *each, void *arg);

/*
 * Whether one of them has a user of that uid or a group of that gid; why then says which. Asks each
 * module by itself, because getpwuid(3) would ask ours as well, and waits as long as the module
 * does: never to be called in the loop's thread. A service that cannot answer has none.
 */
bool foreign_has_id(uint32_t uid, uint32_t gid, char *why, size_t size);

#endif
