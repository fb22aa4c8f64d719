/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_H
#define CLOUD_NSS_CLOUD_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <sys/types.h>

/*
 * libnss_cloud.so.2, for `passwd: files cloud` and `group: files cloud` in nsswitch.conf(5). These
 * are all that it exports; glibc's manual ("NSS Module Function Internals") is their contract.
 *
 * A name or id that no configuration can make ours is NSS_STATUS_NOTFOUND at once, without a system
 * call. NSS_STATUS_NOTFOUND is otherwise only ever said of what this host's configuration excludes
 * or of what the project API itself says is not there; everything else that goes wrong is
 * NSS_STATUS_UNAVAIL. errno is kept, but for what NSS wants in *errnop.
 */
enum nss_status _nss_cloud_getpwnam_r(const char *name, struct passwd *result, char *buffer,
                                      size_t size, int *errnop);
enum nss_status _nss_cloud_getpwuid_r(uid_t uid, struct passwd *result, char *buffer, size_t size,
                                      int *errnop);
enum nss_status _nss_cloud_getgrnam_r(const char *name, struct group *result, char *buffer,
                                      size_t size, int *errnop);
enum nss_status _nss_cloud_getgrgid_r(gid_t gid, struct group *result, char *buffer, size_t size,
                                      int *errnop);

/* Enumeration, from the snapshot alone and only where the configuration says `enumerate = yes`. */
enum nss_status _nss_cloud_setpwent(int stay_open);
enum nss_status _nss_cloud_getpwent_r(struct passwd *result, char *buffer, size_t size,
                                      int *errnop);
enum nss_status _nss_cloud_endpwent(void);
enum nss_status _nss_cloud_setgrent(int stay_open);
enum nss_status _nss_cloud_getgrent_r(struct group *result, char *buffer, size_t size, int *errnop);
enum nss_status _nss_cloud_endgrent(void);

/* Adds the one marker group of the account's kind to *groups, which may be moved to grow. */
enum nss_status _nss_cloud_initgroups_dyn(const char *name, gid_t gid, long int *start,
                                          long int *size, gid_t **groups, long int limit,
                                          int *errnop);

#endif
