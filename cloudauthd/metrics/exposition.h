/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_EXPOSITION_H
#define CLOUDAUTHD_METRICS_EXPOSITION_H

#include "common/text.h"

#include <stdint.h>

/*
 * Prometheus' text exposition format, version 0.0.4: families, each with HELP and TYPE, and their
 * samples. Pure functions; what does not fit sets text->cut, as with all of common/text.h.
 */

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Begins a family; type is "counter", "gauge" or "histogram". help is escaped. */
void exposition_family(struct cloud_text *text, const char *name, const char *type,
                       const char *help);

/* A label of a sample; the value is escaped. A list of them ends with a name of NULL. */
struct exposition_label {
    const char *name, *value;
};

/* A sample: name, what is appended to it ("" or "_sum"), labels or NULL, the value. */
void exposition_sample(struct cloud_text *text, const char *name, const char *suffix,
                       const struct exposition_label *labels, int64_t value);

/* The same of milliseconds, given in seconds: 1234 is 1.234. */
void exposition_seconds(struct cloud_text *text, const char *name, const char *suffix,
                        const struct exposition_label *labels, uint64_t milliseconds);

#endif
