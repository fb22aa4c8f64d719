/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_RECORDS_H
#define CLOUDAUTHD_ACCOUNTS_RECORDS_H

#include "cloudauthd/accounts/publish.h"
#include "cloudauthd/cache/cache.h"

#include "common/conf.h"

/*
 * What every process of the host may know of an account without asking: what a document becomes in
 * accounts.snapshot. Pure but for the accounts it feeds.
 */
struct records {
    struct publish *accounts;
    const struct cloud_conf *conf;
    bool
        looked_at; /* file://: each lookup looks at the document, so that no record is ever fresh */
};

/* cache_told: arg is the publish. A document that is not for this host is not published. */
cache_told records_news;

#endif
