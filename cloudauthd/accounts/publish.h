/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_PUBLISH_H
#define CLOUDAUTHD_ACCOUNTS_PUBLISH_H

#include "base/loop.h"
#include "base/worker.h"
#include "cloudauthd/accounts/snapshot_write.h"

#include <stdbool.h>

/*
 * Publishes accounts.snapshot (common/snapshot.h). All records are in the published file; memory
 * has only the changes that the next file will have. The builder, a thread of its own, writes the
 * next file from the published one and the changes, so that no lookup and no commit of a document
 * waits for that: PUBLISH_GATHER_MS after the first change, and so seldom that it takes at most
 * 1/PUBLISH_SHARE of a core.
 *
 * A record that is no longer right is taken back at once, so that its lookups ask the daemon. A
 * file of which every record may be wrong is retired, and until the next one is live every lookup
 * asks. Both are done by the store's worker, in the order of the calls. So a document that is
 * stored after the call is on the disk after the change of the published file, and a process that
 * is killed at any moment leaves a file that is right. The loop never waits for the disk, except
 * where it reads the mapped file, of which the kernel may have dropped pages.
 *
 * If only the times of a record have changed, the next file has the new times, PUBLISH_RENEW_MS
 * later; until then lookups of a record that is no longer fresh ask the daemon.
 */
#define PUBLISH_GATHER_MS 50
#define PUBLISH_RENEW_MS  30000
#define PUBLISH_SHARE     20
#define PUBLISH_RETRY_MS  10000 /* after a file could not be written */

struct publish;

/*
 * Whether a published record is still right on this host; false takes it back. *flags are those of
 * the record, and the function may set them to what they are now.
 */
typedef bool publish_judges(void *arg, const struct cloud_snapshot_account *account,
                            uint32_t *flags);

struct publish_setup {
    struct loop *loop;
    struct worker *store;  /* the worker of store.h */
    const char *directory; /* exists, and only this process's user writes in it */
    publish_judges *judges;
    void *arg;
};

/*
 * Takes over a live file of an earlier process that has the same origin, and has it judged
 * (publish_judge). The origin is a text of the settings that records depend on and cannot be judged
 * by. A file of an earlier boot or from the future keeps its names, but each lookup asks the
 * daemon. Any other file is retired, and the next one begins without a record. Waits for the disk.
 */
struct publish *publish_new(const struct publish_setup *setup, const char *origin);

/* Completes the file that is being written, or writes one if there are changes. To be called after
 * the store's worker was freed. */
void publish_free(struct publish *publish);

/* Publishes an environment's account, as its document has it. The strings are copied. */
void publish_put(struct publish *publish, const struct snapshot_account *account);

/* Withdraws the account of an environment that has no document, or none for this host. */
void publish_remove(struct publish *publish, const char *project, const char *environment);

/*
 * The times of records are times of the wall clock. If that was put back, records would be fresh
 * for longer, or again: so the published file is withdrawn, and its records and the changes get
 * older by as much. Accounts that are published later have times of the new clock. To be called
 * every second or so.
 */
void publish_follow_clock(struct publish *publish);

/*
 * Has each record judged again, because the settings or ids that it is judged by have changed: in
 * some 0.2 s for 100,000 records, a few in each turn of the loop, or, with at_once, within the
 * call. A file that is not live yet and has changes from before the call is judged within one turn
 * of the loop, before it is live.
 */
void publish_judge(struct publish *publish, bool at_once);

/* To be called when the settings have changed: retires the file, so that processes that map the
 * next one read the settings again. If the origin is another one, all accounts are withdrawn. */
void publish_reload(struct publish *publish, const char *origin);

/*
 * Whether every stored document has been published or withdrawn (publish_put, publish_remove) since
 * the last publish_reload. Not after publish_new, unless it has taken over a live file of this boot
 * that was written after publish_set_whole. publish_set_whole sets it, and has the next file say so
 * to later processes.
 */
bool publish_is_whole(const struct publish *publish);
void publish_set_whole(struct publish *publish);

/*
 * Finds the account with a uid or gid in the last file that was written, live or retired: a hint
 * which document to look at. False if there is none.
 */
bool publish_by_id(const struct publish *publish, uint32_t id, bool gid,
                   struct cloud_snapshot_account *out);

/* The published file and the counters, for operators. */
struct publish_view {
    bool there, live; /* live: lookups use it; else they ask the daemon */
    bool failed;      /* the last file could not be written */
    bool behind;      /* a change is not in the published file yet */
    uint64_t accounts, bytes;
    int64_t created;                  /* seconds since 1970 */
    size_t pending;                   /* jobs that the builder has not finished */
    uint64_t builds, builds_failed;   /* since the start */
    uint64_t build_ms, last_build_ms; /* of all builds, of the last one */
};
void publish_look(const struct publish *publish, struct publish_view *out);

#endif
