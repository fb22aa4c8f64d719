/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_DENIALS_H
#define CLOUD_ACCESS_DENIALS_H

#include "access/keys.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Denials: the keys, users and environments that this host refuses, whatever the project API says
 * and also during an outage, each until a given time or forever (cloudauthctl deny). Pure
 * functions; cloudauthd/state/denials_file.h keeps the list on the disk.
 */

#define DENIALS_MAX         4096
#define DENIAL_SUBJECT_SIZE (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)
#define DENIAL_REASON_SIZE  201
#define DENIAL_LINE_SIZE    512
#define DENIAL_FOREVER      0 /* as `until` */

enum denial_kind {
    DENIAL_KEY = 1,
    DENIAL_USER,
    DENIAL_ENVIRONMENT,
    DENIAL_CERTIFICATE,
};

struct denial {
    enum denial_kind kind;
    /* "SHA256:...", a user name or id, "project/environment", or "SERIAL@SHA256:..." */
    char subject[DENIAL_SUBJECT_SIZE];
    /* Of a key and of a certificate, the subject decoded: of the key or the authority. */
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    uint64_t serial;
    int64_t until, since;            /* seconds since 1970 */
    char reason[DENIAL_REASON_SIZE]; /* "" if none was given */
};

/*
 * A denial as a line without its newline: kind ("key", "user", "environment",
 * "certificate"), subject, until,
 * since and reason, with tabs between them. denials_parse checks every field. If one is wrong it
 * returns false, with a static sentence in *why.
 */
bool denials_parse(const char *line, size_t n, struct denial *out, const char **why);
void denials_format(const struct denial *denial, char out[DENIAL_LINE_SIZE]);

/* A list of denials, which never changes: a change of the denials makes a new list. */
struct denial_list {
    size_t n;
    struct denial denial[];
};

struct denials {
    struct denial_list *list;
    bool damaged; /* the file on disk was: then every login is denied */
};

/* Whether the denial has not expired at now (seconds since 1970). */
bool denials_in_force(const struct denial *denial, int64_t now);

/* A login. The user and the fingerprint are NULL for a service that needs no key. A denied key
 * opens nothing, neither by itself nor by a certificate for it nor by one that it has signed. */
struct denial_match {
    const char *project, *environment;
    const char *user_id, *username;
    const unsigned char *fingerprint;
    const unsigned char *ca; /* of the login's certificate; NULL: it has none */
    uint64_t serial;
};

/* Whether a denial that is in force at now (seconds since 1970) matches the login. denials may be
 * NULL, which means that there are none. */
bool denials_match(const struct denials *denials, const struct denial_match *match, int64_t now);

/* Whether the environment as a whole is denied at now. */
bool denials_environment(const struct denials *denials, const char *project,
                         const char *environment, int64_t now);

/* The denial at index i, in the order in which they were added, expired ones included; NULL past
 * the end. */
const struct denial *denials_at(const struct denials *denials, size_t i);

#endif
