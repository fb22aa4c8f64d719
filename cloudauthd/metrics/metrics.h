/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_METRICS_H
#define CLOUDAUTHD_METRICS_METRICS_H

#include "cloudauthd/metrics/health.h"

#include "common/text.h"

/*
 * The metrics, as docs/operations.md lists them. Their number does not depend on how many
 * accounts, people or names there are; no label has a value that is not in our source.
 */

#define METRICS_TEXT_MAX 65536u /* bytes; what is written has about half of that */

/* What takes long to find out, and is found out before they are written. */
struct metrics_seen {
    struct health_documents documents;
    struct health_credentials credentials;
    uint64_t scrapes; /* requests for the metrics */
};

/* Writes all of them. False, with text->cut, if they do not fit. */
bool metrics_write(const struct context *context, const struct metrics_seen *seen,
                   struct cloud_text *text);

#endif
