/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_CONF_H
#define CLOUD_COMMON_CONF_H

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The configuration, cloudauth.conf(5): lines of `key = value`, and comments that begin with '#'.
 * The arguments of the PAM module have the same syntax and the same parser. The parser neither
 * allocates nor uses stdio, because the NSS module runs it in every process of the host.
 */

#ifndef CLOUD_CONF_PATH
#define CLOUD_CONF_PATH "/etc/cloudauth/cloudauth.conf"
#endif
#define CLOUD_CONF_MAX          65536u /* bytes of the file */
#define CLOUD_CONF_LINE_MAX     4096u  /* bytes of a line */
#define CLOUD_SIGNING_KEYS_SIZE 256    /* up to four keys in base64, with spaces between them */
#define CLOUD_URL_SIZE          1024
#define CLOUD_PATH_SIZE         256
#define CLOUD_CONF_HOMES        "/app/*"
#define CLOUD_ID_FLOOR          1000u       /* the least uid_min that a host can set */
#define CLOUD_ID_CEILING        2147483646u /* less than (uid_t)-1, and positive as an int */

/* Settings of earlier releases that have no effect now. They are accepted with any value, so that
 * the daemon starts after an upgrade; the next release refuses them. */
#define CLOUD_CONF_OBSOLETE 3
struct cloud_conf_obsolete {
    const char *key, *instead; /* instead: a sentence that names the replacement */
};
extern const struct cloud_conf_obsolete cloud_conf_obsolete[CLOUD_CONF_OBSOLETE];

struct cloud_conf {
    uint32_t uid_min, uid_max;
    uint32_t ssh_gid, sftp_gid; /* gids of the marker groups (sshd's Match blocks) */
    uint32_t keys_fresh, account_fresh, absent_fresh; /* seconds */
    uint32_t max_stale;                               /* seconds, at most 86400 */
    uint32_t connect_timeout, request_timeout;        /* seconds */
    char access_url[CLOUD_URL_SIZE];
    char changes_url[CLOUD_URL_SIZE]; /* URL of the change feed; "": there is none */
    uint32_t changes_wait;            /* seconds that the server may hold its answer */
    /* The host's credentials: absolute paths, or names in systemd's credentials directory
     * (cloudauthd/api/credentials.h); "" if not set. */
    char token_file[CLOUD_PATH_SIZE];
    char token_url[CLOUD_URL_SIZE];
    char client_id_file[CLOUD_PATH_SIZE];
    char client_cert[CLOUD_PATH_SIZE], client_key[CLOUD_PATH_SIZE];
    char ca_file[CLOUD_PATH_SIZE];
    char proxy[CLOUD_PATH_SIZE];               /* a URL; "": no proxy */
    char api_socket[CLOUD_PATH_SIZE];          /* Unix socket for http requests; "" if not set */
    char signing_key[CLOUD_SIGNING_KEYS_SIZE]; /* "", or base64 keys with a space between them */
    char host_id[256];   /* "" if not set; the daemon then sets the host name */
    char env_prefix[32]; /* prefix of the session's environment variables */
    bool enumerate;      /* getpwent(3) lists the accounts of the snapshot */
    uint32_t session_recheck, session_max_stale; /* seconds; 0: never */
    uint32_t certificates_max; /* seconds that a certificate may be valid; UINT32_MAX: any number */
    char certificates_claims[64]; /* name of the extension with a certificate's claims */
    bool session_outlives_certificate;
    unsigned obsolete_line[CLOUD_CONF_OBSOLETE]; /* number of the line with the setting; 0: none */
    /* The lists of words are last, because cloud_conf_defaults clears only what stands before their
     * texts. */
    struct cloud_grammar grammar;
    struct cloud_words homes; /* patterns; if empty, CLOUD_CONF_HOMES is the only pattern */
};

/* Why a configuration was refused. */
struct cloud_conf_error {
    unsigned line; /* 0: the file as a whole, or a PAM argument */
    char text[200];
};

/* Sets the defaults. access_url and allow are empty, which cloud_conf_check refuses. */
void cloud_conf_defaults(struct cloud_conf *conf);

/*
 * Parses a line of n bytes without its newline: `key = value`, a comment, or white space. The
 * caller sets error->line to the number of the line, or to 0. False: error->text says why, and conf
 * must not be used.
 */
bool cloud_conf_line(struct cloud_conf *conf, const char *line, size_t n,
                     struct cloud_conf_error *error);

/* Checks the configuration as a whole: required keys, and values that depend on each other. False
 * with *error filled. */
bool cloud_conf_check(const struct cloud_conf *conf, struct cloud_conf_error *error);

/*
 * Sets the defaults, reads the file and checks the result. The file must be a regular file of at
 * most CLOUD_CONF_MAX bytes; it must belong to `owner`, and no other user may have write
 * permission. False: *error says why, and *conf must not be used. May change errno.
 */
bool cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                     struct cloud_conf_error *error);

/* Whether id is in the range of this host's cloud accounts and their groups. */
bool cloud_conf_has_id(const struct cloud_conf *conf, uint32_t id);

/*
 * Whether home may be the home of a cloud account on this host. It must be an absolute path without
 * an empty, "." or ".." part, and a pattern of `homes` must match all of it. In a pattern '*'
 * stands for any text without '/'.
 */
bool cloud_conf_has_home(const struct cloud_conf *conf, const char *home);

#endif
