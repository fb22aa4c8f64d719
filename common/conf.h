/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_CONF_H
#define CLOUD_COMMON_CONF_H

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The configuration: `key = value` lines, '#' comments, described in cloudauth.conf(5).
 * One grammar and one parser serve the file and the PAM arguments. Reading it allocates nothing
 * and uses no stdio, because the NSS module reads it in every process of the host.
 */

#ifndef CLOUD_CONF_PATH
#define CLOUD_CONF_PATH "/etc/cloudauth/cloudauth.conf"
#endif
#define CLOUD_CONF_MAX          65536u /* bytes of the file */
#define CLOUD_CONF_LINE_MAX     4096u  /* bytes of a line */
#define CLOUD_SIGNING_KEYS_SIZE 256    /* of up to four keys */
#define CLOUD_URL_SIZE          1024
#define CLOUD_PATH_SIZE         256
#define CLOUD_ID_FLOOR          1000u       /* no host can set uid_min below: root is never ours */
#define CLOUD_ID_CEILING        2147483646u /* keeps clear of (uid_t)-1 and of signed readers */

/* Settings of the release before this one. They are accepted and ignored, whatever their value, so
 * that an upgrade does not keep the daemon from starting; the next release refuses them. */
#define CLOUD_CONF_OBSOLETE 2
struct cloud_conf_obsolete {
    const char *key, *instead; /* instead: a sentence that names the replacement */
};
extern const struct cloud_conf_obsolete cloud_conf_obsolete[CLOUD_CONF_OBSOLETE];

struct cloud_conf {
    uint32_t uid_min, uid_max;
    uint32_t ssh_gid, sftp_gid;                       /* the marker groups */
    uint32_t keys_fresh, account_fresh, absent_fresh; /* seconds */
    uint32_t max_stale;                               /* seconds, at most 86400 */
    uint32_t connect_timeout, request_timeout;        /* seconds */
    char access_url[CLOUD_URL_SIZE];
    char accounts_url[CLOUD_URL_SIZE]; /* of the account list; "" : there is none */
    /* What the host proves itself with, "" where it is not set: absolute paths, or names in
     * systemd's credentials directory (cloudauthd/api/credentials.h). */
    char token_file[CLOUD_PATH_SIZE];
    char token_url[CLOUD_URL_SIZE];
    char client_id_file[CLOUD_PATH_SIZE];
    char client_cert[CLOUD_PATH_SIZE], client_key[CLOUD_PATH_SIZE];
    char ca_file[CLOUD_PATH_SIZE];
    char proxy[CLOUD_PATH_SIZE];               /* a URL */
    char signing_key[CLOUD_SIGNING_KEYS_SIZE]; /* "", or base64 keys with a space between them */
    char host_id[256];   /* "" until cloud_conf_read put the host name there */
    char env_prefix[32]; /* of the session's environment variables */
    bool enumerate;      /* getpwent(3) lists the accounts of the snapshot */
    uint32_t session_recheck, session_max_stale; /* seconds; 0: off */
    unsigned obsolete_line[CLOUD_CONF_OBSOLETE]; /* where such a setting stands; 0: nowhere */
    struct cloud_grammar grammar;                /* last: its lists are not cleared */
};

/* Where and why a configuration was not taken. */
struct cloud_conf_error {
    unsigned line; /* 0: the file as a whole, or a PAM argument */
    char text[200];
};

/* The defaults; access_url and allow are empty, which cloud_conf_check refuses. */
void cloud_conf_defaults(struct cloud_conf *conf);

/*
 * Sets one `key = value` (or "key=value"), a line of n bytes without its newline. Blank lines and
 * comments are no error. error->line is the number of the line, 0 for none. False: error->text says
 * why, and conf is not to be used.
 */
bool cloud_conf_line(struct cloud_conf *conf, const char *line, size_t n,
                     struct cloud_conf_error *error);

/* What no single line shows: required keys, ranges that belong together. */
bool cloud_conf_check(const struct cloud_conf *conf, struct cloud_conf_error *error);

/*
 * Reads defaults plus file into *conf and checks it. The opened file must be a regular file owned
 * by owner, writable by nobody else, and at most CLOUD_CONF_MAX bytes. On false, *error says why
 * and *conf is not to be used. Does not keep errno.
 */
bool cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                     struct cloud_conf_error *error);

/* Whether id is in the range that cloud accounts and their groups have on this host. */
bool cloud_conf_id_ours(const struct cloud_conf *conf, uint32_t id);

#endif
