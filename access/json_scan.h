/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_JSON_SCAN_H
#define CLOUD_ACCESS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* A strict check of JSON (RFC 8259) before any library parses it. */

struct json_limits {
    size_t nesting; /* depth of arrays and objects within one another */
    size_t values;
};

/* The first error of a scan. */
struct json_fault {
    size_t offset;
    const char *what; /* a static text */
};

/*
 * Whether n bytes are one JSON value, which may have white space around it and a byte order mark
 * before it (RFC 8259 allows a parser to ignore the mark). False, with *fault filled, if they are
 * not; also for everything on which JSON libraries disagree (bytes after the value, invalid UTF-8,
 * NUL (also as an escape), an unpaired surrogate, numbers of more than 60 characters), and for a
 * value that exceeds *limits. Does not allocate.
 */
bool json_scan(const void *bytes, size_t n, const struct json_limits *limits,
               struct json_fault *fault);

/* Decodes the first character of UTF-8 text (RFC 3629) of `left` bytes, at least one. Returns the
 * character's length in bytes; 0 if it is cut off or invalid, as overlong forms and surrogates
 * are. */
size_t json_utf8(const unsigned char *at, size_t left, unsigned *code);

#endif
