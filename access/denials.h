/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_DENIALS_H
#define CLOUD_ACCESS_DENIALS_H

#include "access/keys.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What this host refuses by itself, whatever the project API says and whether it can be asked:
 * keys, people and environments, each until a time or for ever (cloudauthctl deny).
 * Pure functions; denials_file.h keeps the list.
 */

#define DENIALS_MAX         4096
#define DENIAL_SUBJECT_SIZE (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)
#define DENIAL_REASON_SIZE  201
#define DENIAL_LINE_SIZE    512
#define DENIAL_FOREVER      0 /* until */

enum denial_kind {
    DENIAL_KEY = 1,
    DENIAL_USER,
    DENIAL_ENVIRONMENT,
};

struct denial {
    enum denial_kind kind;
    char subject[DENIAL_SUBJECT_SIZE]; /* "SHA256:...", a user name or id, "project/environment" */
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE]; /* of a key */
    int64_t until, since;                            /* seconds since 1970 */
    char reason[DENIAL_REASON_SIZE];                 /* "" if none was given */
};

/*
 * A denial as a line of fields with a tab between them, without a newline: kind ("key", "user",
 * "environment"), subject, until, since, reason. denials_parse checks every field; false, with a
 * static sentence in why, if one is wrong.
 */
bool denials_parse(const char *line, size_t n, struct denial *out, const char **why);
void denials_format(const struct denial *denial, char out[DENIAL_LINE_SIZE]);

/* The list as it is; never changed in place. */
struct denial_list {
    size_t n;
    struct denial denial[];
};

struct denials {
    struct denial_list *list;
    bool damaged; /* the file was: then everybody is denied */
};

/* Whether it has not ended at now (seconds since 1970). */
bool denials_in_force(const struct denial *denial, int64_t now);

/* Who wants to enter what. */
struct denial_match {
    const char *project, *environment;
    const char *user_id, *username;
    const unsigned char *fingerprint;
};

/* Whether any of it is denied now (seconds since 1970). denials may be NULL: nothing is. */
bool denials_match(const struct denials *denials, const struct denial_match *match, int64_t now);

/* The same for an environment as a whole. */
bool denials_environment(const struct denials *denials, const char *project,
                         const char *environment, int64_t now);

/* Those in force or not yet let go, in the order they were made; NULL past the end. */
const struct denial *denials_at(const struct denials *denials, size_t i);

#endif
