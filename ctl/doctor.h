/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_DOCTOR_H
#define CLOUD_CTL_DOCTOR_H

#include "out.h"

#include "broker/policy.h"

#include "common/conf.h"

#include <stdbool.h>

/*
 * What cloudauthctl doctor looks at. Each check says what it found in one row or more, and the
 * remedy for what is wrong.
 */

enum doctor_result {
    DOCTOR_OK,
    DOCTOR_BAD,
    DOCTOR_UNKNOWN, /* it could not be looked at */
};

struct doctor {
    struct out *out;
    struct cloud_conf conf; /* the defaults where the settings are broken */
    struct hostdb *db;
    uint32_t daemon_uid, daemon_gid; /* of cloudauth; 0: there is none */
    const char *account;             /* a shell account to ask sshd about, or "" */
    bool bad, unknown;
};

/* A row. remedy: "" where nothing is wrong. */
void doctor_say(struct doctor *doctor, const char *check, enum doctor_result result,
                const char *remedy, const char *format, ...) __attribute__((format(printf, 5, 6)));

void doctor_nss(struct doctor *doctor);
void doctor_sshd(struct doctor *doctor);
void doctor_pam(struct doctor *doctor);
void doctor_files(struct doctor *doctor);
void doctor_ranges(struct doctor *doctor);
void doctor_proc(struct doctor *doctor);

#endif
