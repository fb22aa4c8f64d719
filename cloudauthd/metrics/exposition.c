/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/exposition.h"

#include <stdio.h>

void exposition_family(struct cloud_text *text, const char *name, const char *type,
                       const char *help)
{
    cloud_text_add_all(text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
}

/* A sample without its value. */
static void add_name(struct cloud_text *text, const char *name, const char *suffix,
                     const struct exposition_label *labels)
{
    const char *before = "{";

    cloud_text_add_all(text, name, suffix);
    for (; labels != NULL && labels->name != NULL; labels++) {
        cloud_text_add_all(text, before, labels->name, "=\"", labels->value, "\"");
        before = ",";
    }
    cloud_text_add(text, before[0] == ',' ? "} " : " ");
}

void exposition_sample(struct cloud_text *text, const char *name, const char *suffix,
                       const struct exposition_label *labels, int64_t value)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%lld\n", (long long)value);
    add_name(text, name, suffix, labels);
    cloud_text_add(text, digits);
}

void exposition_seconds(struct cloud_text *text, const char *name, const char *suffix,
                        const struct exposition_label *labels, uint64_t milliseconds)
{
    char digits[48];

    snprintf(digits, sizeof digits, "%llu.%03u\n", (unsigned long long)(milliseconds / 1000),
             (unsigned)(milliseconds % 1000));
    add_name(text, name, suffix, labels);
    cloud_text_add(text, digits);
}
