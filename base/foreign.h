/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_FOREIGN_H
#define CLOUD_BASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Foreign name services: those that nsswitch.conf(5) lists besides `files` and `compat`, the host's
 * own files, and `cloud`, our module. For example sss, ldap, winbind and systemd. */

#ifndef CLOUD_NSSWITCH_PATH
#define CLOUD_NSSWITCH_PATH "/etc/nsswitch.conf"
#endif

/* Calls `each` with the name of every foreign service of a database ("passwd" or "group"), until
 * `each` returns false. False if nsswitch.conf(5) cannot be read; a host without it has no foreign
 * service. */
typedef bool foreign_service(void *arg, const char *service);
bool foreign_each(const char *database, foreign_service *each, void *arg);

/*
 * Whether a foreign service has a user with the uid or a group with the gid, or cannot say now; if
 * so, writes a message that names the service and the user or group to `why`, a buffer of `size`
 * bytes. Calls the module of each service directly, because getpwuid(3) would also call our module.
 * Blocks while a module waits for its server, so the loop's thread must never call it. A service
 * without an installed module has no users and groups: no process of the host can query it.
 */
bool foreign_may_have_id(uint32_t uid, uint32_t gid, char *why, size_t size);

#endif
