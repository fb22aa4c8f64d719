/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_TAKE_H
#define CLOUDAUTHD_CACHE_TAKE_H

#include "access/document.h"
#include "access/envelope.h"
#include "base/digest.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/state/store.h"

#include <stdbool.h>

/* Applies an answer of the API, or a stored document, to an entry, if it passes signature, parser,
 * admission and the guard against mass absence (limits.h). An answer that fails one of them is a
 * failure of the request (entries.h): nothing that was known is lost by it. */

struct cache_entry;

/* An answer, and what take_read reads from its body. The entry is not needed to read it, so that a
 * worker thread can do that. */
struct reading {
    /* Set by take_prepare: */
    const struct api_result *result; /* borrowed, like project and environment */
    const char *project, *environment;
    struct signers signers;
    bool ids_only;  /* only the ids of a stored document are needed: no signature is verified */
    bool has_known; /* the entry has a document: `known` is set */
    unsigned char known[DIGEST_SIZE]; /* the hash of the known document's body */
    /* Set by take_read: */
    unsigned char hash[DIGEST_SIZE]; /* hash of the body; all 0: there is none */
    bool is_known;                   /* the body is that of the known document */
    struct document *document;       /* the parsed document, or NULL; take_result takes ownership */
    struct document_problem problem; /* the reason if the body has no valid document */
};

/* Prepares the result of an entry's request, which is borrowed, for take_read. */
void take_prepare(struct reading *reading, const struct cache_entry *entry,
                  const struct api_result *result);

/* Hashes the body, if there is one, checks its signature and parses it. Uses *reading alone, so any
 * thread may call it. */
void take_read(struct reading *reading);

/* Applies an answer that take_read has read to the entry that requested it. Returns the verdict,
 * which is API_UNCHANGED for a body that is the known one. */
enum api_verdict take_result(struct cache_entry *entry, struct reading *reading);

/* Tells the subscriber that the entry has no document, because the stored one may not be used: an
 * earlier run of the daemon may have told the subscriber about that. document: what the stored one
 * says, or NULL; where documents are signed, none older is accepted from now on. */
void take_unusable(struct cache_entry *entry, const struct document *document);

/* Applies a stored document that take_read has read. If it may not be used, that is logged, and
 * take_unusable is called. */
void take_stored(struct cache_entry *entry, struct reading *reading,
                 const struct stored_document *from);

#endif
