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
 * admits people, within the outage bound (cache.h). Below the state directory:
 *
 *   documents/<project>.<environment>   a document (document_file.h)
 *   documents/clock                     how often the wall clock was put back, counted from a
 *                                       number that the first start has chosen at random
 *
 * A worker thread writes and removes the documents, in the order of the calls; any thread may read
 * them (store_read). After the start the main thread never waits for the disk; a question waits
 * only if it needs a document that is being read or stored.
 *
 * A damaged file is set aside (*.damaged) with a line in the log; only its environment is unknown
 * until the API answers. A file of another host or of another API is not used, but stays.
 *
 * The age of a stored document is measured by the time since boot, whatever the wall clock does, as
 * long as the host is not rebooted. After a reboot only the wall clock can tell the age, and only
 * if it was not put back. Therefore the daemon counts how often the wall clock was put back. To
 * notice that while it runs, it compares the wall clock with the time since boot. At the start it
 * checks whether the last change of the directory is in the future. When it reads a document of
 * this boot, it checks whether the wall clock has advanced by less than the time since boot.
 *
 * Each document has the count of the time at which it was stored, and after a reboot the age is
 * known only of documents with the present count (STORE_AGE_UNKNOWN). A count that is lost, damaged
 * or could not be written is replaced by one that no document has. So putting the clock back
 * extends no outage bound; and after a clock was ahead for a while, the documents stored until it
 * was put right let no person in after a reboot until the API confirms them.
 */

struct store;

/*
 * Opens the store below a directory, which must exist. host and url are this host's host_id and
 * access_url: documents of another host or API are not used. The worker must be freed, which
 * finishes what is under way, before store_free. To be called only at the start, because it waits
 * for the disk. Reads no document.
 */
struct store *store_new(struct worker *worker, const char *directory, const char *host,
                        const char *url);
void store_free(struct store *store);

struct store_figures {
    uint64_t documents; /* files of documents, not counting those set aside */
    uint64_t writes;    /* attempts to write or remove a file since the start */
    uint64_t errors;    /* attempts that failed */
    bool failing;       /* the last one has failed */
};
void store_look(const struct store *store, struct store_figures *out);

/* Sets `documents` of store_figures at the start, to the number of documents that store_list has
 * found. */
void store_count(struct store *store, size_t documents);

/* Sets host and url (store_new) for documents that are stored or judged from now on. */
void store_configure(struct store *store, const char *host, const char *url);

#define STORE_NAME_SIZE (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)

/* The file of a document, as it was read. */
struct store_file {
    char name[STORE_NAME_SIZE];
    char *bytes;               /* the caller frees it; NULL: the file was not read */
    int error;                 /* if bytes is NULL: an errno; else 0 */
    bool failed;               /* the disk, memory or descriptors failed: the file may be good */
    bool is_whole;             /* the file is complete and undamaged */
    struct document_file file; /* if is_whole: the content of bytes */
};

/* Reads an environment's file. Uses only members of the store that never change, so any thread may
 * call it. Waits for the disk. */
void store_read(const struct store *store, const char *project, const char *environment,
                struct store_file *out);

/* The `asked` of a stored document whose age is not known; its `asked_wall` is 0. So it is older
 * than any bound: it lets no person in, and the account keeps its name. */
#define STORE_AGE_UNKNOWN (INT64_MIN / 4)

/*
 * Whether the file that store_read has read is a document of this host, API and environment. If so,
 * converts its `asked` to the clock of this boot, or sets STORE_AGE_UNKNOWN and logs why, at most
 * once a minute. If not, the reason is logged, unless there is no file; a damaged file is set
 * aside, unless the worker is far behind. The document must not have been stored or removed since
 * it was read.
 */
bool store_judge(struct store *store, struct store_file *file);

/* Returns the names of all files of documents, as n times "project\0environment\0", which the
 * caller frees. NULL, with a line in the log, if memory or the disk fails. Any thread may call it.
 * Waits for the disk. */
char *store_list(const struct store *store, size_t *n);

/* Called from the main thread. `ok`: the change is on the disk; if not, the reason has been
 * logged. */
typedef void store_done(void *arg, bool ok);

/* Stores a copy of a document. If that fails, the file of the former document is removed, because
 * it would admit people who have been removed since. */
void store_put(struct store *store, const struct stored_document *document, store_done *done,
               void *arg);

/*
 * Updates the times of a stored document that the API has confirmed; the body stays that of the
 * file. The file keeps its old times if its body has another hash, which a fault of the disk could
 * cause, and while the worker is far behind, so that jobs do not pile up while the disk hangs. Old
 * times only shorten the document's outage bound.
 */
void store_touch(struct store *store, const struct stored_document *document);

/* Removes a document, even one that is still being written. It is not an error if there is none. */
void store_remove(struct store *store, const char *project, const char *environment,
                  store_done *done, void *arg);

/* Returns the most seconds that the wall clock was ahead of the time since boot, as far as
 * store_watch_clock has seen or, before the clock was put back while no daemon ran, the files
 * show. */
int64_t store_ahead(const struct store *store);

/* Checks whether the wall clock was put back and, if so, increments the count. To be called about
 * every second, and before store_ahead is used. */
void store_watch_clock(struct store *store);

#endif
