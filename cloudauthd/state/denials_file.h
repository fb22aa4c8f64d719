/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_DENIALS_FILE_H
#define CLOUDAUTHD_STATE_DENIALS_FILE_H

#include "access/denials.h"
#include "base/worker.h"

/*
 * The file `denials` of the state directory (statefile.h), with a line for each denial
 * (denials_format). A worker thread writes it before the operator is answered. While the file is
 * damaged or cannot be read it is unknown who is denied: then every login is denied, and the log
 * says so, until an operator begins a new list (cloudauthctl undeny --all). The damaged file stays
 * in its place, so that a restart finds it.
 */

struct denials_file;

/* Reads the file below a directory, which must exist, and logs what is wrong with it. The worker
 * must be freed, which finishes its work, before denials_file_free. */
struct denials_file *denials_file_new(struct worker *worker, const char *directory);
void denials_file_free(struct denials_file *file);

/* The denials in force. The pointer is valid until denials_file_free, and shows later changes. */
const struct denials *denials_file_list(const struct denials_file *file);

/* Whether a change is being written. Only one change can be written at a time. */
bool denials_file_busy(const struct denials_file *file);

/* Called from the main thread. problem is NULL if the change is on the disk, else a sentence. */
typedef void denials_done(void *arg, const char *problem);

struct denials_change {
    const struct denial *denial; /* NULL: all are removed, those of a damaged file included */
    bool is_new; /* `denial` is added; else it is removed, by kind and subject alone */
    denials_done *done;
    void *arg;
};

/*
 * Changes the list. A new denial replaces the denial of the same subject. It is in force from this
 * call on, even if it cannot be written, which done is then told; a removal is in force when it is
 * on the disk. False, with *why and without a call of done, if there are too many denials, if there
 * is none to remove, while another change is being written, or while the list is damaged, unless
 * the change removes all.
 */
bool denials_file_change(struct denials_file *file, const struct denials_change *change,
                         const char **why);

#endif
