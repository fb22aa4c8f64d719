/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_CREDENTIALS_H
#define CLOUDAUTHD_API_CREDENTIALS_H

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/* The files with which this host authenticates to the API, and ca_file. They are opened at every
 * use, so that a change takes effect at once, and their content is kept in memory no longer than a
 * request takes. No message of these functions contains any of it. */

#define CREDENTIAL_MAX       65536u /* the largest size of a file, in bytes */
#define CREDENTIAL_TEXT_MAX  4096u  /* the longest token, or "id:secret", in bytes */
#define CREDENTIAL_PATH_SIZE ((size_t)CLOUD_PATH_SIZE * 2)

enum credential_kind {
    CREDENTIAL_TEXT,   /* a secret: one line of printable ASCII without a space */
    CREDENTIAL_KEY,    /* a secret key in PEM */
    CREDENTIAL_PUBLIC, /* certificates in PEM, which are no secret */
};

enum credential_id {
    CREDENTIAL_TOKEN_FILE,
    CREDENTIAL_CLIENT_ID_FILE,
    CREDENTIAL_CLIENT_CERT,
    CREDENTIAL_CLIENT_KEY,
    CREDENTIAL_CA_FILE,
    CREDENTIALS
};

/* A configured file. key is the name of its setting; name is an absolute path, a name in the
 * credentials directory, or "" if the setting is not set. */
struct credential_file {
    const char *key, *name;
    enum credential_kind kind;
};
struct credential_file credential_file(const struct cloud_conf *conf, enum credential_id id);

/* The content of a file, followed by a NUL; freed by credential_wipe. */
struct credential {
    char *bytes;
    size_t length;
};

/* Sets the directory of files that are configured without a path: $CREDENTIALS_DIRECTORY of
 * systemd.exec(5), or NULL. path is copied. */
void credentials_directory(const char *path);

/* Whether the paths of all credentials in conf are known: a bare name needs the credentials
 * directory. False with the reason in why. */
bool credentials_check(const struct cloud_conf *conf, char *why, size_t size);

/*
 * Writes the path of a file to path, and checks that the file may be used: a regular file, owned by
 * root or by the daemon's user, of at most CREDENTIAL_MAX bytes. Only its owner may have access to
 * a secret, and only its owner may write to a public file. In $CREDENTIALS_DIRECTORY systemd grants
 * access by an ACL, which stat(2) shows as rights of the group: there the group may read a file of
 * root's. False: why says "credential unusable: ...".
 */
bool credential_path(const struct credential_file *file, char path[CREDENTIAL_PATH_SIZE], char *why,
                     size_t size);

/* Checks a file as credential_path does, and reads it. One newline at the end of a CREDENTIAL_TEXT
 * is removed. False with the reason in why; *out is empty then. */
bool credential_read(const struct credential_file *file, struct credential *out, char *why,
                     size_t size);

/* Overwrites and frees the content, if there is any. */
void credential_wipe(struct credential *credential);

/* Logs "ALARM: " and what, on which an operator must act. Within a minute after an alarm, others
 * are not logged. */
void credential_alarm(const char *what);

#endif
