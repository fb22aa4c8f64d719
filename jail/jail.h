/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_JAIL_JAIL_H
#define CLOUD_JAIL_JAIL_H

#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * What a session of an sFTP account sees: a mount namespace of the calling process's own, in which
 * a small read-only tmpfs of root's lies on JAIL_ROOT (sshd's ChrootDirectory), and in it the
 * folders that the access document lists, each at its own path. The kernel takes it down with the
 * last process of the session: nothing is left on the host, and no two logins share anything.
 *
 * The account owns the folders and may change them at any moment. So each one is resolved once,
 * by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS, by the
 * account's own uid and gid, and from then on is a descriptor: what is looked at is what is
 * mounted. The way to the home is resolved without symbolic links, too, be they root's.
 *
 * Needs Linux 5.12 (mount_setattr) and CAP_SYS_ADMIN; without them there is no session.
 */

#define JAIL_ROOT       "/srv/sftp"
#define JAIL_HOME       "home" /* where the home itself is seen, if it is listed (as "") */
#define JAIL_MOUNTS_MAX CLOUD_WIRE_MOUNTS_MAX
#define JAIL_PATH_MAX   CLOUD_WIRE_PATH_MAX /* bytes of a mount's path, and of the home's */
#define JAIL_TEXT_SIZE  CLOUD_WIRE_MOUNTS_SIZE

struct jail_mount {
    const char *path; /* below the home, and below JAIL_ROOT; "" is the home itself, at JAIL_HOME */
    bool writable;
};

struct jail {
    char home[JAIL_PATH_MAX + 1];
    uid_t uid;
    gid_t gid;
    size_t mounts; /* at least 1 */
    struct jail_mount mount[JAIL_MOUNTS_MAX];
    char text[JAIL_TEXT_SIZE]; /* that the paths point into: not to be copied */
};

/* Why there is no jail: one sentence without control characters, for the client and for the log. */
struct jail_fault {
    char text[640];
};

/*
 * Reads what the daemon said (common/wire.h, PAM_ACCOUNT). False, with the fault filled, if
 * anything in it is not well-formed, if nothing is listed, or if a path is listed twice or lies
 * below another one: what is read-only inside a folder that is writable could be moved away and
 * written, and no mount point is ever made inside a folder of the account's.
 */
bool jail_read(struct jail *jail, const char *home, uid_t uid, gid_t gid, const char *mounts,
               struct jail_fault *fault);

/*
 * Whether jail_build would find each folder now. Changes nothing, for the login can still be
 * refused with a sentence that the client shows: for that it is asked before the session.
 */
bool jail_check(const struct jail *jail, struct jail_fault *fault);

/*
 * Moves the calling process into the jail's mount namespace; its root and working directory stay
 * those of the host. False: the process may have a namespace of its own by then, with a jail half
 * made, and must start nothing for the account. No descriptor stays open.
 */
bool jail_build(const struct jail *jail, struct jail_fault *fault);

#endif
