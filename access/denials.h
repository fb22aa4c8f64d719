/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_DENIALS_H
#define CLOUD_ACCESS_DENIALS_H

#include "access/keys.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Denials: the keys, certificates, users and environments that this host refuses, whatever the
 * project API says and also during an outage, each until a given time or forever (cloudauthctl
 * deny). The functions are pure; cloudauthd/state/denials_file.h keeps the list on disk.
 */

#define DENIALS_MAX         4096
#define DENIAL_SUBJECT_SIZE (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)
#define DENIAL_REASON_SIZE  201
#define DENIAL_LINE_SIZE    512
#define DENIAL_FOREVER      0 /* a value of `until`: the denial does not expire */

enum denial_kind {
    DENIAL_KEY = 1,
    DENIAL_USER,
    DENIAL_ENVIRONMENT,
    DENIAL_CERTIFICATE,
};
#define DENIAL_KINDS (DENIAL_CERTIFICATE + 1) /* size of an array indexed by the kind */

struct denial {
    enum denial_kind kind;
    /* In the order of the kinds above: "SHA256:...", a user name or user id, "project/environment",
     * "SERIAL@SHA256:...". */
    char subject[DENIAL_SUBJECT_SIZE];
    /* Decoded from the subject: the fingerprint of the key or of the certificate's authority, and
     * the certificate's serial. All zero for a user or an environment. */
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    uint64_t serial;
    int64_t until, since; /* seconds since 1970: when the denial expires (or DENIAL_FOREVER), and
                             when it was made */
    char reason[DENIAL_REASON_SIZE]; /* "" if none was given */
};

/*
 * The text form of a denial is one line, without its newline: kind ("key", "user", "environment",
 * "certificate"), subject, until, since and reason, separated by tabs. denials_kind returns the
 * word for a kind. denials_parse checks every field; if one is wrong, it returns false, with a
 * static sentence in *why.
 */
bool denials_parse(const char *line, size_t n, struct denial *out, const char **why);
void denials_format(const struct denial *denial, char out[DENIAL_LINE_SIZE]);
const char *denials_kind(enum denial_kind kind);

/* A list of denials. A list is never modified: each change of the denials creates a new one. */
struct denial_list {
    size_t n;
    struct denial denial[];
};

struct denials {
    struct denial_list *list;
    bool damaged; /* the file on disk is damaged: every login and service is denied */
};

/* Whether the denial has not expired at `now` (seconds since 1970). */
bool denials_in_force(const struct denial *denial, int64_t now);

/* The properties of a login against which denials are matched. user_id, username and fingerprint
 * are NULL for a service that needs no key, such as cron. The denial of a key matches the key
 * itself, certificates for it, and certificates that it has signed. */
struct denial_match {
    const char *project, *environment;
    const char *user_id, *username;
    const unsigned char *fingerprint;
    const unsigned char *ca; /* fingerprint of the certificate's authority; NULL: a plain key */
    uint64_t serial;
};

/* Whether a denial that is in force at `now` (seconds since 1970) matches the login. Always true if
 * the list on disk is damaged. `denials` may be NULL: there are none. */
bool denials_match(const struct denials *denials, const struct denial_match *match, int64_t now);

/* Whether the environment as a whole is denied at `now` (seconds since 1970). */
bool denials_environment(const struct denials *denials, const char *project,
                         const char *environment, int64_t now);

/* Returns the denial at index i, or NULL past the end. Denials are in the order in which they were
 * made; expired ones may be among them. */
const struct denial *denials_at(const struct denials *denials, size_t i);

#endif
