/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_LIST_PAGES_H
#define CLOUDAUTHD_ACCOUNTS_LIST_PAGES_H

#include "access/document.h"
#include "base/validator.h"
#include "cloudauthd/api/api.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The account list in memory (docs/api.md, "The account list"): its pages, and the whole list that
 * they make. The functions depend on their arguments alone and run in a worker thread; list.h
 * describes when. A page is immutable once it is parsed, but for `users`, which belongs to the
 * loop's thread.
 */

#define LIST_PAGES_NESTING_MAX 16
#define LIST_PAGES_VALUES_MAX  400000 /* JSON values of a page: bounds the memory of a parse */
#define LIST_PAGES_PAGES_MAX   10000
#define LIST_PAGES_ITEMS_MAX   1000000      /* of all pages, items of other hosts included */
#define LIST_PAGES_BYTES_MAX   (256u << 20) /* kept of all pages */

/* An environment that the list names. The strings are borrowed. */
struct list_item {
    const char *project, *environment;
};

/*
 * Whether this host serves the environment: whether `allow` takes its plain login name, or that
 * with "_sftp".
 */
bool list_pages_serves(const struct cloud_grammar *grammar, const struct list_item *item);

struct list_page {
    unsigned users; /* references to the page: list_pages_release */
    char *url;      /* set by the caller, malloc'ed */
    struct validator validator;
    size_t total;  /* items on the page */
    size_t served; /* those of this host, which are in the block */
    size_t used;
    char *block; /* served times the project and the environment, each with its NUL */
    char *next;  /* href of the next page as it stands in the page; NULL: this is the last one */
};

/*
 * Parses n bytes of JSON as a page. All items are checked, and those that this host serves are
 * kept. Returns a page with one user, or NULL with *problem filled if it is invalid or memory is
 * out.
 */
struct list_page *list_pages_parse(const void *body, size_t n, const struct cloud_grammar *grammar,
                                   struct document_problem *problem);
void list_pages_release(struct list_page *page);

/* A list, or the part of it that has been fetched. */
struct list_pages {
    struct list_page **page;
    size_t pages, room;
    size_t total, bytes; /* of all pages */
    /* Set by list_pages_build once the list is whole. Each entry points to a project, with its
     * NUL, and the environment behind it: list_pages_item. */
    const char **name; /* each environment once, in the order of the list */
    size_t names;
    /* Their index, by open addressing: a name's number plus one; 0 is free. */
    uint32_t *index;
    size_t mask;
    uint64_t seed;
    const char **left; /* environments of the previous list alone, in its memory */
    size_t lefts;
};

/* An entry of `name` or `left`. */
struct list_item list_pages_item(const char *name);

/* Takes the page over. On failure, for lack of memory or at a limit above, it is released and *why
 * is set to a static text. */
bool list_pages_add(struct list_pages *list, struct list_page *page, const char **why);

/*
 * Collects the names of the list, and those of the previous list (or NULL) that it lacks. False if
 * memory is out.
 */
bool list_pages_build(struct list_pages *list, const struct list_pages *previous);

/* Whether the whole list names the environment. */
bool list_pages_has(const struct list_pages *list, const struct list_item *item);

void list_pages_free(struct list_pages *list);

#endif
