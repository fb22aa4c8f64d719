/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_JSON_H
#define CLOUD_ACCESS_JSON_H

#include "access/json_scan.h"

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A strict reader of JSON (RFC 8259) from the network. json_parse() scans the bytes (json_scan.h)
 * and builds a tree; the json_get_... functions read its values. Each refuses a value of the wrong
 * type with a text that names the value, such as "users[3].username: not a string". Two exceptions
 * let common APIs speak: an empty array reads as an empty object (PHP encodes both alike), and an
 * integer of more than 15 digits as the string of its digits, which a double would round.
 *
 * Different threads may read different documents at the same time: the only state that cJSON
 * shares is the place of its last error, which no code here reads.
 */

/*
 * A value, and its path from the root, for the texts of problems. A view that lives on the stack;
 * it borrows from its parent, from the tree and from the name that the caller asked for.
 */
struct json {
    const struct cJSON *value; /* NULL: a member that is missing or null */
    const struct json *parent; /* NULL: this is the root */
    const char *name;          /* of a member; NULL: an element of an array */
    size_t index;              /* of an element */
    size_t count;              /* of an array's elements (json_get_array) */
    struct cloud_text *problem;
};

/*
 * Scans and parses n bytes. True: *root must be freed with json_free. False: *problem says why, and
 * there is nothing to free. Every function that reads a value below root writes its problem to
 * `problem`, too.
 */
bool json_parse(const void *bytes, size_t n, const struct json_limits *limits,
                struct cloud_text *problem, struct json *root);
void json_free(struct json *root);

/* A copy of n bytes that json_scan takes, in which integers of more than 15 digits are strings; to
 * be freed. NULL: memory is out. */
char *json_keep_digits(const char *json, size_t n, size_t *out_n);

/* Sets the problem to "path: what". Always returns false. */
bool json_fail(const struct json *at, const char *what);

enum json_need {
    JSON_OPTIONAL,
    JSON_REQUIRED,
};

/*
 * These read a member of an object by its exact name. A member that is given twice is a problem,
 * and so is a required one that is missing or null. False: *problem says why.
 *
 * Where an optional member is missing or null, and where they return false, json_get_object and
 * json_get_array set out->value to NULL, which reads as an empty container; the others leave *out
 * as it was.
 */
bool json_get_object(const struct json *object, const char *name, enum json_need need,
                     struct json *out);

/* An array of at most max elements; out->count is how many it has. Of one that has more, which is a
 * problem, *out reads as the first max. */
bool json_get_array(const struct json *object, const char *name, enum json_need need, size_t max,
                    struct json *out);
bool json_get_bool(const struct json *object, const char *name, bool *out);

/* An integer from 0 to max; max must have less than 16 digits. */
bool json_get_whole(const struct json *object, const char *name, enum json_need need, uint64_t max,
                    uint64_t *out);

/*
 * A string of at most max bytes without control characters (of ASCII, DEL, or Unicode's C1). It
 * belongs to the tree.
 */
bool json_get_string(const struct json *object, const char *name, enum json_need need, size_t max,
                     const char **out);

/* A string with any content, for a caller that checks it itself. */
bool json_get_any_string(const struct json *object, const char *name, enum json_need need,
                         const char **out);

/*
 * Iterate over the elements of an array or the members of an object; false at its end. A member's
 * name comes from the document: the caller must check it before json_fail may print it.
 */
bool json_first(const struct json *container, struct json *out);
bool json_next(struct json *at);

/* The value as an object, or as a string as json_get_string has it. False: *problem says why. */
bool json_expect_object(const struct json *at);
bool json_expect_string(const struct json *at, size_t max, const char **out);

#endif
