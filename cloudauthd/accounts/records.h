/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_RECORDS_H
#define CLOUDAUTHD_ACCOUNTS_RECORDS_H

#include "cloudauthd/accounts/publish.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"

/*
 * What every process of the host may know of an account without asking: what a document becomes in
 * accounts.snapshot. Pure but for the accounts it feeds.
 */
struct records {
    struct publish *accounts;
    const struct admission *admission;
    bool
        looked_at; /* file://: each lookup looks at the document, so that no record is ever fresh */
};

/* cache_told: arg is the records. A document that this host does not take, or no longer, is not
 * published. */
cache_told records_news;

#endif
