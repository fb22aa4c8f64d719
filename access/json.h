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
 * and builds a tree; the json_get_... functions read its values. Each of these refuses a value of
 * the wrong type with a text that names the value, such as "users[3].username: not a string".
 * Common APIs need two exceptions: an empty array is read as an empty object, because PHP encodes
 * both alike; and an integer of more than 15 digits is read as the string of its digits, because a
 * double would round it.
 *
 * Several threads may read different documents at the same time: the only state that cJSON shares
 * is the place of its last error, which no code here reads.
 */

/*
 * A value, and its path from the root, which the texts of problems show. It lives on the stack, and
 * borrows from its parent, from the tree and from the name that the caller asked for.
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
 * there is nothing to free. All functions that read values below root write their problems to
 * `problem` as well.
 */
bool json_parse(const void *bytes, size_t n, const struct json_limits *limits,
                struct cloud_text *problem, struct json *root);
void json_free(struct json *root);

/* Sets the problem to "path: what". Always returns false. */
bool json_fail(const struct json *at, const char *what);

enum json_need {
    JSON_OPTIONAL,
    JSON_REQUIRED,
};

/*
 * These functions read a member of an object by its exact name. It is a problem if the member is
 * given twice, and if a required member is missing or null. False: *problem says why.
 *
 * json_get_object and json_get_array set out->value to NULL, which reads as an empty container, if
 * an optional member is missing or null, and if they return false. The other functions leave *out
 * as it was in these cases.
 */
bool json_get_object(const struct json *object, const char *name, enum json_need need,
                     struct json *out);

/* An array of at most max elements; out->count is their number. A longer array is a problem, and
 * *out then has its first max elements. */
bool json_get_array(const struct json *object, const char *name, enum json_need need, size_t max,
                    struct json *out);
bool json_get_bool(const struct json *object, const char *name, bool *out);

/* An integer from 0 to max; max must have less than 16 digits. */
bool json_get_whole(const struct json *object, const char *name, enum json_need need, uint64_t max,
                    uint64_t *out);

/*
 * A string of at most max bytes without control characters (of ASCII, DEL, or Unicode's C1). The
 * string belongs to the tree.
 */
bool json_get_string(const struct json *object, const char *name, enum json_need need, size_t max,
                     const char **out);

/* A string with any content, for a caller that checks it itself. */
bool json_get_any_string(const struct json *object, const char *name, enum json_need need,
                         const char **out);

/*
 * Iterate over the elements of an array or the members of an object; false at the end. The names of
 * members come from the document: the caller must check a name before json_fail may print it.
 */
bool json_first(const struct json *container, struct json *out);
bool json_next(struct json *at);

/* Check that the value is an object, or a string as json_get_string reads it. False: *problem says
 * why. */
bool json_expect_object(const struct json *at);
bool json_expect_string(const struct json *at, size_t max, const char **out);

#endif
