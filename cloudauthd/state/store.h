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
 * A worker thread writes and removes the documents, in the order of the calls; any other thread
 * reads them (store_read). After the start the main thread never waits for the disk; a question
 * waits only if it needs a document that is being read or stored.
 *
 * A damaged file is set aside (*.damaged) with a line in the log, and costs that one environment. A
 * file of another host or of another API is not used, and stays.
 *
 * The age of a document: within one boot the time since boot tells it, whatever the wall clock
 * does. After a reboot only the wall clock tells it, and only if that has not been put back. So the
 * daemon counts how often the wall clock was put back. It notices that by the time since boot while
 * it runs; at the start by the time of the last change of the directory; and by a document of this
 * boot when it reads that. Each document has the count at the time it was stored, and after a
 * reboot only documents with the present count are used; a count that is damaged goes on from one
 * that no document has. So a clock that is put back extends no bound, and one that was ahead for a
 * while costs the documents stored until then, until the API confirms them.
 */

struct store;

/*
 * Opens the store below a directory, which must exist. host and url are this host's host_id and
 * access_url: documents of another host or API are not used. The worker must be freed, which
 * finishes what is under way, before store_free. To be called at the start alone, because it waits
 * for the disk. It reads no document.
 */
struct store *store_new(struct worker *worker, const char *directory, const char *host,
                        const char *url);
void store_free(struct store *store);

struct store_figures {
    uint64_t documents; /* files of documents, without the damaged ones */
    uint64_t writes;    /* files that were to be written or removed, since the start */
    uint64_t errors;    /* of those, the ones that the disk refused */
};
void store_look(const struct store *store, struct store_figures *out);

/* Sets figures.documents at the start: the number of documents that store_list has found. */
void store_count(struct store *store, size_t documents);

/* The host and URL of documents that are stored from now on. */
void store_configure(struct store *store, const char *host, const char *url);

#define STORE_NAME_SIZE (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)

/* The file of a document, as it was read. */
struct store_file {
    char name[STORE_NAME_SIZE];
    char *bytes; /* the caller frees it; NULL: the file was not read */
    int error;   /* if bytes is NULL: an errno; else 0 */
    bool is_whole;
    struct document_file file; /* if is_whole: the content of bytes */
    bool is_own; /* set by store_judge: of this host, API and environment, if perhaps not usable */
};

/* Reads an environment's file. Uses only what never changes in the store, so any thread may call
 * it. Waits for the disk. */
void store_read(const struct store *store, const char *project, const char *environment,
                struct store_file *out);

/* Whether the document of a file that was read may be used; sets its `asked` by the clock of this
 * boot. If not, the reason is logged, unless there is no file; a damaged file is set aside, unless
 * the worker is far behind. The document must not have been stored or removed since it was read. */
bool store_judge(struct store *store, struct store_file *file);

/* The names of all files of documents, as n times "project\0environment\0", which the caller frees;
 * NULL, logged, if memory or the disk fails. Any thread may call it. Waits for the disk. */
char *store_list(const struct store *store, size_t *n);

/* Called from the main thread. ok: the change is on the disk; if not, the reason has been
 * logged. */
typedef void store_done(void *arg, bool ok);

/* Stores a copy of a document. If that fails, the file of the former document is removed, because
 * it would admit people who have been removed since. */
void store_put(struct store *store, const struct stored_document *document, store_done *done,
               void *arg);

/* Updates the times of a document that was confirmed again, without writing its body. The file
 * keeps its old times if its body has another hash, which a fault of the disk could cause, and
 * while the worker is far behind, so that jobs do not pile up while the disk hangs. Old times only
 * shorten the document's bound. */
void store_touch(struct store *store, const struct stored_document *document);

/* Removes a document, also one that is still being written. It is no failure if there is none. */
void store_remove(struct store *store, const char *project, const char *environment,
                  store_done *done, void *arg);

/* Seconds by which the wall clock was ahead of the time since boot before it was put back while no
 * daemon ran, as far as the disk tells; 0: it was not put back. */
int64_t store_was_ahead(const struct store *store);

/* Finds out whether the wall clock was put back. To be called every second or so. */
void store_watch_clock(struct store *store);

#endif
