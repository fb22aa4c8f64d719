/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_JSON_SCAN_H
#define CLOUD_ACCESS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Strict validation of JSON (RFC 8259), before a library parses it. */

struct json_limits {
    size_t nesting; /* greatest depth of nested arrays and objects */
    size_t values;
};

/* The first error that a scan has found. */
struct json_fault {
    size_t offset;
    const char *what; /* a static text */
};

/* A double holds every integer of at most 15 digits exactly. */
#define JSON_EXACT_DIGITS 15

/* The size of a buffer for the copy of n bytes that json_scan makes. */
#define JSON_COPY_SIZE(n) ((n) + (n) / JSON_EXACT_DIGITS * 2 + 1)

/*
 * Whether the n bytes are one JSON value, optionally with white space around it and with a byte
 * order mark before it, which RFC 8259 allows a parser to ignore. Returns false, with *fault
 * filled, if they are not, if the value exceeds *limits, and if they contain anything that JSON
 * libraries treat differently: bytes after the value, invalid UTF-8, a NUL (also an escaped one),
 * an unpaired surrogate, or a number of more than 60 characters. Does not allocate memory.
 *
 * If true and `copy` is not NULL, it has a copy for a JSON library, NUL-terminated, in which each
 * non-negative integer of more than JSON_EXACT_DIGITS digits is a string. If false, it is
 * undefined.
 */
bool json_scan(const void *bytes, size_t n, const struct json_limits *limits, char *copy,
               struct json_fault *fault);

/* Decodes the first character of `left` bytes, at least one, of UTF-8 text (RFC 3629). Returns the
 * length of the character in bytes; 0 if it is truncated or invalid, for example overlong or a
 * surrogate. */
size_t json_utf8(const unsigned char *at, size_t left, unsigned *code);

#endif
