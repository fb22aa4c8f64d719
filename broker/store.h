/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_STORE_H
#define CLOUD_BROKER_STORE_H

#include "api.h"
#include "keys.h"
#include "loop.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The last good documents and the uid bindings on disk, so that a host that restarts in an outage
 * still lets people in, within the bound. Below the store's folder:
 *
 *   documents/<project>.<environment>   one document each
 *   owners                              a line for each binding, only ever added to
 *
 * A document's file is text: a first line with the format's version, a second with the SHA-256 of
 * all that follows it, then `name value` lines (host, url, project, environment, asked, boot, etag,
 * modified, length), a blank line, and the body as it came. It is written aside, synced, and
 * renamed over the old one, by one worker thread on a copy: no lookup waits for the disk.
 *
 * What is damaged is set aside (*.damaged) with a line in the log, and costs that one environment.
 * What is of another host or another API is not used, and stays.
 */

struct store;

/* What is kept of a document besides its body. */
struct store_entry {
    const char *project, *environment;
    struct api_validator validator;
    int64_t asked;      /* loop_now() when the request was sent that last confirmed it */
    int64_t asked_wall; /* the same on the wall clock, seconds since 1970 */
    unsigned char hash[KEY_FINGERPRINT_SIZE]; /* store_touch: SHA-256 of the body it is about */
};

/*
 * Opens the store below folder, which must exist, and starts the worker. host and url are this
 * host's host_id and access_url: documents of others are not believed. NULL with the reason logged.
 */
struct store *store_new(struct loop *loop, const char *folder, const char *host, const char *url);

/* Finishes what is under way, then ends the worker. */
void store_free(struct store *store);

/* For documents from now on. */
void store_configure(struct store *store, const char *host, const char *url);

/* One stored document; entry and body are borrowed for the call. Returns whether it was taken. */
typedef bool store_each(void *arg, const struct store_entry *entry, const void *body,
                        size_t length);

/*
 * Calls each for every whole document, the youngest times untouched. Where the wall clock stands
 * before one of them was fetched, nothing is given: nobody can tell how old it all is.
 * Returns how many were taken. For the start, before there are requests: it reads the disk.
 */
size_t store_load(struct store *store, store_each *each, void *arg);

/*
 * Keeps a document (the bytes are copied). done is called from the loop when it is on the disk, or
 * when that failed, which is logged: then the file of the former document is gone as well, because
 * it would bring back who was removed.
 */
void store_put(struct store *store, const struct store_entry *entry, const void *body,
               size_t length, void (*done)(void *arg), void *arg);

/* The document was confirmed again: its times are written anew, without haste, if it is the one
 * that is stored. Another's, which a disk fault left there, stay as they are. */
void store_touch(struct store *store, const struct store_entry *entry);

/* Forgets a document at once, also one that is being written. */
void store_remove(struct store *store, const char *project, const char *environment);

/* A binding line. */
struct store_owner {
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];
    uint32_t uid, gid;
};

/* Calls each for every binding, in the order they were made. Damaged lines are logged and passed
 * over, and the file is copied aside. False if the file is there and cannot be read. */
bool store_load_owners(struct store *store, void (*each)(void *arg, const struct store_owner *),
                       void *arg);

/* Adds a binding. It is on the disk before any document that is put later: nobody is told of a uid
 * that a crash could give to somebody else. A failure is logged. */
void store_add_owner(struct store *store, const struct store_owner *owner);

#endif
