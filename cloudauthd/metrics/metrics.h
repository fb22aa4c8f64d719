/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_METRICS_H
#define CLOUDAUTHD_METRICS_METRICS_H

#include "cloudauthd/metrics/health.h"

#include "common/text.h"

/*
 * The metrics, which docs/operations.md lists. Every value of a label is a constant of the source
 * (or the version), so their number does not depend on how many accounts or people there are, and
 * no name of an account or person is in them.
 */

#define METRICS_TEXT_MAX 65536u /* bytes; about half of it is used */

/* What the caller has counted for metrics_write. */
struct metrics_seen {
    struct health_documents documents;
    struct health_credentials credentials;
    uint64_t scrapes; /* questions for the metrics */
};

/* Writes all metrics. False, with text->cut, if they do not fit. */
bool metrics_write(const struct context *context, const struct metrics_seen *seen,
                   struct cloud_text *text);

#endif
