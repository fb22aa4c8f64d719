/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_PUBLISH_H
#define CLOUDAUTHD_ACCOUNTS_PUBLISH_H

#include "base/loop.h"
#include "base/worker.h"
#include "cloudauthd/accounts/snapshot_write.h"

#include <stdbool.h>

/*
 * Publishes accounts.snapshot (common/snapshot.h). Only the published file has all records; memory
 * has just the changes for the next file. The builder, a thread of its own, writes the next file
 * from the published one and the changes, so that no lookup and no commit of a document waits for a
 * build. A build begins PUBLISH_GATHER_MS after the first change, but so seldom that builds take at
 * most 1/PUBLISH_SHARE of a core.
 *
 * A record that is no longer right is taken back at once, so that lookups of it ask the daemon. A
 * file of which every record may be wrong is retired: until the next file is live, every lookup
 * asks the daemon. The store's worker does both, in the order of the calls. So it changes the
 * published file before it writes a document that is stored after the call, and a daemon that is
 * killed at any moment leaves a file without a wrong record. The loop never waits for the disk,
 * except where it reads pages of the mapped file that the kernel has dropped.
 *
 * If only the times of a record have changed, the next file has the new times, PUBLISH_RENEW_MS
 * later; until then lookups ask the daemon once the record is no longer fresh.
 */
#define PUBLISH_GATHER_MS 50
#define PUBLISH_RENEW_MS  30000
#define PUBLISH_SHARE     20
#define PUBLISH_RETRY_MS  10000 /* the least pause after a file could not be written */

struct publish;

/* Whether a published record is still right on this host; if not, it is taken back. *flags are the
 * flags of the record; the function sets them to what they should be now. */
typedef bool publish_judges(void *arg, const struct cloud_snapshot_account *account,
                            uint32_t *flags);

struct publish_setup {
    struct loop *loop;
    struct worker *store;  /* the worker of store.h */
    const char *directory; /* an existing one, to which only this process's user can write */
    publish_judges *judges;
    void *arg;
};

/*
 * Takes over the live file of an earlier process if it has the same origin, and has its records
 * judged (publish_judge). The origin is a text made of the settings that records depend on and that
 * publish_judges does not check. If the file is of an earlier boot or from the future, its accounts
 * stay known, but each lookup asks the daemon. Any other file is retired, and the next file starts
 * without records. Waits for the disk.
 */
struct publish *publish_new(const struct publish_setup *setup, const char *origin);

/* Frees the publisher. First completes the file that is being written; if none is, writes one if
 * lookups miss a change. Must be called after the store's worker was freed. */
void publish_free(struct publish *publish);

/* Publishes the account of an environment, as its document has it. Copies the strings. */
void publish_put(struct publish *publish, const struct snapshot_account *account);

/* Withdraws the account of an environment that has no document, or none for this host. */
void publish_remove(struct publish *publish, const char *project, const char *environment);

/*
 * Checks whether the wall clock, by which the times of records are given, was put back. If so,
 * records would be fresh for longer, or fresh again: the published file is retired, and the times
 * of its records and of the changes are put back by as much. Accounts that are published later have
 * times by the new clock. Must be called every second or so.
 */
void publish_follow_clock(struct publish *publish);

/*
 * Has publish_judges judge each record again: to be called when the settings or ids by which it
 * judges have changed. Judges a few records in each turn of the loop, in about 0.2 s for 100,000,
 * or, with at_once, all within the call. A file that is not live yet and has changes from before
 * the call is judged within one turn of the loop, before it becomes live.
 */
void publish_judge(struct publish *publish, bool at_once);

/* Must be called when the settings have changed: retires the file, so that processes map the next
 * one and read the settings again. If the origin is another one, withdraws all accounts. */
void publish_reload(struct publish *publish, const char *origin);

/*
 * Whether the account of every stored document has been published or withdrawn (publish_put,
 * publish_remove) since the last publish_reload. False after publish_new, unless it has taken over
 * a live file of this boot that was written after publish_set_whole. publish_set_whole makes it
 * true, and lets the next file say so to later processes.
 */
bool publish_is_whole(const struct publish *publish);
void publish_set_whole(struct publish *publish);

/* Finds the account with the uid `id`, or with the gid `id` if gid is set, in the last file that
 * was written, live or retired. The result is only a hint which document to look at. False if there
 * is none. */
bool publish_by_id(const struct publish *publish, uint32_t id, bool gid,
                   struct cloud_snapshot_account *out);

/* The published file and the counters, for operators. */
struct publish_view {
    bool there, live; /* there: it exists; live: lookups use it, otherwise they ask the daemon */
    bool failed;      /* the last file could not be written */
    bool behind;      /* a change is not in the published file yet */
    uint64_t accounts, bytes;
    int64_t created;                  /* seconds since 1970 */
    size_t pending;                   /* jobs that the builder has not finished */
    uint64_t builds, builds_failed;   /* since the start */
    uint64_t build_ms, last_build_ms; /* milliseconds: of all builds, of the last one */
};
void publish_look(const struct publish *publish, struct publish_view *out);

#endif
