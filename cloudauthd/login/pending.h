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
 * The logins under way: which key a client proves to which sshd process. At PAM's account step
 * stock sshd has not recorded the key yet. But the parent of each AuthorizedKeysCommand is the
 * monitor process that then runs PAM (privilege separation, sshd(8)), and it runs the command once
 * more for the key that has signed. So the key of the last line answered to a monitor is the key
 * that has authenticated there.
 */

struct login {
    char account[CLOUD_NAME_MAX + 1];
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    uint32_t sshd_uid; /* the uid that sshd has looked up; 0: sshd_config does not pass it */
    bool granted;      /* by PAM's account step; the fields after user are set from then on */
    char user[129];    /* the key's user name */
    char user_id[256];
    char mail[256];
    char role[256];
    int64_t key_expires; /* as in struct session */
    uint32_t uid;        /* the account's, by the document */
    bool stale;          /* source and age of that document, for the audit line */
    uint32_t age;
    int64_t asked; /* cloud_clock_ms() when the API was asked for the document that granted it */
};

struct pending;

/* NULL if memory is out. Of more than PENDING_MAX logins the one added first is dropped. */
#define PENDING_MAX 4096
struct pending *pending_new(void);
void pending_free(struct pending *pending);

/* Adds a login, in the place of an earlier one of the same monitor. Valid until the next call. NULL
 * if the account's name is too long. */
struct login *pending_remember(struct pending *pending, const struct process *monitor,
                               const char *account,
                               const unsigned char fingerprint[KEY_FINGERPRINT_SIZE]);

/* The login of this monitor if it is for exactly this account, or NULL. Valid until the next
 * pending_remember. */
struct login *pending_find(struct pending *pending, const struct process *monitor,
                           const char *account);

#endif
