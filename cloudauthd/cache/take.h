/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_TAKE_H
#define CLOUDAUTHD_CACHE_TAKE_H

#include "access/document.h"
#include "access/envelope.h"
#include "base/digest.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/state/store.h"

#include <stdbool.h>

/* Applies an answer of the API, or a stored document, to an entry, if it passes the signature
 * check, the parser, the admission check and the guard against mass absence (limits.h). Otherwise
 * an answer counts as a failed request (ENTRY_FAILURE), and what was known before is kept. */

struct cache_entry;

/* An answer, and what take_read reads from its body. It has all that take_read needs, so that a
 * worker thread can call take_read without the entry. */
struct reading {
    /* Set by take_prepare: */
    const struct api_result *result; /* borrowed, like project and environment */
    const char *project, *environment;
    struct signers signers;
    bool ids_only; /* only the ids of a stored document are needed: its signature is not verified */
    bool has_known;                   /* the entry has a document with bound ids: `known` is set */
    unsigned char known[DIGEST_SIZE]; /* the hash of the known document's body */
    /* Set by take_read: */
    unsigned char hash[DIGEST_SIZE]; /* hash of the body; all zeros: it could not be computed */
    bool is_known;                   /* the body is that of the known document */
    /* The parsed document, or NULL. take_result and take_stored take ownership. */
    struct document *document;
    struct document_problem problem; /* why the body is not a valid document */
    bool no_memory; /* there is no document because memory ran out: the body may be valid */
};

/* Sets the members that take_read needs. `result` is that of the entry's request, and is
 * borrowed. */
void take_prepare(struct reading *reading, const struct cache_entry *entry,
                  const struct api_result *result);

/* Hashes the body, verifies its signature and parses it; a body that is already known is only
 * hashed. Does nothing if the result is not a document. Uses only *reading, so any thread may call
 * it. */
void take_read(struct reading *reading);

/* Applies an answer that take_read has read to the entry that requested it. Returns the API's
 * verdict; API_UNCHANGED if the body is that of the known document; API_OUTAGE if the entry is
 * failing, unless that is by the age of a signature whose document has been applied. */
enum api_verdict take_result(struct cache_entry *entry, struct reading *reading);

/* Tells the subscriber that the entry has no document, because the stored one may not be used; an
 * earlier run of the daemon may have reported that one as usable. `document` is the parsed stored
 * document, or NULL; if documents are signed, no older one is accepted from now on. */
void take_unusable(struct cache_entry *entry, const struct document *document);

/* Applies a stored document that take_read has read; `from` has the times of its last confirmation.
 * If it may not be used, the reason is logged and take_unusable is called. */
void take_stored(struct cache_entry *entry, struct reading *reading,
                 const struct stored_document *from);

#endif
