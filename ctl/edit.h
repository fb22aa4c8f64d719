/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_EDIT_H
#define CLOUD_CTL_EDIT_H

#include "ctl/ctl.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Changing one access document of an embedded API, access_url being
 * file://FOLDER/{project}/{environment}.json. One change at a time (flock(2) on a file of
 * the folder that only who may write there can open: a folder can be locked by whoever may read
 * it), written aside, checked by the parser that the daemon uses, synced, and renamed over the old
 * one: a host sees the old document or the new one. What we do not know in it stays.
 */

struct edit {
    struct cloud_conf conf;
    char folder[CLOUD_URL_SIZE];
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    char path[CLOUD_URL_SIZE + CLOUD_NAME_MAX + CLOUD_PROJECT_MAX + 16];
    int place, lock;    /* the folder, and its lock */
    struct cJSON *root; /* NULL: there is no document */
};

/* The folder of the settings' access_url. False after a message. */
bool edit_folder(const struct ctl *ctl, struct edit *edit);

/*
 * Locks if it is to be changed, and reads the environment's document (named as subject_environment
 * takes it), which must be valid as it stands. False after a message. To be ended with edit_end in
 * either case.
 */
bool edit_start(const struct ctl *ctl, const char *environment, bool change, struct edit *edit);
void edit_end(struct edit *edit);

/* A new document without people, where there is none. */
struct edit_account {
    uint32_t uid, gid;
    const char *title, *home, *shell;
};
bool edit_create(struct edit *edit, const struct edit_account *account);

/* False, after a message, if there is or is not such a one. */
bool edit_add_user(struct edit *edit, const char *username, const char *id, const char *mail,
                   const char *role);
bool edit_remove_user(struct edit *edit, const char *username);

/* line is a public key that keys_parse_line takes; title and expires may be "". */
bool edit_add_key(struct edit *edit, const char *username, const char *line, const char *title,
                  const char *expires);
bool edit_remove_key(struct edit *edit, const char *username, const char *fingerprint);

/* Checks and writes. CTL_YES, or another status after a message, which says so if it is changed all
 * the same. */
int edit_write(struct edit *edit);

#endif
