/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/exposition.h"

#include <stdio.h>

/* Escapes backslash and line feed, and in a label's value the quote. */
static void add_escaped(struct cloud_text *text, const char *string, bool quote)
{
    for (; *string != '\0'; string++) {
        if (*string == '\n')
            cloud_text_add(text, "\\n");
        else if (*string == '\\')
            cloud_text_add(text, "\\\\");
        else if (*string == '"' && quote)
            cloud_text_add(text, "\\\"");
        else
            cloud_text_add_char(text, *string);
    }
}

void exposition_family(struct cloud_text *text, const char *name, const char *type,
                       const char *help)
{
    cloud_text_add(text, "# HELP ");
    cloud_text_add(text, name);
    cloud_text_add_char(text, ' ');
    add_escaped(text, help, false);
    cloud_text_add(text, "\n# TYPE ");
    cloud_text_add(text, name);
    cloud_text_add_char(text, ' ');
    cloud_text_add(text, type);
    cloud_text_add_char(text, '\n');
}

/* A sample without its value. */
static void add_name(struct cloud_text *text, const char *name, const char *suffix,
                     const struct exposition_label *labels)
{
    char before = '{';

    cloud_text_add(text, name);
    cloud_text_add(text, suffix);
    for (; labels != NULL && labels->name != NULL; labels++) {
        cloud_text_add_char(text, before);
        cloud_text_add(text, labels->name);
        cloud_text_add(text, "=\"");
        add_escaped(text, labels->value, true);
        cloud_text_add_char(text, '"');
        before = ',';
    }
    cloud_text_add(text, before == ',' ? "} " : " ");
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
