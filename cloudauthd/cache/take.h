/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_CACHE_TAKE_H
#define CLOUDAUTHD_CACHE_TAKE_H

#include "cloudauthd/api/api.h"
#include "cloudauthd/state/store.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * What an answer of the API, or a stored document, makes of an entry: signature, parser, admission
 * and the guard against mass absence. Whatever fails one of them is a failure of the request
 * (entries.h): nothing that was known is lost by it.
 */

struct cache_entry;

/* Takes the answer to the entry's request. Returns what it amounts to: a body that is the known one
 * is API_UNCHANGED. */
enum api_verdict take_result(struct cache_entry *entry, const struct api_result *result);

/* Takes a stored document. False, logged, if it may not be used. */
bool take_stored(struct cache_entry *entry, const struct stored_document *from);

#endif
