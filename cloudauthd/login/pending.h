/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_LOGIN_PENDING_H
#define CLOUDAUTHD_LOGIN_PENDING_H

#include "base/digest.h"
#include "cloudauthd/session/sessions.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Pending logins: which key a client proves to which sshd process. When stock sshd runs PAM's
 * account step, it has not recorded the key yet. But it runs AuthorizedKeysCommand from its monitor
 * process (privilege separation, sshd(8)), which then runs PAM, and it runs the command once more
 * for the key that has signed. So the key of the last line that was answered to a monitor is the
 * key that has authenticated there.
 */

struct login {
    struct session session; /* account and key; PAM's account step sets person and uid */
    uint32_t sshd_uid;  /* the account's uid as sshd has looked it up (%U); 0: sshd_config does not
                           pass it */
    bool granted;       /* PAM's account step has granted the login */
    bool stale;         /* the document that granted the login was stale (cache_answer) */
    uint32_t age;       /* age of that document at the grant, in seconds */
    char grant[256];    /* the reason of the grant (login_grant), for the audit line */
    int64_t asked;      /* cloud_clock_ms() of the request that got the granting document */
    int64_t asked_wall; /* time(2) of that request */
    /* What the line permits (key_line_grants); zeros if it only has PAM tell why it refuses. */
    unsigned char grants[DIGEST_SIZE];
};

struct pending;

/* The most pending logins. A further one replaces the oldest. */
#define PENDING_MAX 4096
struct pending *pending_new(void);
void pending_free(struct pending *pending);

/* Adds a login, which replaces an earlier one of the same monitor. The result is valid until the
 * next pending_remember. NULL if the account's name is too long. */
struct login *pending_remember(struct pending *pending, const struct process *monitor,
                               const char *account, const struct offered_key *offered);

/* Returns the login of this monitor if it is for exactly this account, or NULL. The result is valid
 * until the next pending_remember. */
struct login *pending_find(struct pending *pending, const struct process *monitor,
                           const char *account);

#endif
