/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_STORE_H
#define CLOUDAUTHD_STATE_STORE_H

#include "base/digest.h"
#include "base/loop.h"
#include "base/validator.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The last good documents and the uid bindings on disk, so that a host that restarts in an outage
 * still lets people in, within the bound. Below the store's folder:
 *
 *   documents/<project>.<environment>   one document each
 *   owners                              a line for each binding, and for each that was taken back
 *                                       (uid and gid 0), only ever added to
 *   documents/clock                     how often the wall clock was put back, where it was
 *
 * A document's file (stored.h) is written aside, synced, and renamed over the old one, by one
 * worker thread on a copy, which removes files as well, in the order that was asked for: after the
 * start no lookup waits for the disk.
 *
 * What is damaged is set aside (*.damaged) with a line in the log, and costs that one environment.
 * What is of another host or another API is not used, and stays.
 *
 * How old a document is: within one boot the time since boot tells, whatever the wall clock does.
 * After a reboot only the wall clock does, and only where it has run on since: each time it is seen
 * to be put back (by the time since boot while the daemon runs, by a document from its future at
 * the start) is counted, each document has the count of when it was kept, and after a reboot those
 * of the present count alone are used. So a clock that was put back lengthens no bound, and one
 * that was ahead for a while costs what was kept until then, until the API confirms it.
 */

struct store;

/* What is kept of a document besides its body. */
struct store_entry {
    const char *project, *environment;
    struct validator validator;
    int64_t asked;      /* cloud_clock_ms() when the request was sent that last confirmed it */
    int64_t asked_wall; /* the same on the wall clock, seconds since 1970 */
    unsigned char hash[DIGEST_SIZE]; /* store_touch: SHA-256 of the body it is about */
};

/*
 * Opens the store below folder, which must exist, and starts the worker. host and url are this
 * host's host_id and access_url: documents of others are not believed. NULL with the reason logged.
 */
struct store *store_new(struct loop *loop, const char *folder, const char *host, const char *url);

/* Finishes what is under way, then ends the worker. */
void store_free(struct store *store);

/* For operators: the files of documents, damaged ones left out, and what the worker has to do. */
struct store_figures {
    uint64_t documents, bytes;
    size_t pending;
    uint64_t writes; /* files that were to be written or removed, since the start */
    uint64_t errors; /* of those, the ones that the disk refused */
};
void store_look(const struct store *store, struct store_figures *out);

/* For documents from now on. */
void store_configure(struct store *store, const char *host, const char *url);

/* One stored document; entry and body are borrowed for the call. Returns whether it was taken. */
typedef bool store_each(void *arg, const struct store_entry *entry, const void *body,
                        size_t length);

/*
 * Calls each for every whole document whose age can be told. Returns how many were taken. For the
 * start, before there are requests: it reads the disk.
 */
size_t store_load(struct store *store, store_each *each, void *arg);

/* From the loop, perhaps before the call returns: ok, it is on the disk; else that was logged. */
typedef void store_done(void *arg, bool ok);

/*
 * Keeps a document (the bytes are copied). Where that fails the file of the former document goes as
 * well, because it would bring back who was removed.
 */
void store_put(struct store *store, const struct store_entry *entry, const void *body,
               size_t length, store_done *done, void *arg);

/* The document was confirmed again: its times are written anew, without haste, if it is the one
 * that is stored. Another's, which a disk fault left there, stay as they are. */
void store_touch(struct store *store, const struct store_entry *entry);

/* Removes a document, also one that is still being written. One that is not there is no failure. */
void store_remove(struct store *store, const char *project, const char *environment,
                  store_done *done, void *arg);

/* To be called every second or so: sees whether the wall clock was put back. */
void store_watch_clock(struct store *store);

/* A binding line. */
struct store_binding {
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];
    uint32_t uid, gid;
};

/* Whether the line says that what the environment had before is not its own any more. */
bool store_binding_is_release(const struct store_binding *owner);

/* Calls each for every line, in the order they were written. Damaged lines are logged and passed
 * over, and the file is copied aside. False if the file is there and cannot be read. */
bool store_load_bindings(struct store *store, void (*each)(void *arg, const struct store_binding *),
                         void *arg);

/* Adds a binding. It is on the disk before any document that is put later: nobody is told of a uid
 * that a crash could give to somebody else. A failure is logged. */
void store_add_binding(struct store *store, const struct store_binding *owner);

/* Writes that an environment's binding is taken back. */
void store_release_binding(struct store *store, const char *project, const char *environment,
                           store_done *done, void *arg);

#endif
