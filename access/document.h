/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_DOCUMENT_H
#define CLOUD_ACCESS_DOCUMENT_H

#include "access/address.h"
#include "access/keys.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The access document (docs/api.md), parsed from JSON.
 *
 * A value that cannot be read costs only the smallest thing that contains it: the key, person,
 * application, directory or forward is left out, with a warning. If the value is a restriction, the
 * closest restriction holds instead. So no fault keeps a right alive. A document is invalid only
 * because of its form and limits, its identity, account, status, access, hosts or issued_at.
 * policy_usable (policy.h) says whether this host may use a valid document.
 */

#define DOCUMENT_SIZE_MAX        4194304u /* bytes of JSON: 4 MiB */
#define DOCUMENT_NESTING_MAX     16
#define DOCUMENT_VALUES_MAX      400000 /* JSON values: bounds the memory that parsing takes */
#define DOCUMENT_USERS_MAX       2000
#define DOCUMENT_KEYS_MAX        100 /* of one user */
#define DOCUMENT_STRING_MAX      255 /* bytes of a string other than a key value or the message */
#define DOCUMENT_MESSAGE_MAX     1024
#define DOCUMENT_FORWARDS_MAX    128 /* entries of one list: as many fit into a key line */
#define DOCUMENT_MOUNTS_MAX      64
#define DOCUMENT_APPS_MAX        256
#define DOCUMENT_AUTHORITIES_MAX 8
#define DOCUMENT_HOSTS_MAX       1024
#define DOCUMENT_FROM_MAX        64 /* addresses and blocks of one person or key */
#define DOCUMENT_AMRS_MAX        8  /* words of access.require.amr, of at most 32 bytes */
#define DOCUMENT_SESSION_MIN     60 /* seconds of session.max_seconds and idle_seconds */
#define DOCUMENT_WARNINGS_MAX    16

#define DOCUMENT_NO_TIME  INT64_MIN  /* a time that is not in the document */
#define DOCUMENT_NO_BOUND UINT32_MAX /* max_stale: not in the document */

struct denials;

enum document_status {
    DOCUMENT_STATUS_UNKNOWN = 0, /* not known to this version: every login is refused */
    DOCUMENT_ACTIVE,
    DOCUMENT_DIRTY,
    DOCUMENT_INACTIVE,
    DOCUMENT_PAUSED,
    DOCUMENT_DELETING,
    DOCUMENT_DELETED, /* a tombstone: the environment does not exist, and only times are set */
};

enum document_role {
    DOCUMENT_ROLE_UNKNOWN = 0, /* not known to this version: may not enter any account */
    DOCUMENT_ROLE_SFTP,
    DOCUMENT_ROLE_VIEWER,
    DOCUMENT_ROLE_CONTRIBUTOR,
    DOCUMENT_ROLE_ADMIN,
};

/* The least role that may enter. */
enum document_level {
    DOCUMENT_LEVEL_NONE = 0, /* no role may; also for a level that this version does not know */
    DOCUMENT_LEVEL_VIEWER,
    DOCUMENT_LEVEL_CONTRIBUTOR,
    DOCUMENT_LEVEL_ADMIN,
};

struct document_forwarding {
    size_t locals, remotes;
    const char **local, **remote; /* "host:port", as they go into permitopen and permitlisten */
    bool agent;
};

/* How and how lately a person must have authenticated to enter. */
struct document_require {
    bool given;
    bool unread; /* it cannot be read: no person enters */
    size_t amrs;
    const char *amr[DOCUMENT_AMRS_MAX];
    uint32_t max_age; /* seconds, or DOCUMENT_NO_BOUND */
};

struct document_mount {
    const char *path; /* relative to the home, without "." and ".." parts; "" is the home */
    bool writable;
};

/* Until when and from where a person may enter, or a key may be used, and why. */
struct document_limits {
    int64_t not_before, expires_at; /* seconds since 1970, or DOCUMENT_NO_TIME */
    bool has_from;                  /* only from addresses in these blocks */
    size_t blocks;
    const struct address_block *from;
    const char *grant; /* the reason of the grant, for the log; "" if there is none */
};

