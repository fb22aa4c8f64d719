/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_PAIRS_H
#define CLOUD_CTL_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The `name=value` words of an audit line, and of a line of the list of sessions: values as
 * cloud_text_add_value (common/text.h) writes them, here with their escapes undone. A word without
 * '=' is a pair without a value.
 */
struct pairs {
    char *at;
};

/* The next pair; false at the end. The line is changed; name and value are in it. Whatever bytes it
 * has, all of them are passed once. */
bool pairs_next(struct pairs *pairs, const char **name, const char **value);

#endif
