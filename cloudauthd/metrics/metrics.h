/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_METRICS_H
#define CLOUDAUTHD_METRICS_METRICS_H

#include "cloudauthd/server/server.h"

#include "common/text.h"

#include <stdint.h>

/*
 * The metrics, which docs/operations.md lists. Every label has one of a fixed set of values, so the
 * number of metrics does not depend on how many accounts or people there are, and none contains the
 * name of an account or person.
 */

#define METRICS_TEXT_MAX 65536u /* bytes; about half of it is used */

/* Answers METRICS with all of them. */
void metrics_answer(struct connection *connection);

/*
 * Prometheus' text exposition format, version 0.0.4: families with HELP and TYPE, and their
 * samples. Help and labels are constants of the source: no byte of them needs an escape. What does
 * not fit sets text->cut (common/text.h).
 */

/* Begins a family; type is "counter", "gauge" or "histogram". */
void exposition_family(struct cloud_text *text, const char *name, const char *type,
                       const char *help);

/* A label of a sample. A list of labels ends with a name of NULL. */
struct exposition_label {
    const char *name, *value;
};

/* Adds a sample: the name of the family, its suffix ("" or "_sum"), labels or NULL, the value. */
void exposition_sample(struct cloud_text *text, const char *name, const char *suffix,
                       const struct exposition_label *labels, int64_t value);

/* Adds a sample of milliseconds, printed as seconds: 1234 is 1.234. */
void exposition_seconds(struct cloud_text *text, const char *name, const char *suffix,
                        const struct exposition_label *labels, uint64_t milliseconds);

#endif
