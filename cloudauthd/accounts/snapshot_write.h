/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_SNAPSHOT_WRITE_H
#define CLOUDAUTHD_ACCOUNTS_SNAPSHOT_WRITE_H

#include "common/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Writes accounts.snapshot; common/snapshot.h describes its layout. */

struct snapshot_app {
    const char *name, *home; /* home is NULL or "" if it is the account's */
};

/* The account of an environment. The strings are borrowed. */
struct snapshot_account {
    const char *project, *environment, *gecos, *home, *shell;
    uint32_t uid, gid;
    uint32_t flags;         /* CLOUD_SNAPSHOT_... */
    int64_t fresh, expires; /* seconds since 1970 */
    size_t apps;
    const struct snapshot_app *app;
};

/* Encodes the account as a record, malloc'ed, whose checksum is not set yet. If the applications do
 * not fit, leaves all of them out and sets CLOUD_SNAPSHOT_PARTIAL. NULL if the account does not fit
 * even without applications. */
struct cloud_snapshot_record *snapshot_encode(const struct snapshot_account *account);

/* Returns the name of a record's environment, which follows that of the project. */
const char *snapshot_environment(const struct cloud_snapshot_record *record);

struct snapshot_file {
    int64_t created; /* seconds since 1970 */
    uint64_t seed;   /* of all hashes and checksums; random */
    uint64_t origin; /* hash of the settings that records depend on (publish_new) */
    uint64_t boot;   /* hash of the boot id; its lowest bit is publish_is_whole */
    uint32_t state;  /* CLOUD_SNAPSHOT_LIVE or _RETIRED */
    size_t most;     /* the most records that the file can have */
};

/* A file that is being written. Its indexes are in memory, its records in the file. */
struct snapshot_writer {
    struct cloud_snapshot_header header;
    uint64_t *buckets;
    FILE *out;
};

/*
 * Write a file to fd, which refers to a new file and stays open: first snapshot_start; then, for
 * each record, snapshot_add, which sets its checksum; at the end, in any case, snapshot_end, with
 * ok set if all calls before have returned true. No two records may have the same project and
 * environment. If several have the same id, lookups find the first. False with errno.
 */
bool snapshot_start(struct snapshot_writer *writer, int fd, const struct snapshot_file *file);
bool snapshot_add(struct snapshot_writer *writer, struct cloud_snapshot_record *record);
bool snapshot_end(struct snapshot_writer *writer, bool ok);

#endif
