/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_DENIALS_FILE_H
#define CLOUDAUTHD_STATE_DENIALS_FILE_H

#include "access/denials.h"
#include "base/loop.h"

/*
 * Denials are kept in the file `denials` of the state directory: a first line with the format's
 * version, a second with the SHA-256 of the rest, then a line each (denials_format). It is written
 * aside, synced and renamed by a worker thread, before the operator is answered. Where the file
 * cannot be read or is damaged nobody can tell who is denied: everybody is, loudly, until an
 * operator clears it (cloudauthctl undeny --all).
 */

struct denials_file;

/* Reads the file below folder, which must exist; logs what is wrong with it. NULL, logged, if
 * memory or the worker's thread is not to be had. */
struct denials_file *denials_file_new(struct loop *loop, const char *folder);

/* Finishes what is being written. */
void denials_file_free(struct denials_file *file);

/* What is in force, as long as the file lives. */
const struct denials *denials_file_list(const struct denials_file *file);

/* Whether a change is on its way to the disk: only one is at a time. */
bool denials_file_busy(const struct denials_file *file);

/* problem: NULL if it is on the disk, else a sentence. */
typedef void denials_done(void *arg, const char *problem);

/*
 * Adds a denial, or replaces the one of the same subject. It holds from this call on, also if it
 * cannot be written, which done is then told. False, with *why and without a call of done, if there
 * are too many or another change is on its way to the disk.
 */
bool denials_file_add(struct denials_file *file, const struct denial *denial, denials_done *done,
                      void *arg, const char **why);

/* Takes one away (only kind and subject count), or all (NULL), also of a damaged file. Holds when
 * it is on the disk. False as above, or if there is none such. */
bool denials_file_remove(struct denials_file *file, const struct denial *denial, denials_done *done,
                         void *arg, const char **why);

#endif
