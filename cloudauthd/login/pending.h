/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_LOGIN_PENDING_H
#define CLOUDAUTHD_LOGIN_PENDING_H

#include "access/keys.h"
#include "base/process.h"

#include "common/name.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Which key opened which sshd process. At PAM's account step stock sshd has not recorded the key
 * yet; but the parent of each AuthorizedKeysCommand run is the very monitor that then runs PAM,
 * and it asks once more for the key that signs. So the last key line answered to a monitor is the
 * key that entered by it.
 */

struct login {
    char account[CLOUD_NAME_MAX + 1];
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    uint32_t sshd_uid; /* that sshd has looked up, or 0: nobody says */
    bool granted;      /* PAM account has let it in */
    char user[129];    /* the person's user name, for the session */
    char user_id[256]; /* the rest: known once it is granted */
    char mail[256];
    char role[256];
    int64_t key_expires; /* as in struct session */
    uint32_t uid;        /* the account's */
    int64_t asked; /* cloud_clock_ms() when the API was asked for the document that granted it */
};

struct pending;

/* NULL if memory is out. Room for LOGINS_MAX monitors; the one longest unused makes place. */
#define LOGINS_MAX 4096
struct pending *pending_new(void);
void pending_free(struct pending *logins);

/* A key line was answered to this monitor: forgets what it had before. */
struct login *pending_remember(struct pending *logins, const struct process *monitor,
                               const char *account,
                               const unsigned char fingerprint[KEY_FINGERPRINT_SIZE]);

/* What was remembered for this monitor and exactly this account, or NULL. */
struct login *pending_find(struct pending *logins, const struct process *monitor,
                           const char *account);

#endif
