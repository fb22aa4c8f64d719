/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_SNAPSHOT_WRITE_H
#define CLOUDAUTHD_ACCOUNTS_SNAPSHOT_WRITE_H

#include "common/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writing accounts.snapshot; its layout stands in common/snapshot.h. */

struct snapshot_app {
    const char *name, *home; /* home NULL or "": the account's */
};

/* What is to be known of one environment; the strings are borrowed. */
struct snapshot_account {
    const char *project, *environment, *gecos, *home, *shell;
    uint32_t uid, gid;
    uint32_t flags;         /* CLOUD_SNAPSHOT_... */
    int64_t fresh, expires; /* seconds since 1970 */
    size_t apps;
    const struct snapshot_app *app;
};

/*
 * The account as a record, the caller's to free(3); its checksum is not filled in yet. Applications
 * that do not fit are left out, and the record then says that it does not know them. NULL if memory
 * is out or the account itself does not fit.
 */
struct cloud_snapshot_record *snapshot_encode(const struct snapshot_account *account);

/* Seconds that a file may be believed at least, and as long as the last of its records. */
#define SNAPSHOT_LASTS 3600

struct snapshot_file {
    int64_t created; /* seconds since 1970 */
    uint64_t seed;   /* random: names come from strangers */
    uint64_t origin; /* tells files of other settings apart */
    uint32_t state;  /* CLOUD_SNAPSHOT_LIVE or _RETIRED */
};

/*
 * Writes a whole file of n records to fd, from where it stands. The records get their checksums.
 * Names are different. Of those with one id the first is found. False with errno.
 */
bool snapshot_write(int fd, const struct snapshot_file *file,
                    struct cloud_snapshot_record *const *records, size_t n);

#endif
