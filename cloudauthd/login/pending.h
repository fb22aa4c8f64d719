/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_LOGIN_PENDING_H
#define CLOUDAUTHD_LOGIN_PENDING_H

#include "cloudauthd/session/sessions.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Pending logins: which key a client proves to which sshd process. Stock sshd has not recorded the
 * key yet when it runs PAM's account step. But it runs AuthorizedKeysCommand from its monitor
 * process, which then runs PAM (privilege separation, sshd(8)), and it runs the command once more
 * for the key that has signed. So the key of the last line that was answered to a monitor is the
 * key that has authenticated there.
 */

struct login {
    struct session session; /* account and key; the person and uid from PAM's account step on */
    uint32_t sshd_uid;      /* the uid that sshd has looked up; 0: sshd_config does not pass it */
    bool granted;           /* by PAM's account step */
    bool stale;             /* source and age of the document, for the audit line */
    uint32_t age;
    char grant[256]; /* the reason of the grant (login_grant), for the audit line */
    int64_t asked;   /* cloud_clock_ms() when the API was asked for the document that granted it */
};

struct pending;

/* NULL if out of memory. If there are more than PENDING_MAX logins, the one that was added first is
 * dropped. */
#define PENDING_MAX 4096
struct pending *pending_new(void);
void pending_free(struct pending *pending);

/* Adds a login, in the place of an earlier one of the same monitor. The result is valid until the
 * next call. NULL if the name of the account is too long. */
struct login *pending_remember(struct pending *pending, const struct process *monitor,
                               const char *account, const struct offered_key *offered);

/* The login of this monitor, if it is for exactly this account, or NULL. The result is valid until
 * the next pending_remember. */
struct login *pending_find(struct pending *pending, const struct process *monitor,
                           const char *account);

#endif
