/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_EDIT_H
#define CLOUD_CTL_EDIT_H

#include "ctl/ctl.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Changes one access document of an embedded API, whose access_url is
 * file://DIRECTORY/{project}/{environment}.json. One change is made at a time, under flock(2) on
 * DIRECTORY/.lock, which only users who may write in the directory can open (the directory itself
 * could be locked by every user who may read it). The document is checked by the parser that the
 * daemon uses, written aside, synced, and renamed over the old one: a host sees the old document or
 * the new one. Members that are unknown here stay.
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

/* Fills in conf and directory from the host's settings. False after a message. */
bool edit_directory(const struct ctl *ctl, struct edit *edit);

/*
 * Locks if it is to be changed, and reads the environment's document (named as subject_environment
 * takes it), which must be valid as it stands. False after a message. To be ended with edit_end in
 * either case.
 */
bool edit_start(const struct ctl *ctl, const char *environment, bool change, struct edit *edit);
void edit_end(struct edit *edit);

/* Makes a new document without users. False, after a message, if there is one already. */
struct edit_account {
    uint32_t uid, gid;
    const char *title, *home, *shell;
};
bool edit_create(struct edit *edit, const struct edit_account *account);

/* Adds or removes a user. False, after a message, if the user is there already, or is not there. */
bool edit_add_user(struct edit *edit, const char *username, const char *id, const char *mail,
                   const char *role);
bool edit_remove_user(struct edit *edit, const char *username);

/* line is a public key that keys_parse_line takes; title and expires may be "". */
bool edit_add_key(struct edit *edit, const char *username, const char *line, const char *title,
                  const char *expires);
bool edit_remove_key(struct edit *edit, const char *username, const char *fingerprint);

/* Adds a directory for sFTP, or removes it. False, after a message, if it is listed already, or is
 * not listed. */
bool edit_add_mount(struct edit *edit, const char *path, bool writable);
bool edit_remove_mount(struct edit *edit, const char *path);

/* Checks the document and writes it. CTL_YES, or another status after a message, which says if the
 * document is changed all the same. */
int edit_write(struct edit *edit);

#endif
