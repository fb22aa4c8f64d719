/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_LIST_PAGES_H
#define CLOUDAUTHD_ACCOUNTS_LIST_PAGES_H

#include "access/document.h"
#include "base/validator.h"
#include "cloudauthd/api/api.h"

#include "common/conf.h"
#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The account list as it is kept (docs/api.md, "The account list"): pages, and the whole that they
 * make. Pure functions of what they are given, for the worker's thread; list.h says when. A page is
 * not changed any more once it is made, but for `users`, which is the loop's.
 */

#define ROSTER_NESTING_MAX 16
#define ROSTER_VALUES_MAX  400000 /* JSON values of a page; a bound for the memory of a parse */
#define ROSTER_PAGES_MAX   10000
#define ROSTER_ITEMS_MAX   1000000      /* of all pages, those of other hosts among them */
#define ROSTER_BYTES_MAX   (256u << 20) /* of all that is kept of them */

/* An account as the list has it. Strings are borrowed; each is what a document's may be. */
struct list_item {
    const char *project, *environment;
    uint32_t uid, gid;
    const char *gecos, *home, *shell;
    int64_t asked_wall; /* when the list was asked for, seconds since 1970 */
};

/* What this host serves: the settings, in a copy for the worker. */
struct roster_rules {
    struct cloud_grammar grammar;
    uint32_t uid_min, uid_max;
};

struct roster_rules roster_rules(const struct cloud_conf *conf);

/*
 * Whether this host serves the account: its plain login name, or its sFTP spelling, is allowed, and
 * uid and gid are in range. What else policy_usable asks is asked of documents.
 */
bool roster_serves(const struct roster_rules *rules, const struct list_item *item);

/* An account in a page's block, four bytes aligned. */
struct roster_record {
    uint32_t uid, gid;
    char text[]; /* project, environment, gecos, home, shell, each with its NUL */
};

struct list_item roster_item(const struct roster_record *record);

struct roster_page {
    unsigned users; /* who hold it; page_release */
    char *url;      /* the caller's to set, malloc'ed */
    struct validator validator;
    size_t total;  /* items on it */
    size_t served; /* of which this host's are in the block */
    size_t used;
    unsigned char *block;
    char *next; /* where the next page is: href as it stands in the page; NULL: it is the last */
};

/*
 * A page of n bytes of JSON; NULL with *problem filled if it is invalid or memory is out. Items are
 * checked one and all, and kept where this host serves them. The page has one user.
 */
struct roster_page *roster_page_parse(const void *body, size_t n, const struct roster_rules *rules,
                                      struct document_problem *problem);
void roster_page_release(struct roster_page *page);

/* A list, or what has come of one so far. */
struct roster {
    struct roster_page **page;
    size_t pages, room;
    size_t total, bytes; /* of all pages */
    int64_t asked_wall;
    /* Once it is whole, by roster_build: */
    const struct roster_record **record; /* each environment once: the first of the list's order */
    size_t records;
    const struct roster_record **left; /* what is in the list of before alone, and its memory */
    size_t lefts;
};

/* Takes the page over, or releases it where that fails: memory, or a limit above; *why says. */
bool roster_add(struct roster *roster, struct roster_page *page, const char **why);

/* Finds out what the list has, and what it lacks of the one before (or NULL). False: no memory. */
bool roster_build(struct roster *roster, const struct roster *before);

void roster_free(struct roster *roster);

#endif
