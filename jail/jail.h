/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_JAIL_JAIL_H
#define CLOUD_JAIL_JAIL_H

#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The file system of an sFTP session. The session's process gets a mount namespace of its own, in
 * which a small read-only tmpfs lies on JAIL_ROOT (sshd's ChrootDirectory). Each directory that the
 * access document lists is mounted on the tmpfs, at its path relative to the home, and so is the
 * host's /dev/log, for the sFTP server. The kernel removes these mounts with the last process of
 * the session: nothing stays on the host, and two logins share nothing.
 *
 * The account owns the directories and may change them at any moment. So each is resolved only
 * once, by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS and with
 * the uid and gid of the account, and from then on used through its descriptor: the directory that
 * was checked is the one that is mounted. No symbolic link is followed on the path to the home
 * either, not even a link of root.
 *
 * Needs Linux 5.12 (mount_setattr) and CAP_SYS_ADMIN; without them every session is refused.
 */

#define JAIL_ROOT       "/srv/sftp"
#define JAIL_HOME       "home" /* below JAIL_ROOT: the mount point of the home itself */
#define JAIL_MOUNTS_MAX CLOUD_WIRE_MOUNTS_MAX
#define JAIL_PATH_MAX   CLOUD_WIRE_PATH_MAX /* bytes of a mount's path, and of the home's */
#define JAIL_TEXT_SIZE  CLOUD_WIRE_MOUNTS_SIZE

struct jail_mount {
    const char *path; /* below the home, and below JAIL_ROOT; "": the home itself, at JAIL_HOME */
    bool writable;
};

struct jail {
    char home[JAIL_PATH_MAX + 1];
    uid_t uid;
    gid_t gid;
    size_t mounts; /* at least 1 */
    struct jail_mount mount[JAIL_MOUNTS_MAX];
    char text[JAIL_TEXT_SIZE]; /* the paths point into it, so this struct must not be copied */
};

/* An sFTP account as the daemon describes it in its answer to PAM_ACCOUNT (common/wire.h). */
struct jail_account {
    const char *home;
    uid_t uid;
    gid_t gid;
    const char *mounts;
};

/* Why a function below has returned false: a sentence without control characters, for the client
 * and the audit log. */
struct jail_fault {
    char text[640];
};

/*
 * Fills the jail from the account, and copies its strings. False, with the fault filled, if the
 * account is malformed or lists no directory, or if a listed directory is the same as another one
 * or contains it: the account could move a read-only directory inside a writable one and then write
 * to it, and a mount point would have to be made inside a directory of the account.
 */
bool jail_read(struct jail *jail, const struct jail_account *account, struct jail_fault *fault);

/* Whether jail_build would find each directory now; if not, fills the fault. Changes nothing. PAM
 * calls this before the session begins, while the client can still be shown a sentence. */
bool jail_check(const struct jail *jail, struct jail_fault *fault);

/*
 * Moves the calling process into a new mount namespace and builds the jail there. The root and the
 * working directory of the process stay those of the host, because sshd itself calls chroot(2)
 * later. False with the fault filled; the process may then already be in the namespace, with an
 * incomplete jail, and must not start anything for the account. Leaves no descriptor open.
 */
bool jail_build(const struct jail *jail, struct jail_fault *fault);

#endif
