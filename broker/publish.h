/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_PUBLISH_H
#define CLOUD_BROKER_PUBLISH_H

#include "accounts.h"
#include "cache.h"
#include "hostdb.h"
#include "list.h"
#include "owners.h"

#include "common/conf.h"

/*
 * What every process of the host may know of an account without asking: what a document becomes in
 * accounts.snapshot. Pure but for the accounts it feeds.
 */
struct publish {
    struct accounts *accounts;
    const struct cloud_conf *conf;
    struct hostdb *hostdb;
    const struct owners *owners;
    bool
        looked_at; /* file://: each lookup looks at the document, so that no record is ever fresh */
};

/* cache_told: arg is the publish. A document that is not for this host is not published. */
cache_told publish_news;

/*
 * An account as the account list has it, if this host may use it: not a local one, nobody else's
 * uid. It binds no uid, and where documents are signed it is not believed at all: a list is not
 * signed.
 */
void publish_listed(const struct publish *publish, const struct list_item *item);

#endif
