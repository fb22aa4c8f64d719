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
 * Each argument of the PAM module has the syntax of a line, and is parsed by the same functions.
 * The parser neither allocates nor uses stdio, because the NSS module runs it in every process of
 * the host.
 */

#ifndef CLOUD_CONF_PATH
#define CLOUD_CONF_PATH "/etc/cloudauth/cloudauth.conf"
#endif
#define CLOUD_CONF_MAX          65536u /* size limit of the file, in bytes */
#define CLOUD_CONF_LINE_MAX     4096u  /* size limit of a line, in bytes, with its newline */
#define CLOUD_SIGNING_KEYS_SIZE 256    /* room for four keys in base64, with spaces between them */
#define CLOUD_URL_SIZE          1024
#define CLOUD_PATH_SIZE         256
#define CLOUD_CONF_HOMES        "/app/*"
#define CLOUD_ID_FLOOR          1000u       /* the lowest uid or gid that a setting can have */
#define CLOUD_ID_CEILING        2147483646u /* the highest; less than (uid_t)-1 and INT_MAX */

/* Settings of earlier releases that no longer have an effect. They are accepted with any value, so
 * that the daemon starts after an upgrade; the next release refuses them. */
#define CLOUD_CONF_OBSOLETE 3
struct cloud_conf_obsolete {
    const char *key, *instead; /* instead: a sentence that names the replacement */
};
extern const struct cloud_conf_obsolete cloud_conf_obsolete[CLOUD_CONF_OBSOLETE];

struct cloud_conf {
    uint32_t uid_min, uid_max;
    uint32_t ssh_gid, sftp_gid; /* gids of the groups that mark shell and sFTP accounts */
    uint32_t keys_fresh, account_fresh, absent_fresh; /* seconds that an answer stays fresh */
    uint32_t max_stale; /* seconds that a document may be used in an outage; at most 86400 */
    uint32_t connect_timeout, request_timeout; /* seconds */
    char access_url[CLOUD_URL_SIZE];
    char changes_url[CLOUD_URL_SIZE]; /* URL of the change feed; "" if there is none */
    uint32_t changes_wait;            /* seconds that the server may wait for a change to report */
    /* The host's credentials: absolute paths, or names in systemd's credentials directory
     * (cloudauthd/api/credentials.h); "" if not set. */
    char token_file[CLOUD_PATH_SIZE];
    char token_url[CLOUD_URL_SIZE];
    char client_id_file[CLOUD_PATH_SIZE];
    char client_cert[CLOUD_PATH_SIZE], client_key[CLOUD_PATH_SIZE];
    char ca_file[CLOUD_PATH_SIZE];
    char proxy[CLOUD_PATH_SIZE];      /* a URL; "" for no proxy */
    char api_socket[CLOUD_PATH_SIZE]; /* path of a Unix socket for http requests; "" if not set */
    char signing_key[CLOUD_SIGNING_KEYS_SIZE]; /* base64 keys, separated by spaces; "" if not set */
    char host_id[256];   /* "" if not set; the daemon then uses the host's name */
    char env_prefix[32]; /* prefix of the environment variables that a session gets */
    bool enumerate;      /* whether getpwent(3) lists the accounts of the snapshot */
    uint32_t session_recheck, session_max_stale; /* seconds; 0: no recheck, no limit */
    uint32_t certificates_max; /* seconds that a certificate may be valid; UINT32_MAX: no limit */
    char certificates_claims[64]; /* name of the certificate extension that holds the claims */
    bool session_outlives_certificate;
    unsigned obsolete_line[CLOUD_CONF_OBSOLETE]; /* line of each obsolete setting; 0: not set */
    /* The word lists come last, because cloud_conf_defaults clears only what precedes their
     * texts. */
    struct cloud_grammar grammar;
    struct cloud_words homes; /* patterns; if none is set, CLOUD_CONF_HOMES is the only pattern */
};

/* What of the file has to be mended. */
enum cloud_conf_fault {
    CLOUD_CONF_CONTENT,
    CLOUD_CONF_ACCESS,  /* its owner or mode */
    CLOUD_CONF_MISSING, /* there is none */
    CLOUD_CONF_TYPE,    /* its name is that of something else, such as a directory */
    CLOUD_CONF_UNREAD,  /* nothing: the process has no descriptor left, or the disk fails */
};

/* Why a configuration was rejected. */
struct cloud_conf_error {
    unsigned line; /* 0: the file as a whole, or a PAM argument */
    char text[200];
    enum cloud_conf_fault fault; /* set by cloud_conf_read */
};

/* Sets the defaults. access_url and `allow` are left empty, which cloud_conf_check rejects. */
void cloud_conf_defaults(struct cloud_conf *conf);

/* Parses one line, of n bytes without the newline: `key = value`, a comment, or white space. The
 * caller sets error->line to the line's number, or to 0 for a PAM argument. On an error returns
 * false with the reason in error->text; *conf must then not be used. */
bool cloud_conf_line(struct cloud_conf *conf, const char *line, size_t n,
                     struct cloud_conf_error *error);

/* Checks the configuration as a whole: required keys, and values that depend on each other. On an
 * error returns false with *error filled. */
bool cloud_conf_check(const struct cloud_conf *conf, struct cloud_conf_error *error);

/*
 * Sets the defaults, reads the file and checks the result. The file must be a regular file of at
 * most CLOUD_CONF_MAX bytes; it must belong to `owner`, and no other user may have write
 * permission. On an error returns false with *error filled; *conf must then not be used. May change
 * errno.
 */
bool cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                     struct cloud_conf_error *error);

/* Whether a uid or gid is in the range of this host's cloud accounts and their groups. */
bool cloud_conf_has_id(const struct cloud_conf *conf, uint32_t id);

/* Whether home may be the home of a cloud account on this host. It must be an absolute path without
 * an empty, "." or ".." part, and one of the patterns in `homes` must match all of it. In a pattern
 * '*' stands for any text without '/', including none. */
bool cloud_conf_has_home(const struct cloud_conf *conf, const char *home);

#endif
