/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_DOCTOR_H
#define CLOUD_CTL_DOCTOR_H

#include "ctl/out.h"

#include "access/policy.h"

#include "common/conf.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * What cloudauthctl doctor looks at. Each check says what it found in one row or more, and the
 * remedy for what is wrong.
 */

enum doctor_result {
    DOCTOR_OK,
    DOCTOR_BAD,
    DOCTOR_UNKNOWN, /* it could not be looked at */
    DOCTOR_NOTE,    /* not wrong, but to be known */
    DOCTOR_FIXED,   /* it was wrong */
};

struct doctor {
    struct out *out;
    struct cloud_conf conf; /* the defaults where the settings are broken */
    struct local_ids *db;
    uint32_t daemon_uid, daemon_gid; /* of cloudauth; 0: there is none */
    const char *account;             /* a shell account to ask sshd about, or "" */
    bool bad, unknown;
    bool fix, dry_run; /* --fix; --fix --dry-run: only say what would be done */
};

/* A row. remedy: "" where nothing is wrong. */
void doctor_say(struct doctor *doctor, const char *check, enum doctor_result result,
                const char *remedy, const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * Brings the owner and the mode of what stands at path into order, or, of a folder that is missing,
 * makes it. type is S_IFDIR, S_IFREG or S_IFSOCK. Nothing is done, and false returned, where
 * what is there is not of that type, is a symbolic link, or a file that has another name as well;
 * and, of what is given to another user than root, where a link is on the way to it: who owns a
 * folder of ours must not have root change something else.
 */
struct doctor_repair {
    const char *path;
    mode_t type, mode;
    uint32_t uid, gid; /* DOCTOR_KEEP: as it is */
};
#define DOCTOR_KEEP UINT32_MAX
bool doctor_repair(const struct doctor_repair *repair, char *why, size_t size);

void doctor_nss(struct doctor *doctor);
void doctor_sshd(struct doctor *doctor);
void doctor_pam(struct doctor *doctor);
void doctor_files(struct doctor *doctor);
void doctor_ranges(struct doctor *doctor);
void doctor_proc(struct doctor *doctor);

#endif
