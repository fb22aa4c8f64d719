/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_PAIRS_H
#define CLOUD_CTL_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads the `name=value` words of an audit line, or of a line of the list of sessions, whose values
 * cloud_text_add_value (common/text.h) has written. A word without '=' is a pair whose value is "".
 */
struct pairs {
    char *at;
};

/* Returns the next pair, with the escapes of its value undone; false at the end. name and value
 * point into the line, which is changed. Any bytes are accepted. */
bool pairs_next(struct pairs *pairs, const char **name, const char **value);

#endif
