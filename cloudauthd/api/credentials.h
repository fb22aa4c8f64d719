/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_CREDENTIALS_H
#define CLOUDAUTHD_API_CREDENTIALS_H

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The files that this host proves itself with. They are opened anew at every use, so a changed one
 * counts at once, and nothing of them is kept in memory longer than a request takes. No text that
 * is written here has any of their content in it.
 */

#define CREDENTIAL_MAX      65536u /* bytes of a file */
#define CREDENTIAL_TEXT_MAX 4096u  /* of a token, or of "id:secret" */

enum credential_kind {
    CREDENTIAL_TEXT,   /* a secret: one line of printable ASCII without a space */
    CREDENTIAL_KEY,    /* a secret: PEM */
    CREDENTIAL_PUBLIC, /* PEM that anybody may read */
};

/* What was in a file, and a NUL; freed by credential_wipe. */
struct credential {
    char *bytes;
    size_t length;
};

/*
 * The folder in which files are that are named without a path: $CREDENTIALS_DIRECTORY of
 * systemd.exec(5), or NULL. It is copied.
 */
void credentials_directory(const char *path);

/* Whether every name in conf stands for a path. False with the reason in why. */
bool credentials_check(const struct cloud_conf *conf, char *why, size_t size);

/*
 * The path that name, the value of key, stands for, if the file there is one we may use: regular,
 * owned by root or by us, at most CREDENTIAL_MAX bytes; a secret neither readable nor writable by
 * others than its owner (in the credentials directory root's may be readable by its group, which is
 * how an ACL shows); a public one not writable by them. False: why says "credential unusable: ...".
 */
bool credential_path(const char *key, const char *name, enum credential_kind kind,
                     char path[CLOUD_PATH_SIZE * 2], char *why, size_t size);

/* The same, and reads it. A text loses one newline at its end. */
bool credential_read(const char *key, const char *name, enum credential_kind kind,
                     struct credential *out, char *why, size_t size);
void credential_wipe(struct credential *credential);

/* A line of the log that an operator must act on: what, at most once a minute. */
void credential_alarm(const char *what);

#endif
