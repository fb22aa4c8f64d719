/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_DENIALS_FILE_H
#define CLOUDAUTHD_STATE_DENIALS_FILE_H

#include "access/denials.h"
#include "base/worker.h"

/*
 * The file `denials` of the state directory (statefile.h), with a line for each denial
 * (denials_format). A worker thread writes it before the operator gets an answer. If the file is
 * damaged at the start, it is not known who is denied: this is logged, and every login is denied
 * until an operator starts a new list (cloudauthctl undeny --all). Until then the file stays in
 * place, so that a restart denies every login as well. If it cannot be read, and may be good
 * (statefile_may_be_good), the daemon ends, and is started again.
 */

struct denials_file;

/* Reads the file in a directory, which must exist, and logs if the file is damaged. The worker must
 * be freed, which finishes its work, before denials_file_free. */
struct denials_file *denials_file_new(struct worker *worker, const char *directory);
void denials_file_free(struct denials_file *file);

/* Returns the denials in force. The pointer is valid until denials_file_free; the list it points to
 * changes with denials_file_change. */
const struct denials *denials_file_list(const struct denials_file *file);

/* Whether a change is being written. Only one change can be written at a time. */
bool denials_file_busy(const struct denials_file *file);

/* Called from the main thread. `problem` is NULL if the change is on the disk, otherwise a sentence
 * that says why it is not. */
typedef void denials_done(void *arg, const char *problem);

struct denials_change {
    const struct denial *denial; /* NULL: all are removed, those of a damaged file included */
    bool is_new; /* `denial` is added; otherwise the denial with its kind and subject is removed */
    denials_done *done;
    void *arg;
};

/*
 * Changes the list. A new denial replaces the one of the same kind and subject or, in a full list,
 * the one that has expired first. It is in force from this call on, even if it cannot be written,
 * which `done` then reports; a removal is in force once it is on the disk. Returns false, sets *why
 * to a static sentence and does not call `done`, if there are too many denials, if there is none to
 * remove, while another change is being written, or while the list is damaged and the change does
 * not remove all.
 */
bool denials_file_change(struct denials_file *file, const struct denials_change *change,
                         const char **why);

#endif
