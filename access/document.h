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
 * A value that cannot be read invalidates only the smallest part that contains it: that key, user,
 * application, directory or forward is left out of the result, with a warning. If the value
 * restricts the whole document, the strictest restriction applies instead. So a value that cannot
 * be read never gives anyone more rights. The whole document is invalid only if its JSON, size,
 * version, project, environment, account, access level, `hosts` or issued_at is wrong. Whether this
 * host may use a valid document is decided by policy_usable (policy.h).
 */

#define DOCUMENT_SIZE_MAX        4194304u /* bytes of JSON: 4 MiB */
#define DOCUMENT_NESTING_MAX     16
#define DOCUMENT_VALUES_MAX      400000 /* JSON values; bounds the memory that parsing takes */
#define DOCUMENT_USERS_MAX       2000
#define DOCUMENT_KEYS_MAX        100 /* keys of one user */
#define DOCUMENT_STRING_MAX      255 /* bytes of a string, except a key's value and the message */
#define DOCUMENT_MESSAGE_MAX     1024
#define DOCUMENT_FORWARDS_MAX    128 /* forwards in one list; bounds the length of a key line */
#define DOCUMENT_MOUNTS_MAX      64
#define DOCUMENT_APPS_MAX        256
#define DOCUMENT_AUTHORITIES_MAX 8
#define DOCUMENT_HOSTS_MAX       1024
#define DOCUMENT_FROM_MAX        64 /* entries of `from` of one person or key */
#define DOCUMENT_AMRS_MAX        8  /* words of access.require.amr, of at most 32 bytes */
#define DOCUMENT_SESSION_MIN     60 /* the lowest valid session.max_seconds and idle_seconds */
#define DOCUMENT_WARNINGS_MAX    16

#define DOCUMENT_NO_TIME  INT64_MIN  /* stands for a time that the document does not have */
#define DOCUMENT_NO_BOUND UINT32_MAX /* stands for a missing max_stale or max_age */

struct denials;

enum document_status {
    DOCUMENT_STATUS_UNKNOWN = 0, /* a status that this version does not know: no login is allowed */
    DOCUMENT_ACTIVE,
    DOCUMENT_DIRTY,
    DOCUMENT_INACTIVE,
    DOCUMENT_PAUSED,
    DOCUMENT_DELETING,
    DOCUMENT_DELETED, /* a tombstone, for an environment that no longer exists: account, access and
                         users are not set */
};

enum document_role {
    DOCUMENT_ROLE_UNKNOWN = 0, /* a role that this version does not know: no login is allowed */
    DOCUMENT_ROLE_SFTP,
    DOCUMENT_ROLE_VIEWER,
    DOCUMENT_ROLE_CONTRIBUTOR,
    DOCUMENT_ROLE_ADMIN,
};

/* The lowest role that may enter. An sFTP account also admits the role sftp, unless its level is
 * NONE. */
enum document_level {
    DOCUMENT_LEVEL_NONE = 0, /* no role may enter; also used for an unknown level */
    DOCUMENT_LEVEL_VIEWER,
    DOCUMENT_LEVEL_CONTRIBUTOR,
    DOCUMENT_LEVEL_ADMIN,
};

struct document_forwarding {
    size_t locals, remotes;
    const char **local, **remote; /* "host:port", as in permitopen= and permitlisten= */
    bool agent;
};

/* access.require: how, and how recently, a person must have authenticated to enter. */
struct document_require {
    bool given;
    bool unread; /* access.require cannot be read: no person may enter */
    size_t amrs;
    const char *amr[DOCUMENT_AMRS_MAX];
    uint32_t max_age; /* seconds, or DOCUMENT_NO_BOUND */
};

struct document_mount {
    const char *path; /* relative to the home, without "." and ".." components; "" is the home */
    bool writable;
};

