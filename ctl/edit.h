/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_EDIT_H
#define CLOUD_CTL_EDIT_H

#include "ctl/ctl.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Changes one access document of an embedded API, where access_url is
 * file://DIRECTORY/{project}/{environment}.json.
 *
 * One change is made at a time, under flock(2) on DIRECTORY/.lock, which only users who may write
 * in the directory can open. (Every user who may read the directory could lock the directory
 * itself.) The document is checked by the daemon's own parser, written to a new file, synced, and
 * renamed over the old one, so that a host sees either the old document or the new one. Members
 * that are unknown here are kept.
 */

struct edit {
    struct cloud_conf conf;
    char directory[CLOUD_URL_SIZE];
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    char path[CLOUD_URL_SIZE + CLOUD_NAME_MAX + CLOUD_PROJECT_MAX + 16];
    int place, lock;    /* descriptors of the directory and its lock, or -1 */
    struct cJSON *root; /* NULL: there is no document */
    size_t left_out;    /* warnings of the document as it was */
};

/*
 * Locks the document of an environment (named as subject_environment takes it) and reads it; it
 * must be valid as it stands. create: makes the directory of the documents if it is missing; the
 * one above it must exist. False after a message. To be ended with edit_end in either case.
 */
bool edit_start(const struct ctl *ctl, const char *environment, bool create, struct edit *edit);
void edit_end(struct edit *edit);

/* Checks the document and writes it. CTL_YES; or another status, after a message that says if the
 * document is changed all the same. */
int edit_write(struct edit *edit);

#endif
