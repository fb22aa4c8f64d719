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

/* A function cache_told; its arg is a struct records. Withdraws a document that this host does not
 * take, or no longer takes. */
cache_told records_news;

/* Implements publish_judges; arg is a struct records. Judges by the settings, the local accounts,
 * the bindings and the denials, which may have changed while no daemon ran. */
publish_judges records_judge;

#endif
