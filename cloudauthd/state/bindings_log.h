/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_BINDINGS_LOG_H
#define CLOUDAUTHD_STATE_BINDINGS_LOG_H

#include "access/bindings.h"
#include "base/worker.h"

#include <stdbool.h>

/*
 * The file `owners` of the state directory: a log of which uid and gid were bound to which
 * environment, and of each binding that was released. A line is
 *
 *   <uid> <gid> <project> <environment> <16 hexadecimal digits of the SHA-256 of the text before>
 *
 * A release has uid and gid 0. The daemon only ever appends to the file, so a crash leaves the
 * state before a change or after it. It takes back what a full disk has taken of a line.
 */

struct bindings_log;

/*
 * Opens the log in a directory, which must exist. The worker appends the lines. If the store
 * (store.h) uses the same worker, a binding is on the disk before any document that is stored after
 * it, so that no process gets a uid that could belong to another environment after a crash. The
 * worker must be freed, which finishes its work, before bindings_log_free.
 */
struct bindings_log *bindings_log_new(struct worker *worker, const char *directory);
void bindings_log_free(struct bindings_log *log);

/*
 * Calls `each` for every line, in the order in which they were written; the strings are borrowed
 * for the call. If lines are damaged, skips them, logs that, copies the file to owners.damaged and
 * sets *damaged; otherwise clears *damaged. Ends the daemon if the file exists but cannot be read.
 * To be called only at the start, because it waits for the disk.
 */
void bindings_log_load(struct bindings_log *log,
                       void (*each)(void *arg, const struct binding *binding), void *arg,
                       bool *damaged);

/* Whether a line releases the binding that the environment had before. */
bool bindings_log_is_release(const struct binding *line);

/* Appends a binding. A failure is logged, and bindings_log_retry tries again. */
void bindings_log_add(struct bindings_log *log, const struct binding *binding);

/* Called from the main thread. `ok`: the release is on the disk; if not, the reason has been
 * logged. */
typedef void bindings_log_done(void *arg, bool ok);

/* Appends a line that releases the binding of an environment. */
void bindings_log_release(struct bindings_log *log, const char *project, const char *environment,
                          bindings_log_done *done, void *arg);

/* Tries again to append the bindings that could not be written, except those whose environment has
 * been bound again or released since. To be called about every second. */
void bindings_log_retry(struct bindings_log *log);

#endif
