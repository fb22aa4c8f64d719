/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_METRICS_H
#define CLOUDAUTHD_METRICS_METRICS_H

#include "cloudauthd/metrics/health.h"

#include "common/text.h"

/*
 * The metrics, as docs/operations.md lists them. Their number does not depend on how many
 * accounts, people or names there are; no label has a value that is not in our source.
 */

#define FIGURES_MAX 65536u /* bytes; what is written has about half of that */

/* Writes all of them. False, with text->cut, if they do not fit. */
bool figures_write(const struct context *context, const struct health_documents *documents,
                   const struct health_credentials *credentials, struct cloud_text *text);

#endif
