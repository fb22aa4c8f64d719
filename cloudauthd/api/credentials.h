/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_CREDENTIALS_H
#define CLOUDAUTHD_API_CREDENTIALS_H

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/* The files with which this host authenticates to the API, and ca_file. They are opened for every
 * use, so that a change takes effect at once, and their content is kept in memory no longer than a
 * request takes. The messages of these functions contain none of that content. */

#define CREDENTIAL_MAX       65536u /* the largest size of a file, in bytes */
#define CREDENTIAL_TEXT_MAX  4096u  /* the longest token, or "id:secret", in bytes */
#define CREDENTIAL_PATH_SIZE ((size_t)CLOUD_PATH_SIZE * 2)

enum credential_kind {
    CREDENTIAL_TEXT,   /* a secret: one line of printable ASCII without spaces */
    CREDENTIAL_KEY,    /* a private key in PEM */
    CREDENTIAL_PUBLIC, /* certificates in PEM, which are not secret */
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

/* The content of a file, followed by a NUL. credential_wipe frees it. */
struct credential {
    char *bytes; /* a buffer of CREDENTIAL_MAX + 2 bytes, or NULL */
    size_t length;
};

/* Sets the directory of the files that are configured by name, without a path: the value of
 * $CREDENTIALS_DIRECTORY (systemd.exec(5)), or NULL if it is not set. path is copied. */
void credentials_directory(const char *path);

/* Whether the paths of all credential files in conf are known: a name without a path needs the
 * credentials directory. If not, writes the reason to why. */
bool credentials_check(const struct cloud_conf *conf, char *why, size_t size);

/*
 * Reads a credential file, if it may be used: a regular file, owned by root or by the daemon's
 * user, of at most CREDENTIAL_MAX bytes. Only its owner may have access to a secret file, and only
 * its owner may write to a public one. A file of root in $CREDENTIALS_DIRECTORY may be readable by
 * its group, because stat(2) shows the ACL by which systemd grants the daemon access as permissions
 * of the group. Removes one newline at the end of a CREDENTIAL_TEXT. False with the reason,
 * "credential unusable: ...", in why, and *out empty.
 */
bool credential_read(const struct credential_file *file, struct credential *out, char *why,
                     size_t size);

/* Overwrites and frees the content, if there is any. */
void credential_wipe(struct credential *credential);

/* Logs "ALARM: " and what, which is a fault that an operator must correct. Alarms within a minute
 * after a logged one are dropped. */
void credential_alarm(const char *what);

#endif
