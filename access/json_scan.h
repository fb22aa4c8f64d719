/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_JSON_SCAN_H
#define CLOUD_ACCESS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* A strict check of JSON (RFC 8259) before any library parses it. */

struct json_limits {
    size_t nesting; /* of arrays and objects within one another */
    size_t values;
};

/* The first error of a scan. */
struct json_fault {
    size_t offset;
    const char *what; /* a static text */
};

/*
 * Whether n bytes are one JSON value, with white space around it, perhaps after a byte order mark
 * (which RFC 8259 allows a parser to ignore). Refuses everything that JSON libraries disagree
 * about: bytes after the value, invalid UTF-8, NUL (also as an escape), an unpaired surrogate,
 * numbers of more than 60 characters; and what exceeds the limits. Does not allocate. False with
 * *fault filled.
 */
bool json_scan(const void *bytes, size_t n, const struct json_limits *limits,
               struct json_fault *fault);

#endif
