/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_TAKE_H
#define CLOUDAUTHD_CACHE_TAKE_H

#include "access/document.h"
#include "access/envelope.h"
#include "base/digest.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/state/store.h"

#include <stdbool.h>

/*
 * What an answer of the API, or a stored document, makes of an entry: signature, parser, admission
 * and the guard against mass absence. Whatever fails one of them is a failure of the request
 * (entries.h): nothing that was known is lost by it.
 */

struct cache_entry;

/* An answer, and what its body says: that is read without the entry, by another thread where it
 * takes long. */
struct reading {
    /* Set by take_prepare: */
    const struct api_result *result; /* borrowed, as are the names */
    const char *project, *environment;
    struct signers signers;
    bool has_known;
    unsigned char known[DIGEST_SIZE]; /* the hash of the known document's body */
    /* Set by take_read: */
    unsigned char hash[DIGEST_SIZE]; /* 0: none */
    bool is_known;                   /* the body is that one */
    struct document *document;       /* or NULL; take_result takes it over */
    struct document_problem problem; /* why there is none */
};

/* Prepares the answer to an entry's request for reading. */
void take_prepare(struct reading *reading, const struct cache_entry *entry,
                  const struct api_result *result);

/* Hashes the body, if there is one, checks its signature and parses it. Uses *reading alone. */
void take_read(struct reading *reading);

/* Takes the answer to the entry's request, which has been read. Returns what it amounts to: a body
 * that is the known one is API_UNCHANGED. */
enum api_verdict take_result(struct cache_entry *entry, struct reading *reading);

/* There is a stored document, which may not be used: the subscriber is told that there is none, in
 * case an earlier process has told one. */
void take_unusable(struct cache_entry *entry);

/* Takes a stored document, which has been read. If it may not be used that is logged, and as
 * above. */
void take_stored(struct cache_entry *entry, struct reading *reading,
                 const struct stored_document *from);

#endif
