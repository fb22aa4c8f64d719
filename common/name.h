/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_NAME_H
#define CLOUD_COMMON_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The login-name grammar (docs/api.md, "Login names").
 *
 *   <project>                                  production, shell
 *   <project><suffix>, <project><suffix>N      a mapped environment (_stg: staging, stagingN)
 *   <project>_sftp, <project><suffix>[N]_sftp  the same environment, sFTP only
 *   <project>-<machine_name>                   a grid environment, default application
 *   <project>-<machine_name>--<app>[--<worker>]
 *   [<node>.]ent-<project>-<environment>-<hash>  gateway's spelling of the dedicated account
 *
 * The kind of an account is decided by its name alone: it is sFTP if and only if the name ends
 * in "_sftp". An application whose name ends so would break that rule and is not ours.
 */

#define CLOUD_NAME_MAX        128 /* characters of a login name, without the NUL */
#define CLOUD_PROJECT_MIN     5   /* no host can set a shorter project id: "root" never fits */
#define CLOUD_PROJECT_MAX     32
#define CLOUD_SUFFIXES_MAX    8
#define CLOUD_SUFFIX_SIZE     16   /* with the NUL */
#define CLOUD_ENVIRONMENT_MAX 64   /* characters of a mapped environment name */
#define CLOUD_PATTERNS_SIZE   8192 /* bytes of all `allow` patterns, or of all reserved names */

enum cloud_kind {
    CLOUD_SHELL = 1,
    CLOUD_SFTP = 2,
};

/* The grammar's parameters, from cloudauth.conf. No pointers: it can be copied. What a lookup reads
 * of it stands in two pages. */
struct cloud_grammar {
    unsigned project_min, project_max;
    unsigned suffixes;
    struct {
        char suffix[CLOUD_SUFFIX_SIZE];              /* "_stg" */
        char environment[CLOUD_ENVIRONMENT_MAX + 1]; /* "staging" */
    } suffix[CLOUD_SUFFIXES_MAX];
    struct cloud_words {
        size_t used;
        char text[CLOUD_PATTERNS_SIZE]; /* each word with its length before it and a NUL behind */
    } reserved,                         /* names, besides the built-in ones */
        allow;                          /* patterns; '*' is any text */
};

/* Adds a word of n characters to a list. False, with the list as it was: it has 0 characters or
 * more than CLOUD_NAME_MAX, or the list is full. */
bool cloud_words_add(struct cloud_words *words, const char *word, size_t n);

/* The word at *at, an offset that starts with 0 and moves on to the next one; NULL at the end. */
const char *cloud_words_next(const struct cloud_words *words, size_t *at);

/* The list as the pattern of all names alone: what the grammar itself would take. */
void cloud_words_any(struct cloud_words *words);

/* What a login name means. Every field is NUL-terminated and in the grammar's alphabet. */
struct cloud_name {
    enum cloud_kind kind;
    bool plain; /* the one spelling that getpwuid and the account's group answer with */
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];
    char app[CLOUD_NAME_MAX + 1];    /* "" : the default application, or none */
    char worker[CLOUD_NAME_MAX + 1]; /* "" : none */
};

/*
 * Whether any host's configuration could make name ours. It needs no configuration, reads at
 * most CLOUD_NAME_MAX + 1 bytes and does no I/O: the first question that every lookup asks.
 */
bool cloud_name_possible(const char *name);

/* How long a name is, and how many characters at its start can be a project id's. */
struct cloud_name_run {
    size_t n, ids;
};

/* The same question; where the answer is yes *run says what was seen on the way. */
bool cloud_name_look(const char *name, struct cloud_name_run *run);

/*
 * Whether name is ours on this host: fits the grammar, is allowed, is not reserved.
 * *out (may be NULL) says what it means, and has empty fields if it is not ours. No I/O, no
 * allocation.
 */
bool cloud_name_parse(const struct cloud_grammar *grammar, const char *name,
                      struct cloud_name *out);

/* The same for a name that has passed cloud_name_look, which said what run is; out is not NULL. */
bool cloud_name_parse_seen(const struct cloud_grammar *grammar, const char *name,
                           const struct cloud_name_run *run, struct cloud_name *out);

/* The kind that the ending of a name (of n characters) means, whether it is ours or not. */
enum cloud_kind cloud_name_kind(const char *name);
enum cloud_kind cloud_name_kind_of(const char *name, size_t n);

/*
 * Writes the plain login name of an environment. False if it has none: neither production, nor
 * mapped by a suffix, nor a machine name. It is not checked against `allow`.
 */
bool cloud_name_plain(const struct cloud_grammar *grammar, const char *project,
                      const char *environment, char out[CLOUD_NAME_MAX + 1]);

/* The same, where that name is also ours on this host; *n is its length. */
bool cloud_name_plain_ours(const struct cloud_grammar *grammar, const char *project,
                           const char *environment, char out[CLOUD_NAME_MAX + 1], size_t *n);

/* Whether pattern matches name whole; '*' stands for any text, also none. Time: O(n * m). */
bool cloud_name_matches(const char *pattern, const char *name);

/* Whether text is a project id that some host could allow, or an environment name of the API. */
bool cloud_name_project_ok(const char *text);
bool cloud_name_environment_ok(const char *text);

#endif
