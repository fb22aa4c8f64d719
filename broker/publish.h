/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_PUBLISH_H
#define CLOUD_BROKER_PUBLISH_H

#include "accounts.h"
#include "cache.h"

#include "common/conf.h"

/*
 * What every process of the host may know of an account without asking: what a document becomes in
 * accounts.snapshot. Pure but for the accounts it feeds.
 */
struct publish {
    struct accounts *accounts;
    const struct cloud_conf *conf;
    bool
        looked_at; /* file://: each lookup looks at the document, so that no record is ever fresh */
};

/* cache_told: arg is the publish. A document that is not for this host is not published. */
cache_told publish_news;

#endif
