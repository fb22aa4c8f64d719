/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_FAULTS_H
#define CLOUD_NSS_FAULTS_H

/*
 * Lets a test make each NSS call of a login fail in turn. Only in a build with CLOUD_NSS_FAULTS,
 * which is never installed on a host; elsewhere FAULT_POINT is nothing.
 *
 * If the directory CLOUD_NSS_FAULTS_DIR exists, each call of an exported function appends a byte to
 * its file `count`, whose size is then the number of this call across all processes, and a line
 * "number function argument" to `calls`. Where a line of the file `fail` reads "number status" or
 * "all status", with NOTFOUND, UNAVAIL or TRYAGAIN as the status, the call returns that status. The
 * calls come from processes of any user: the directory is to be writable by all and not sticky.
 */
#ifdef CLOUD_NSS_FAULTS

#include <nss.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef CLOUD_NSS_FAULTS_DIR
#define CLOUD_NSS_FAULTS_DIR "/run/cloudauth-faults"
#endif

/* Counts a call by name, or by id where name is NULL. True: it is to return *status. */
bool fault_injected(const char *function, const char *name, uint32_t id, enum nss_status *status,
                    int *errnop);

#define FAULT_POINT(function, name, id, errnop)                                                    \
    do {                                                                                           \
        enum nss_status fault_;                                                                    \
        if (fault_injected(function, name, id, &fault_, errnop))                                   \
            return fault_;                                                                         \
    } while (0)

#else
#define FAULT_POINT(function, name, id, errnop)                                                    \
    do {                                                                                           \
    } while (0)
#endif

#endif
