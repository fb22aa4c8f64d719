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
    bool whole;   /* the page says `whole`: any environment may have changed */
    char *next;   /* the link to the next page, as it stands here; NULL: none */
    size_t names; /* the number of names in `block` */
    size_t used;  /* the number of bytes in `block` that names take */
    /* For each name the project and the environment, each with its NUL. Environment "" means all
     * environments of the project. It also replaces an environment that no login name can have. */
    char *block;
};

/*
 * Parses a page, n bytes of JSON. Every entry is checked. Kept are the names that this host serves
 * and, unless the page says `whole`, those with environment "". NULL with the reason in *problem if
 * any part of the page is invalid, or if memory is short. Uses its arguments alone, so any thread
 * may call it.
 */
struct feed_answer *feed_answer_parse(const void *body, size_t n,
                                      const struct cloud_grammar *grammar,
                                      struct document_problem *problem);
void feed_answer_free(struct feed_answer *answer);

/* A name in a block. feed_answer_name returns the name at `at`; feed_answer_after returns where the
 * next name begins. */
struct feed_name {
    const char *project, *environment;
};
struct feed_name feed_answer_name(const char *at);
const char *feed_answer_after(const struct feed_name *name);

/* Whether this host serves the environment: `allow` lists its main login name (cloud_name_plain),
 * or that name with "_sftp". */
bool feed_answer_serves(const struct cloud_grammar *grammar, const struct feed_name *name);

#endif
