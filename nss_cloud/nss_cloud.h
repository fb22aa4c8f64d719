/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_CLOUD_H
#define CLOUD_NSS_CLOUD_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <sys/types.h>

/*
 * libnss_cloud.so.2, for `passwd: files cloud` and `group: files cloud` in nsswitch.conf(5). The
 * module exports these functions and nothing else. Their contract is in glibc's manual, "NSS Module
 * Function Internals".
 *
 * NSS_STATUS_NOTFOUND means that this host's configuration excludes the name or id, that the
 * project API has no such environment, or that an enumeration is at its end. A lookup of a name or
 * id that no configuration can allow usually makes no system call. NSS_STATUS_TRYAGAIN with ERANGE
 * means that the buffer is too small; with ENOMEM, that initgroups is out of memory. Every other
 * failure is NSS_STATUS_UNAVAIL. errno is preserved; *errnop is set as NSS requires.
 */
enum nss_status _nss_cloud_getpwnam_r(const char *name, struct passwd *result, char *buffer,
                                      size_t size, int *errnop);
enum nss_status _nss_cloud_getpwuid_r(uid_t uid, struct passwd *result, char *buffer, size_t size,
                                      int *errnop);
enum nss_status _nss_cloud_getgrnam_r(const char *name, struct group *result, char *buffer,
                                      size_t size, int *errnop);
enum nss_status _nss_cloud_getgrgid_r(gid_t gid, struct group *result, char *buffer, size_t size,
                                      int *errnop);

/* Enumeration, only of the snapshot; unless `enumerate` is set there are no entries. */
enum nss_status _nss_cloud_setpwent(int stay_open);
enum nss_status _nss_cloud_getpwent_r(struct passwd *result, char *buffer, size_t size,
                                      int *errnop);
enum nss_status _nss_cloud_endpwent(void);
enum nss_status _nss_cloud_setgrent(int stay_open);
enum nss_status _nss_cloud_getgrent_r(struct group *result, char *buffer, size_t size, int *errnop);
enum nss_status _nss_cloud_endgrent(void);

/* Adds the marker group of the account's kind (shell or sFTP) to *groups, which may be
 * reallocated. */
enum nss_status _nss_cloud_initgroups_dyn(const char *name, gid_t gid, long int *start,
                                          long int *size, gid_t **groups, long int limit,
                                          int *errnop);

#endif
