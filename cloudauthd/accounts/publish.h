/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_PUBLISH_H
#define CLOUDAUTHD_ACCOUNTS_PUBLISH_H

#include "base/loop.h"
#include "base/worker.h"
#include "cloudauthd/accounts/snapshot_write.h"

#include <stdbool.h>

/*
 * Publishes accounts.snapshot (common/snapshot.h). The published file is where all records are: in
 * memory are only the changes that the next one will have. A thread of its own, the builder, writes
 * that, from the published one and the changes, so that no lookup and no commit of a document waits
 * for it: PUBLISH_GATHER_MS after the first change, and so seldom that this takes at most
 * 1/PUBLISH_SHARE of a core.
 *
 * A record that is no longer right is taken back at once, so that its lookups ask the daemon. A
 * file of which every record may be wrong is retired, and until the next one is live every lookup
 * asks. This is done by the store's worker, in the order of the calls. So a document that is stored
 * after the call is on the disk after the change of this file, and a process that is killed at any
 * moment leaves a file that is right; and the loop never waits for the disk, except that it reads
 * the mapped file, of which the kernel may have dropped pages.
 *
 * Where only the times of a record have changed, the next file has them, PUBLISH_RENEW_MS later:
 * until then lookups of a record that is no longer fresh ask the daemon.
 */
#define PUBLISH_GATHER_MS 50
#define PUBLISH_RENEW_MS  30000
#define PUBLISH_SHARE     20
#define PUBLISH_RETRY_MS  10000 /* after a file could not be written */

struct publish;

/*
 * Whether a published record is still right on this host: false takes it back. *flags are its
 * flags, and may be set to what they are now.
 */
typedef bool publish_judges(void *arg, const struct cloud_snapshot_account *account,
                            uint32_t *flags);

struct publish_setup {
    struct loop *loop;
    struct worker *store;  /* of the store (store.h) */
    const char *directory; /* exists, and only this process's user writes in it */
    publish_judges *judges;
    void *arg;
};

/*
 * A live file of an earlier process stays, and is judged (publish_judge), if it has the same
 * origin: a text of the settings that records depend on and cannot be judged by. One of an earlier
 * boot or from the future keeps its names, but each lookup asks the daemon. Any other file is
 * retired, and the next one begins without a record. Returns NULL, and logs why, without memory or
 * a thread. Waits for the disk.
 */
struct publish *publish_new(const struct publish_setup *setup, const char *origin);

/* Completes the file that is being written, or writes one if there are changes. The store's worker
 * is freed before. */
void publish_free(struct publish *publish);

/* Publishes an environment's account, as its document has it. The strings are copied. */
void publish_put(struct publish *publish, const struct snapshot_account *account);

/* Withdraws the account of an environment: it has no document, or none for this host. */
void publish_remove(struct publish *publish, const char *project, const char *environment);

/*
 * The times of records are times of the wall clock. If the clock was put back, records would be
 * fresh for longer, or again: so the published file is withdrawn, and the records become as much
 * older. Records that are put later have the new time. To be called every second or so.
 */
void publish_follow_clock(struct publish *publish);

/*
 * Has each record judged again, because what it is judged by has changed: in slices of the loop, in
 * some 0.2 s for 100,000; or, at_once, within the call. A file with changes that came before is
 * judged within one turn, before it is live.
 */
void publish_judge(struct publish *publish, bool at_once);

/* The settings have changed: retires the file, so that processes read them with the next one. All
 * accounts are withdrawn if the origin is another one. */
void publish_reload(struct publish *publish, const char *origin);

/*
 * Whether the accounts of all stored documents have been put. They have not after a reload, and at
 * the start unless the file of an earlier process of this boot says so; publish_set_whole says so
 * for the next processes.
 */
bool publish_is_whole(const struct publish *publish);
void publish_set_whole(struct publish *publish);

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
    bool behind;      /* a change is not in it yet */
    uint64_t accounts, bytes;
    int64_t created;                  /* seconds since 1970 */
    size_t pending;                   /* jobs of the worker */
    uint64_t builds, builds_failed;   /* since the start */
    uint64_t build_ms, last_build_ms; /* of all builds, of the last one */
};
void publish_look(const struct publish *publish, struct publish_view *out);

#endif
