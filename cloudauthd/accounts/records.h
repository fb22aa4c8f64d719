/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_RECORDS_H
#define CLOUDAUTHD_ACCOUNTS_RECORDS_H

#include "cloudauthd/accounts/publish.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"

#include <stdbool.h>

/* Turns the cache's documents into records of accounts.snapshot. */
struct records {
    struct publish *publish;
    const struct admission *admission;
    const struct denials *denials;
    bool always_ask; /* documents are files (file://): no record is ever fresh, so that each lookup
                        reads the file */
};

/* Implements cache_told; arg is a struct records. Publishes the account of a document, or withdraws
 * it if there is no document or this host does not take it. */
cache_told records_news;

/* Implements publish_judges; arg is a struct records. Judges by the settings, the local accounts,
 * the bindings and the denials, which may have changed since the record was written. */
publish_judges records_judge;

#endif
