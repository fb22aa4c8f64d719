/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_ENUMERATE_H
#define CLOUD_NSS_ENUMERATE_H

#include "nss_cloud/lookup.h"

/*
 * Enumeration (getpwent(3), getgrent(3)) from the snapshot, where the configuration says
 * `enumerate = yes`; elsewhere there is nothing to be seen. Accounts come by their plain names.
 * glibc holds a lock of its own around these calls.
 */
enum enumerate_what {
    ENUMERATE_PASSWD,
    ENUMERATE_GROUP,
};

/* Begins from the start; UNAVAIL where there is no snapshot that may be believed. */
enum nss_status enumerate_start(enum enumerate_what what, int *errnop);

/* The next entry, into lookup's passwd or group; NOTFOUND behind the last. After TRYAGAIN with
 * ERANGE the same entry comes again. */
enum nss_status enumerate_next(enum enumerate_what what, struct lookup *lookup, int *errnop);

void enumerate_end(enum enumerate_what what);

#endif