/* When and from where a person may enter, or a key may be used. */
struct document_limits {
    int64_t not_before, expires_at; /* seconds since 1970, or DOCUMENT_NO_TIME */
    bool has_from; /* the document has `from`: only addresses in these blocks may enter */
    size_t blocks;
    const struct address_block *from;
    const char *grant; /* why the right was granted, for the audit log; "" if not given */
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
    size_t place;              /* among the keys of the document's users */
    bool verify; /* the security key must verify the person at each login (PIN or biometric) */
    struct document_limits limits;
    /* The owner; the owner's limits apply as well. NULL for an entry of document.authority. */
    const struct document_user *user;
};

struct document_app {
    const char *name;
    const char *home; /* NULL: the account's home */
    bool has_level;   /* `ssh` is set; if not, the environment's level applies */
    enum document_level ssh;
    const struct document_forwarding *forwarding; /* NULL: the environment's applies */
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
    /* The longest duration of a session, and its longest time without input, in seconds; 0: no
     * limit. */
    uint32_t session_max, session_idle;
    bool session_unread; /* a session limit cannot be read: no session may begin */
    struct document_forwarding forwarding;
    size_t mounts;
    const struct document_mount *mount;
    size_t users;
    const struct document_user *user; /* in the document's order */
    size_t keys;
    const struct document_key *key; /* sorted by fingerprint, then in the document's order */
    /* The certificate authorities. For each of them, `certified` has one copy of its key for each
     * user. A login with a certificate that the authority has signed for a user is judged by the
     * copy for that user. */
    size_t authorities;
    const struct document_key *authority; /* `user` of each is NULL */
    const struct document_key *certified; /* [a * users + u]: authority a, user u */
    const char *message;                  /* "" if there is none */
    bool has_hosts;
    size_t hosts;
    const char **host;
    bool has_apps;
    size_t apps;
    const struct document_app *app;
    int64_t issued_at;     /* seconds since 1970, or DOCUMENT_NO_TIME */
    int64_t issued_micros; /* the fraction of issued_at */
    uint32_t max_stale;    /* seconds, or DOCUMENT_NO_BOUND */
    /* Warnings about values that were left out of the document, and about directories that overlap.
     * If there are more than DOCUMENT_WARNINGS_MAX, one more warning says how many were dropped. */
    size_t warnings;
    const char *warning[DOCUMENT_WARNINGS_MAX + 1];
    size_t bytes; /* size of the document in memory */
    /* The denials of this host (denials.h), or NULL. The cache sets them; the document does not own
     * them. */
    const struct denials *denials;
};

/* Why a document is invalid: the path of a value, and what is wrong with it. */
struct document_problem {
    char text[256]; /* "users[3].ssh_keys[0].value: missing" */
};

/*
 * Parses n bytes of JSON. `project` and `environment` must be the names in the document;
 * DOCUMENT_ANY stands for any name that a login name can contain. Returns a document, which the
 * caller frees with document_free. If the document is invalid or memory runs out, returns NULL,
 * with the reason in *problem.
 *
 * A member "cannot be read" if it has the wrong type, is given twice, exceeds a limit
 * (DOCUMENT_..._MAX), or is a string with a control character. Truncated JSON, and a NUL or invalid
 * UTF-8 anywhere, make the whole document invalid.
 */
#define DOCUMENT_ANY "*"
struct document *document_parse(const void *body, size_t n, const char *project,
                                const char *environment, struct document_problem *problem);
void document_free(struct document *document);

/* Returns the outage bound in seconds: the smaller of the document's own max_stale and `most`, the
 * host's. */
uint32_t document_bound(const struct document *document, uint32_t most);

/* Returns the first entry for the key with that fingerprint or, unless `after` is NULL, the first
 * one after that entry of document->key; NULL if there is none. Several users may have the key. */
const struct document_key *document_find_key(const struct document *document,
                                             const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                                             const struct document_key *after);

/* Returns the first of the `users` entries in document->certified for the authority with that
 * fingerprint; NULL if there is no such authority. */
const struct document_key *
document_find_authority(const struct document *document,
                        const unsigned char fingerprint[KEY_FINGERPRINT_SIZE]);

/* Returns the application with that name; NULL if there is none. */
const struct document_app *document_find_app(const struct document *document, const char *name);

#endif
