/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FEED_ANSWER_H
#define CLOUDAUTHD_API_FEED_ANSWER_H

#include "access/document.h"

#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

/* One page of an answer of the change feed (docs/api.md). */
struct feed_answer {
    STAILQ_ENTRY(feed_answer) entry;
    bool whole; /* the page says `whole`: any environment may have changed */
    char *next; /* the link to the next page as the page has it, perhaps relative; NULL: none */
    size_t names, listed; /* the number of names in `block`, and of those that are listed */
    size_t used;          /* the number of bytes of `block` that the names take */
    /* The names (feed_answer_name): for each, a byte that says whether it is listed, then the
     * project and the environment, each followed by a NUL. The environment "" means all
     * environments of the project. It also stands for an environment that no login name can have.
     */
    char *block;
};

/*
 * Parses a page, n bytes of JSON, with all its names. The caller frees the result with
 * feed_answer_free. NULL, with the reason in *problem, if any part of the page is invalid or memory
 * is short. Uses only its arguments, so any thread may call it.
 */
struct feed_answer *feed_answer_parse(const void *body, size_t n,
                                      const struct cloud_grammar *grammar,
                                      struct document_problem *problem);
void feed_answer_free(struct feed_answer *answer);

/* A name in a block, borrowed from it. feed_answer_name returns the name at `at`; feed_answer_after
 * returns where the next name begins. */
struct feed_name {
    /* Whether `allow` lists the main login name of the environment, or that name with "_sftp".
     * Otherwise its document is not fetched before a login needs it, which would bind its ids:
     * `abcdefghij*` also matches abcdefghij.ent-klmnopqrst-production-1, a name of another
     * project. */
    bool listed;
    const char *project, *environment;
};
struct feed_name feed_answer_name(const char *at);
const char *feed_answer_after(const struct feed_name *name);

/* Drops the names that are not listed, and frees their memory. */
void feed_answer_keep_listed(struct feed_answer *answer);

#endif
