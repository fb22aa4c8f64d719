/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_ENUMERATE_H
#define CLOUD_NSS_ENUMERATE_H

#include "nss_cloud/lookup.h"

/* Enumeration (getpwent(3), getgrent(3)) of the snapshot if the configuration sets `enumerate`;
 * otherwise there are no entries. Each account is listed once, under its main login name. glibc
 * serializes these calls with a lock of its own. */
enum enumerate_what {
    ENUMERATE_PASSWD,
    ENUMERATE_GROUP,
};

/* Starts again with the first account. UNAVAIL if the settings cannot be read, or if `enumerate` is
 * set and there is no live snapshot. */
enum nss_status enumerate_start(enum enumerate_what what, int *errnop);

/* Writes the next entry to lookup->passwd or lookup->group. NOTFOUND after the last one. If the
 * buffer is too small, the status is TRYAGAIN with ERANGE, and the next call returns the same
 * entry. */
enum nss_status enumerate_next(enum enumerate_what what, struct lookup *lookup, int *errnop);

void enumerate_end(enum enumerate_what what);

#endif
