/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_CREDENTIALS_H
#define CLOUDAUTHD_API_CREDENTIALS_H

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The files with which this host proves itself to the API. They are opened anew at every use, so
 * that a change takes effect at once, and their content is not kept in memory longer than a request
 * takes. No message that is written here contains any of it.
 */

#define CREDENTIAL_MAX       65536u /* bytes of a file */
#define CREDENTIAL_TEXT_MAX  4096u  /* bytes of a token, or of "id:secret" */
#define CREDENTIAL_PATH_SIZE ((size_t)CLOUD_PATH_SIZE * 2)

enum credential_kind {
    CREDENTIAL_TEXT,   /* a secret: one line of printable ASCII without a space */
    CREDENTIAL_KEY,    /* a secret: PEM */
    CREDENTIAL_PUBLIC, /* PEM that is no secret */
};

enum credential_id {
    CREDENTIAL_TOKEN_FILE,
    CREDENTIAL_CLIENT_ID_FILE,
    CREDENTIAL_CLIENT_CERT,
    CREDENTIAL_CLIENT_KEY,
    CREDENTIAL_CA_FILE,
    CREDENTIALS
};

/* A file as it is configured: the setting, its value (a path, a name in the credentials directory,
 * or "" if it is not set), and what the file has to be. */
struct credential_file {
    const char *key, *name;
    enum credential_kind kind;
};
struct credential_file credential_file(const struct cloud_conf *conf, enum credential_id id);

/* The content of a file, with a NUL behind it; freed by credential_wipe. */
struct credential {
    char *bytes;
    size_t length;
};

/* Sets the directory of files that are named without a path: $CREDENTIALS_DIRECTORY of
 * systemd.exec(5), or NULL. It is copied. */
void credentials_directory(const char *path);

/* Whether the paths of all credentials in conf are known: a bare name needs the credentials
 * directory. False with the reason in why. */
bool credentials_check(const struct cloud_conf *conf, char *why, size_t size);

/*
 * Finds the path of a file that may be used: a regular file, owned by root or by the daemon's user,
 * of at most CREDENTIAL_MAX bytes. Only its owner may have access to a secret; but in the
 * credentials directory, where an ACL shows as rights of the group, the group of root's file may
 * read it. Only its owner may write to a public file. False: why says "credential unusable: ...".
 */
bool credential_path(const struct credential_file *file, char path[CREDENTIAL_PATH_SIZE], char *why,
                     size_t size);

/* Finds the path as credential_path does, and reads the file. One newline at the end of a text is
 * removed. */
bool credential_read(const struct credential_file *file, struct credential *out, char *why,
                     size_t size);

/* Overwrites and frees the content, if there is any. */
void credential_wipe(struct credential *credential);

/* Logs "ALARM: " and what an operator must act on, at most once a minute. */
void credential_alarm(const char *what);

#endif
