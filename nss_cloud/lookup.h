/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_NSS_LOOKUP_H
#define CLOUD_NSS_LOOKUP_H

#include "nss_cloud/config.h"

#include "common/name.h"
#include "common/wire.h"

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
#include <stdint.h>

/* The marker groups, on which sshd's Match blocks hang. */
#define LOOKUP_SSH_GROUP  "cloud-ssh"
#define LOOKUP_SFTP_GROUP "cloud-sftp"

/* One lookup: what was asked, where the result goes, and what came of it. */
struct lookup {
    enum cloud_op op;
    const char *name; /* NULL: by id */
    uint32_t id;
    struct passwd *passwd;
    struct group *group;
    char *buffer;
    size_t size;

    struct cloud_name_run run; /* of name */
    bool lacks;                /* a file that is believed has no record of it: */
    uint64_t file;             /* its seed */
    enum nss_status status;
    int error; /* for *errnop, where the status wants one */
};

/*
 * Finds an account or a group: in the map of the snapshot, without a system call; else in the
 * snapshot as it is now; else by asking the context. *errnop is set where NSS wants it.
 */
enum nss_status lookup_find(struct lookup *lookup, int *errnop);

/*
 * Gives the caller a record of the snapshot under its plain name. False if this host's
 * configuration would not resolve it; else the status says whether it fitted the buffer.
 */
struct cloud_snapshot_account;
bool lookup_take(const struct cloud_conf *conf, struct lookup *lookup,
                 const struct cloud_snapshot_account *account);

/*
 * Runs a step of ours that may do I/O, with the configuration; its results are *status and *error,
 * UNAVAIL where it did not run. Pid 1 is left alone: it starts the daemon and must never wait for
 * it.
 */
enum nss_status lookup_guard(config_user *step, void *arg, enum nss_status *status, int *error,
                             int *errnop);

#endif
