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
    bool whole;   /* the names are those of all environments: any of them may have changed */
    char *next;   /* href of the next page as it stands in this one; NULL: there is none */
    size_t names; /* in the block */
    size_t used;
    /* For each name the project and the environment, each with its NUL. Environment "" means all of
     * the project; it also stands for an environment that no login name can have. */
    char *block;
};

/*
 * Parses n bytes of JSON. Every entry is checked; those alone are kept that this host serves and,
 * unless the answer is whole, those of environment "". NULL with *problem filled if anything in it
 * is invalid, or if out of memory. Depends on its arguments alone, and may run in a worker thread.
 */
struct feed_answer *feed_answer_parse(const void *body, size_t n,
                                      const struct cloud_grammar *grammar,
                                      struct document_problem *problem);
void feed_answer_free(struct feed_answer *answer);

/* A name in a block, and the one behind it. */
struct feed_name {
    const char *project, *environment;
};
struct feed_name feed_answer_name(const char *at);
const char *feed_answer_after(const struct feed_name *name);

/* Whether `allow` takes the plain login name of the environment, or that with "_sftp". */
bool feed_answer_serves(const struct cloud_grammar *grammar, const struct feed_name *name);

#endif
