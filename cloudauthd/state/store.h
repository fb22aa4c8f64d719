/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_STORE_H
#define CLOUDAUTHD_STATE_STORE_H

#include "base/worker.h"
#include "cloudauthd/state/document_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The last good documents on disk, so that a host that restarts during an outage of the API still
 * admits people, within the bound. Below the state directory:
 *
 *   documents/<project>.<environment>   a document (document_file.h)
 *   documents/clock                     how often the wall clock was put back
 *
 * A document is written by a worker thread on a copy, and removed by the same thread, in the order
 * of the calls; any other thread reads it (store_read). After the start the main thread never waits
 * for the disk; questions wait that need a document which is being read or stored.
 *
 * A damaged file is set aside (*.damaged) with a line in the log, and costs that one environment. A
 * file of another host or of another API is not used, and stays.
 *
 * The age of a document: within one boot the time since boot tells it, whatever the wall clock
 * does. After a reboot the wall clock alone does, and only where it has not been put back. So each
 * time it is found put back is counted: by the time since boot while the daemon runs; at the start
 * by the time of the last change of the directory; by a document of this boot when that is read.
 * Each document has the count at the time it was stored, and after a reboot only documents with the
 * present count are used. So a clock that is put back extends no bound, and one that was ahead for
 * a while costs the documents stored until then, until the API confirms them.
 */

struct store;

/*
 * Opens the store below a directory, which must exist. host and url are this host's host_id and
 * access_url: documents of another host or API are not used. The worker must be freed, which
 * finishes what is under way, before store_free. NULL if out of memory, or with the reason logged.
 * To be called at the start alone, because it waits for the disk. It counts the documents and reads
 * none.
 */
struct store *store_new(struct worker *worker, const char *directory, const char *host,
                        const char *url);
void store_free(struct store *store);

struct store_figures {
    uint64_t documents; /* files without the damaged ones */
    uint64_t writes;    /* files that were to be written or removed, since the start */
    uint64_t errors;    /* of those, the ones that the disk refused */
};
void store_look(const struct store *store, struct store_figures *out);

/* The host and URL of documents that are stored from now on. */
void store_configure(struct store *store, const char *host, const char *url);

#define STORE_NAME_SIZE (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)

/* The file of a document, as it was read. */
struct store_file {
    char name[STORE_NAME_SIZE];
    char *bytes; /* the caller frees it; or NULL with: */
    int error;   /* an errno */
    bool is_whole;
    struct document_file file; /* is_whole */
};

/* Reads an environment's file. Uses what never changes of the store, so any thread may call it; it
 * waits for the disk. */
void store_read(const struct store *store, const char *project, const char *environment,
                struct store_file *out);

/* Whether the document of a file that was read may be used: `asked` is then by this boot's clock.
 * Else the reason is logged, unless there is no file; a damaged one is set aside. It must not have
 * been stored or removed since. */
bool store_judge(struct store *store, struct store_file *file);

/* The names of all files of documents, as n times "project\0environment\0", which the caller frees;
 * NULL, logged, if memory or the disk fails. Like store_read. */
char *store_list(const struct store *store, size_t *n);

/* From the main thread, perhaps before the call returns: ok if the change is on the disk; else the
 * reason has been logged. */
typedef void store_done(void *arg, bool ok);

/* Stores a copy of a document. If that fails, the file of the former document is removed, because
 * it would admit people who have been removed since. */
void store_put(struct store *store, const struct stored_document *document, store_done *done,
               void *arg);

/* Updates the times of a document that was confirmed again, without writing its body. The file
 * keeps its old times if its body has another hash, which a fault of the disk could cause. */
void store_touch(struct store *store, const struct stored_document *document);

/* Removes a document, also one that is still being written. One that is not there is no failure. */
void store_remove(struct store *store, const char *project, const char *environment,
                  store_done *done, void *arg);

/* Seconds that the wall clock was ahead of the time since boot before it was put back while no
 * daemon ran, as far as the disk tells; 0: it was not. */
int64_t store_was_ahead(const struct store *store);

/* Finds out whether the wall clock was put back. To be called every second or so. */
void store_watch_clock(struct store *store);

#endif
