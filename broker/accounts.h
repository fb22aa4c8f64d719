/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_ACCOUNTS_H
#define CLOUD_BROKER_ACCOUNTS_H

#include "loop.h"
#include "snapshot.h"

#include <stdbool.h>

/*
 * The accounts that accounts.snapshot is made of, and its making: a mirror of them is kept and
 * written by a worker thread of its own, so that no lookup waits for it, and store commits do not
 * either. Changes are gathered: a file is made ACCOUNTS_GATHER_MS after the first of them, and so
 * seldom that making takes no more than 1/ACCOUNTS_SHARE of a core.
 *
 * What must not be believed any more is taken back at once: the published file is marked retired,
 * and until the next one is there every lookup asks the broker.
 */
#define ACCOUNTS_GATHER_MS 50
#define ACCOUNTS_RENEW_MS  1000 /* where only times have changed */
#define ACCOUNTS_SHARE     20
#define ACCOUNTS_RETRY_MS  10000 /* after a file could not be written */

struct accounts;

/*
 * The file below folder, which must exist and be ours. One that an earlier process left serves
 * until the first new one is there, if it is of the same origin: the settings that decide whose
 * word is believed; else it is retired. NULL, logged, if memory or the thread is not to be had.
 */
struct accounts *accounts_new(struct loop *loop, const char *folder, const char *origin);

/* Finishes what is being written. The file stays as it is published. */
void accounts_free(struct accounts *accounts);

enum accounts_change {
    ACCOUNTS_NEW,     /* nothing was known of it, or nothing but by a list or an earlier daemon;
                       * where the published file differs from it, as ACCOUNTS_CHANGED */
    ACCOUNTS_RENEWED, /* the same, confirmed: only its times are others */
    ACCOUNTS_CHANGED, /* what is published of it is wrong: taken back at once */
    ACCOUNTS_LISTED,  /* one of many: published with the next file, or after accounts_make */
};

/*
 * An account as its document has it, or as a list has it (ACCOUNTS_LISTED): that replaces no
 * document's, but confirms it where it says the same. The strings are copied.
 */
void accounts_put(struct accounts *accounts, const struct snapshot_account *account,
                  enum accounts_change change);

/* A list is complete: what was put of it is worth a file. */
void accounts_make(struct accounts *accounts);

/*
 * The account of an id in the last file that was made, whether that may still be believed or not: a
 * hint as to whose document to ask for. False if it knows none.
 */
bool accounts_by_id(const struct accounts *accounts, uint32_t id, bool gid,
                    struct cloud_snapshot_account *out);

/*
 * Has on_void called, from accounts_put, for each environment whose ids the file had by a list's
 * word, where a document has them otherwise, or has them itself: a process that had looked it up
 * before may go on with those.
 */
typedef void accounts_void(void *arg, const char *project, const char *environment);
void accounts_on_void(struct accounts *accounts, accounts_void *on_void, void *arg);

/* loop_now() when a file was made in which a list's ids of some environment were others than in the
 * list before: of that one, nobody knows of which. 0: never. */
int64_t accounts_relisted(const struct accounts *accounts);

/* For operators: the file as it is published. */
struct accounts_view {
    bool there, live; /* live: processes believe it; else they ask the daemon */
    bool failed;      /* the last one could not be written */
    uint64_t accounts, bytes;
    int64_t created; /* seconds since 1970 */
    size_t pending;  /* of the worker */
};
void accounts_look(const struct accounts *accounts, struct accounts_view *out);

/* There is no such account any more. Taken back at once. */
void accounts_remove(struct accounts *accounts, const char *project, const char *environment);

/* Nothing of all that is believed any more; what comes is of another origin, or of the same. */
void accounts_clear(struct accounts *accounts, const char *origin);

#endif