struct document_user {
    const char *id, *username;
    const char *mail; /* "" if there is none */
    enum document_role role;
    const char *role_text;
    struct document_limits limits;
};

struct document_key {
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    const char *type, *base64; /* NUL-terminated */
    const char *title;         /* "" if there is none */
    bool verify; /* a security key that must have verified the person (PIN or biometric) */
    struct document_limits limits;
    const struct document_user *user; /* who has limits of its own */
};

struct document_app {
    const char *name;
    const char *home; /* NULL: the account's */
    bool has_level;   /* the application has an access.ssh; if not, the environment's applies */
    enum document_level ssh;
    const struct document_forwarding *forwarding; /* NULL: the environment's */
};

struct document {
    const char *project, *environment;
    enum document_status status;
    const char *status_text;
    const char *title; /* "" if there is none */
    uint32_t uid, gid;
    const char *gecos, *home, *shell;
    enum document_level ssh, sftp;
    struct document_require require;
    uint32_t session_max, session_idle; /* seconds that a session may last, and without input;
                                           0: any */
    bool session_unread;                /* one of them cannot be read: no session may begin */
    struct document_forwarding forwarding;
    size_t mounts;
    const struct document_mount *mount;
    size_t users;
    const struct document_user *user; /* in the document's order */
    size_t keys;
    const struct document_key *key; /* by fingerprint; equal ones in the document's order */
    /* Keys that certify others. Each has `users` copies in `certified`, one for each user, who may
     * come with a certificate of that key. */
    size_t authorities;
    const struct document_key *authority; /* user is NULL */
    const struct document_key *certified; /* authority * users + user */
    const char *message;                  /* "" if there is none */
    bool has_hosts;
    size_t hosts;
    const char **host;
    bool has_apps;
    size_t apps;
    const struct document_app *app;
    int64_t issued_at;  /* or DOCUMENT_NO_TIME */
    uint32_t max_stale; /* seconds, or DOCUMENT_NO_BOUND */
    /* What was left out of the document, and directories that overlap. If not all of these have
     * space, the last warning says how many more there are. */
    size_t warnings;
    const char *warning[DOCUMENT_WARNINGS_MAX + 1];
    size_t bytes; /* of memory that the document takes */
    /* The denials of this host (denials.h), or NULL. Set by the cache; not owned by the document.
     */
    const struct denials *denials;
};

/* Why a document is invalid: the path of a value, and what is wrong with it. */
struct document_problem {
    char text[256]; /* "users[3].ssh_keys[0].value: missing" */
};

/*
 * Parses n bytes of JSON as the document of project and environment. Returns a document that the
 * caller frees with document_free; or NULL with *problem filled, also if out of memory.
 *
 * A member cannot be read if it has another type, is given twice, exceeds a limit above, or is a
 * string with a control character. JSON that ends early, a NUL and invalid UTF-8, wherever they
 * are, make the whole document invalid.
 */
struct document *document_parse(const void *body, size_t n, const char *project,
                                const char *environment, struct document_problem *problem);
void document_free(struct document *document);

/*
 * Reads the project and the environment that a document names itself. A name that no login name can
 * contain is read as "". False, with *problem filled, if the document is not JSON or does not have
 * both.
 */
bool document_subject(const void *body, size_t n, char project[CLOUD_PROJECT_MAX + 1],
                      char environment[CLOUD_NAME_MAX + 1], struct document_problem *problem);

/*
 * The first key with the fingerprint, or NULL. If several users list the key, their copies follow
 * it in document->key.
 */
const struct document_key *document_find_key(const struct document *document,
                                             const unsigned char fingerprint[KEY_FINGERPRINT_SIZE]);

/* The certified copies of the authority with that fingerprint, as many as there are users, or
 * NULL. */
const struct document_key *
document_find_authority(const struct document *document,
                        const unsigned char fingerprint[KEY_FINGERPRINT_SIZE]);

/* The application of that name, or NULL. */
const struct document_app *document_find_app(const struct document *document, const char *name);

#endif
