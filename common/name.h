/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_NAME_H
#define CLOUD_COMMON_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of words in a fixed buffer, without pointers, so that it can be copied. */

#define CLOUD_WORDS_SIZE     8192 /* bytes of all words, each with its length and a NUL */
#define CLOUD_WORDS_WORD_MAX 128  /* greatest length of a word, in characters */

struct cloud_words {
    size_t used;
    char text[CLOUD_WORDS_SIZE]; /* for each word: one byte with its length, the word, a NUL */
};

/* Adds a word of n characters. False, with the list unchanged, if n is 0 or more than
 * CLOUD_WORDS_WORD_MAX, or if the list is full. */
bool cloud_words_add(struct cloud_words *words, const char *word, size_t n);

/* Returns the word at offset *at in the list, and moves *at to the next word; NULL at the end. *at
 * is 0 for the first word. */
const char *cloud_words_next(const struct cloud_words *words, size_t *at);

/*
 * The grammar of login names (docs/api.md, "Login names").
 *
 *   <project>                                    production, shell
 *   <project><suffix>, <project><suffix>N        a mapped environment (_stg: staging, stagingN)
 *   <project>_sftp, <project><suffix>[N]_sftp    the same environment, sFTP only
 *   <project>-<machine_name>                     a grid environment, default application
 *   <project>-<machine_name>--<app>[--<worker>]  another application, or a worker of it
 *   [<node>.]ent-<project>-<environment>-<hash>  the gateway's name of a dedicated account
 *
 * Only the name decides the kind of an account: it is sFTP if the name ends in "_sftp", otherwise
 * shell. Therefore a name with an application is not in the grammar if it ends in "_sftp".
 */

#define CLOUD_NAME_MAX        128 /* characters of a login name, without the NUL */
#define CLOUD_PROJECT_MIN     5   /* no host can allow a shorter project id, such as "root" */
#define CLOUD_PROJECT_MAX     32
#define CLOUD_SUFFIXES_MAX    8
#define CLOUD_SUFFIX_SIZE     16 /* with the NUL */
#define CLOUD_ENVIRONMENT_MAX 64 /* characters of an environment that a suffix maps to */

enum cloud_kind {
    CLOUD_SHELL = 1,
    CLOUD_SFTP = 2,
};

/* The parameters of the grammar, from cloudauth.conf. The struct has no pointers, so that it can be
 * copied. A lookup reads only the used part of each list, and so touches few pages of memory. */
struct cloud_grammar {
    unsigned project_min, project_max;
    unsigned suffixes;
    struct {
        char suffix[CLOUD_SUFFIX_SIZE];              /* "_stg" */
        char environment[CLOUD_ENVIRONMENT_MAX + 1]; /* "staging" */
    } suffix[CLOUD_SUFFIXES_MAX];
    struct cloud_words reserved; /* names that are never served, besides the built-in ones */
    struct cloud_words allow;    /* patterns of the names that are served */
};

_Static_assert(CLOUD_WORDS_WORD_MAX == CLOUD_NAME_MAX, "every login name can be a word");

/* A parsed login name. Every string is NUL-terminated and in the grammar's alphabet. */
struct cloud_name {
    enum cloud_kind kind;
    bool plain; /* the name is the environment's main login name, which getpwuid(3) returns */
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];
    char app[CLOUD_NAME_MAX + 1];    /* "": the default application, or none */
    char worker[CLOUD_NAME_MAX + 1]; /* "": none */
};

/* A quick check that comes first in every lookup: false if no configuration of a host could make
 * name a login name. If it is true, the name may still not fit the grammar. Reads at most
 * CLOUD_NAME_MAX + 1 bytes and does no I/O. */
bool cloud_name_possible(const char *name);

/* What cloud_name_look finds out about a name. */
struct cloud_name_run {
    size_t n;   /* length of the name */
    size_t ids; /* id characters at its start, counted up to CLOUD_PROJECT_MAX + 1 */
};

/* Does the same check as cloud_name_possible, and fills *run if the result is true. */
bool cloud_name_look(const char *name, struct cloud_name_run *run);

/* Parses a login name. False, with empty strings in *out, if the name does not fit the grammar of
 * this host, matches no pattern of `allow`, or is reserved. out may be NULL. No I/O, no
 * allocation. */
bool cloud_name_parse(const struct cloud_grammar *grammar, const char *name,
                      struct cloud_name *out);

/* Parses a login name as cloud_name_parse does, but ignores `allow`. out must not be NULL. */
bool cloud_name_parse_any(const struct cloud_grammar *grammar, const char *name,
                          struct cloud_name *out);

/* Parses a login name as cloud_name_parse does, with the *run that cloud_name_look has filled for
 * it. out must not be NULL. */
bool cloud_name_parse_seen(const struct cloud_grammar *grammar, const char *name,
                           const struct cloud_name_run *run, struct cloud_name *out);

/* Returns the kind of an account, which only the ending of its login name decides. The name need
 * not fit the grammar. For cloud_name_kind_of it has n characters and needs no NUL. */
enum cloud_kind cloud_name_kind(const char *name);
enum cloud_kind cloud_name_kind_of(const char *name, size_t n);

/* Writes the main login name of an environment (cloud_name.plain), even if `allow` does not match
 * it. False if the environment has no main login name, for example because no suffix maps to it and
 * it is neither production nor a <machine_name>. */
bool cloud_name_plain(const struct cloud_grammar *grammar, const char *project,
                      const char *environment, char out[CLOUD_NAME_MAX + 1]);

/* Does what cloud_name_plain does, and writes the name's length to *n. Also false if this host does
 * not serve the name (cloud_name_parse). */
bool cloud_name_plain_served(const struct cloud_grammar *grammar, const char *project,
                             const char *environment, char out[CLOUD_NAME_MAX + 1], size_t *n);

/* Whether the pattern matches the whole name. '*' matches any text, including "". The time is at
 * most proportional to the product of the lengths. */
bool cloud_name_matches(const char *pattern, const char *name);

/* Whether text is a project id that some host could allow. */
bool cloud_name_project_ok(const char *text);

/* Whether text can be the name of an environment in the API. */
bool cloud_name_environment_ok(const char *text);

/* Whether text is a <machine_name>. */
bool cloud_name_is_machine(const char *text);

/* Parses "project/environment" into out->project and out->environment. False, with *out undefined,
 * if cloud_name_project_ok or cloud_name_environment_ok rejects its part. */
bool cloud_name_split(const char *text, struct cloud_name *out);

#endif
