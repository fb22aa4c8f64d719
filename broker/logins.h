/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_LOGINS_H
#define CLOUD_BROKER_LOGINS_H

#include "keys.h"
#include "process.h"

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
    int64_t asked;       /* loop_now() when the API was asked for the document that granted it */
};

struct logins;

/* NULL if memory is out. Room for LOGINS_MAX monitors; the one longest unused makes place. */
#define LOGINS_MAX 4096
struct logins *logins_new(void);
void logins_free(struct logins *logins);

/* A key line was answered to this monitor: forgets what it had before. */
struct login *logins_remember(struct logins *logins, const struct process *monitor,
                              const char *account,
                              const unsigned char fingerprint[KEY_FINGERPRINT_SIZE]);

/* What was remembered for this monitor and exactly this account, or NULL. */
struct login *logins_find(struct logins *logins, const struct process *monitor,
                          const char *account);

#endif
