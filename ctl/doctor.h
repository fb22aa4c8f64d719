/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_DOCTOR_H
#define CLOUD_CTL_DOCTOR_H

#include "ctl/out.h"
#include "ctl/remedy.h"

#include "access/local_ids.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The checks of cloudauthctl doctor. Each check reports one or more rows, and with each fault its
 * remedy (remedy.h).
 */

enum doctor_result {
    DOCTOR_OK,
    DOCTOR_BAD,
    DOCTOR_UNKNOWN, /* it could not be looked at */
    DOCTOR_NOTE,    /* no fault, but an operator should know it */
};

/* A row with a remedy, which is shown below the table. */
struct doctor_fault {
    enum doctor_result result;
    char finding[512], remedy[REMEDY_SIZE];
};

struct doctor {
    struct out *out;
    struct cloud_conf conf; /* the defaults where the file is broken */
    struct local_ids *local_ids;
    uint32_t daemon_uid, daemon_gid; /* of user cloudauth; 0: there is none */
    const char *account;             /* a shell account to ask sshd about, or "" */
    const char *clock;               /* what the project API's answers say of it, or NULL */
    bool bad, unknown;
    bool shadowed; /* a local name is a login name */
    size_t faults;
    struct doctor_fault fault[64]; /* JSON has all of them */
};

/* Reports a row. remedy: "" where nothing is wrong. */
void doctor_say(struct doctor *doctor, const char *check, enum doctor_result result,
                const char *remedy, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The checks of doctor_login.c: the NSS module and its marker groups; PAM's stack for sshd, and the
 * module. */
void doctor_nss(struct doctor *doctor);
void doctor_pam(struct doctor *doctor);

#endif
