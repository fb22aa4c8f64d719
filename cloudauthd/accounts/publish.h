/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_PUBLISH_H
#define CLOUDAUTHD_ACCOUNTS_PUBLISH_H

#include "base/loop.h"
#include "base/worker.h"
#include "cloudauthd/accounts/snapshot_write.h"

#include <stdbool.h>

/*
 * Publishes accounts.snapshot (common/snapshot.h). A worker thread keeps a mirror of all records
 * and writes the files, so that no lookup and no commit of a document waits for it. Changes are
 * gathered: a file is written PUBLISH_GATHER_MS after the first of them, and so seldom that this
 * takes at most 1/PUBLISH_SHARE of a core.
 *
 * What has become wrong is withdrawn at once: the published file is marked retired, and until the
 * next one is live every lookup asks the daemon.
 */
#define PUBLISH_GATHER_MS 50
#define PUBLISH_RENEW_MS  1000 /* where only times have changed */
#define PUBLISH_SHARE     20
#define PUBLISH_RETRY_MS  10000 /* after a file could not be written */

struct publish;

/*
 * directory exists, and only this process's user writes in it. A file of an earlier process serves
 * until the first new one is live if it has the same origin, a text of the settings that records
 * depend on; else it is retired. Returns NULL, and logs why, without memory or a thread.
 */
struct publish *publish_new(struct loop *loop, const char *directory, const char *origin);

/* Completes the file that is being written. The published file stays as it is. */
void publish_free(struct publish *publish);

enum publish_change {
    PUBLISH_NEW,     /* this process has put no record of the environment before. One in the file
                      * of an earlier process is withdrawn if it differs. */
    PUBLISH_RENEWED, /* the same as before, but for its times */
    PUBLISH_CHANGED, /* another one than before, which is withdrawn */
};

/* Publishes an environment's account, as its document has it. The strings are copied. */
void publish_put(struct publish *publish, const struct snapshot_account *account,
                 enum publish_change change);

/* Withdraws the account of an environment: it has no document, or none for this host. */
void publish_remove(struct publish *publish, const char *project, const char *environment);

/*
 * The times of records are times of the wall clock. If the clock was put back, records would be
 * fresh for longer, or again: so the published file is withdrawn, and the records become as much
 * older. Records that are put later have the new time. To be called every second or so.
 */
void publish_follow_clock(struct publish *publish);

/* Withdraws all accounts. Accounts that are put from now on have this origin. */
void publish_clear(struct publish *publish, const char *origin);

/*
 * Finds the account of an id in the last file that was written, live or retired. It is a hint which
 * document to look at. False if there is none.
 */
bool publish_by_id(const struct publish *publish, uint32_t id, bool gid,
                   struct cloud_snapshot_account *out);

/* The published file and the counters, for operators. */
struct publish_view {
    bool there, live; /* live: lookups use it; else they ask the daemon */
    bool failed;      /* the last file could not be written */
    bool behind;      /* another file is being written or will be */
    uint64_t accounts, bytes;
    int64_t created;                  /* seconds since 1970 */
    size_t pending;                   /* jobs of the worker */
    uint64_t builds, builds_failed;   /* since the start */
    uint64_t build_ms, last_build_ms; /* of all builds, of the last one */
};
void publish_look(const struct publish *publish, struct publish_view *out);

#endif
