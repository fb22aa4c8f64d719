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
 * and builds a tree; the json_get_... functions read its values. Each json_get_... function refuses
 * a value of the wrong type with a text that names the value, such as "users[3].username: not a
 * string". The reader makes two exceptions for common APIs: an empty array is read as an empty
 * object, because PHP encodes both alike; and an integer of more than 15 digits is read as the
 * string of its digits, because a double would round it.
 *
 * Several threads may read different documents at the same time: the only state that cJSON shares
 * is the place of its last error, which no code here reads.
 */

/*
 * A value, and its path from the root, which problem texts show. Lives on the caller's stack; its
 * parent, the tree and the name must outlive it.
 */
struct json {
    const struct cJSON *value; /* NULL: a member that is missing or null */
    const struct json *parent; /* NULL: this is the root */
    const char *name; /* name of a member; NULL: the value is an element of an array, or the root */
    size_t index;     /* position of an element in its array */
    size_t count;     /* number of elements of an array, set by json_get_array */
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
 * an optional member is missing or null, and if they return false (except for an array that is too
 * long). The other functions leave *out as it was in these cases.
 */
bool json_get_object(const struct json *object, const char *name, enum json_need need,
                     struct json *out);

/* Reads an array of at most max elements; out->count is their number. A longer array is a problem,
 * and *out then has its first max elements. */
bool json_get_array(const struct json *object, const char *name, enum json_need need, size_t max,
                    struct json *out);
bool json_get_bool(const struct json *object, const char *name, bool *out);

/* Reads an integer from 0 to max; max must have fewer than 16 digits. */
bool json_get_whole(const struct json *object, const char *name, enum json_need need, uint64_t max,
                    uint64_t *out);

/*
 * Reads a string of at most max bytes without control characters (of ASCII, DEL, or Unicode's C1).
 * The string belongs to the tree.
 */
bool json_get_string(const struct json *object, const char *name, enum json_need need, size_t max,
                     const char **out);

/* Reads a string with any content, for a caller that checks the content itself. */
bool json_get_any_string(const struct json *object, const char *name, enum json_need need,
                         const char **out);

/*
 * Iterate over the elements of an array or the members of an object; false at the end. The names of
 * members come from the document: before json_fail may print a name, the caller must check it.
 */
bool json_first(const struct json *container, struct json *out);
bool json_next(struct json *at);

/* Check that the value is an object, or a string as json_get_string reads it. False: *problem says
 * why. */
bool json_expect_object(const struct json *at);
bool json_expect_string(const struct json *at, size_t max, const char **out);

#endif
