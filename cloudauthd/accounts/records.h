/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_RECORDS_H
#define CLOUDAUTHD_ACCOUNTS_RECORDS_H

#include "access/bindings.h"
#include "access/local_ids.h"
#include "cloudauthd/accounts/list.h"
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
    struct local_ids *local_ids;
    const struct bindings *bindings;
    bool
        looked_at; /* file://: each lookup looks at the document, so that no record is ever fresh */
};

/* cache_told: arg is the publish. A document that is not for this host is not published. */
cache_told records_news;

/*
 * An account as the account list has it, if this host may use it: not a local one, nobody else's
 * uid. It binds no uid, and where documents are signed it is not believed at all: a list is not
 * signed.
 */
void records_listed(const struct records *publish, const struct list_item *item);

#endif
