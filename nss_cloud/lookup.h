/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_LOOKUP_H
#define CLOUD_NSS_LOOKUP_H

#include "nss_cloud/map.h"

#include "common/name.h"
#include "common/wire.h"

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
#include <stdint.h>

/* The groups that mark shell and sFTP accounts, for sshd's Match blocks. */
#define LOOKUP_SSH_GROUP  "cloud-ssh"
#define LOOKUP_SFTP_GROUP "cloud-sftp"

/* A lookup: the question, where to write the entry, and the result. */
struct lookup {
    enum cloud_op op;
    const char *name; /* NULL: the lookup is by id */
    uint32_t id;
    struct passwd *passwd;
    struct group *group;
    char *buffer;
    size_t size;

    struct cloud_name_run run; /* what cloud_name_look has found out about name */
    bool lacks;                /* a live snapshot has no fresh record for the question */
    uint64_t file;             /* if `lacks`: the seed of that snapshot */
    enum nss_status status;
    int error; /* for *errnop, if status is UNAVAIL or TRYAGAIN */
};

/*
 * Finds an account or a group: first in the map that this process keeps, without a system call;
 * then in the current snapshot; then by asking the daemon. Sets *errnop as NSS requires. So that a
 * change of the settings is noticed, a lookup of a name or id that this host does not serve checks
 * the settings file, at most once a second.
 */
enum nss_status lookup_find(struct lookup *lookup, int *errnop);

/* Writes a record of the snapshot to the lookup's passwd or group, under its main login name. False
 * if this host's settings do not allow the account. If true, lookup->status says whether the entry
 * fits the buffer. */
struct cloud_snapshot_account;
bool lookup_take(const struct cloud_conf *conf, struct lookup *lookup,
                 const struct cloud_snapshot_account *account);

/*
 * Runs a step that may do I/O, with thread cancellation disabled, and preserves errno. Before the
 * step *status and *error are set to UNAVAIL and EAGAIN; *status is returned. *errnop is set to
 * *error if *status is UNAVAIL or TRYAGAIN. In pid 1, which starts the daemon and must never wait
 * for it, the step does not run and the result is UNAVAIL.
 */
typedef void lookup_step(void *arg);
enum nss_status lookup_guard(lookup_step *step, void *arg, enum nss_status *status, int *error,
                             int *errnop);

#endif
