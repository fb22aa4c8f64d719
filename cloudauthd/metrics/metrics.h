/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_METRICS_H
#define CLOUDAUTHD_METRICS_METRICS_H

#include "cloudauthd/server/server.h"

/* The metrics, which docs/operations.md lists. Each label has a fixed set of values, so the number
 * of metrics does not depend on how many accounts or people there are, and no metric contains the
 * name of an account or person. */

#define METRICS_TEXT_MAX 65536u /* bytes; about half of it is used */

/* Answers a METRICS request with all metrics, or with CLOUD_UNAVAILABLE if they do not fit. */
void metrics_answer(struct connection *connection);

#endif
