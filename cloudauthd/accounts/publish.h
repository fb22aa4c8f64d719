/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_PUBLISH_H
#define CLOUDAUTHD_ACCOUNTS_PUBLISH_H

#include "base/loop.h"
#include "base/worker.h"
#include "cloudauthd/accounts/snapshot_write.h"

#include <stdbool.h>

/*
 * The accounts that accounts.snapshot is made of, and its making: a mirror of them is kept and
 * written by a worker thread of its own, so that no lookup waits for it, and store commits do not
 * either. Changes are gathered: a file is made PUBLISH_GATHER_MS after the first of them, and so
 * seldom that making takes no more than 1/PUBLISH_SHARE of a core.
 *
 * What must not be believed any more is taken back at once: the published file is marked retired,
 * and until the next one is there every lookup asks the context.
 */
#define PUBLISH_GATHER_MS 50
#define PUBLISH_RENEW_MS  1000 /* where only times have changed */
#define PUBLISH_SHARE     20
#define PUBLISH_RETRY_MS  10000 /* after a file could not be written */

struct publish;

/*
 * The file below folder, which must exist and be ours. One that an earlier process left serves
 * until the first new one is there, if it is of the same origin: the settings that decide whose
 * word is believed; else it is retired. NULL, logged, if memory or the thread is not to be had.
 */
struct publish *publish_new(struct loop *loop, const char *folder, const char *origin);

/* Finishes what is being written. The file stays as it is published. */
void publish_free(struct publish *accounts);

enum publish_change {
    PUBLISH_NEW,     /* nothing was known of it, or nothing but by an earlier daemon; where the
                      * published file differs from it, as PUBLISH_CHANGED */
    PUBLISH_RENEWED, /* the same, confirmed: only its times are others */
    PUBLISH_CHANGED, /* what is published of it is wrong: taken back at once */
};

/* An account as its document has it. The strings are copied. */
void publish_put(struct publish *accounts, const struct snapshot_account *account,
                 enum publish_change change);

/*
 * The account of an id in the last file that was made, whether that may still be believed or not: a
 * hint as to whose document to ask for. False if it knows none.
 */
bool publish_by_id(const struct publish *accounts, uint32_t id, bool gid,
                   struct cloud_snapshot_account *out);

/* The thread that writes files, for other work of this directory that waits for nothing. */
struct worker *publish_worker(const struct publish *accounts);

/* For operators: the file as it is published. */
struct publish_view {
    bool there, live; /* live: processes believe it; else they ask the daemon */
    bool failed;      /* the last one could not be written */
    uint64_t accounts, bytes;
    int64_t created;                  /* seconds since 1970 */
    size_t pending;                   /* of the worker */
    uint64_t builds, builds_failed;   /* since the start */
    uint64_t build_ms, last_build_ms; /* of all builds, of the last one */
};
void publish_look(const struct publish *accounts, struct publish_view *out);

/* There is no such account any more. Taken back at once. */
void publish_remove(struct publish *accounts, const char *project, const char *environment);

/* Nothing of all that is believed any more; what comes is of another origin, or of the same. */
void publish_clear(struct publish *accounts, const char *origin);

#endif
