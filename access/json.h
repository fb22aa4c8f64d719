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
 * string". There are two exceptions, for common APIs: an empty array is read as an empty object,
 * because PHP encodes both alike; and a non-negative integer of more than 15 digits is read as the
 * string of its digits, because a double could not represent it exactly.
 *
 * Several threads may read different documents at the same time: the only global state of cJSON is
 * the position of its last error, which is never read here.
 */

/*
 * A value and its path from the root, which is shown in the text of a problem. Lives on the
 * caller's stack; its parent, its name and the tree must outlive it.
 */
struct json {
    const struct cJSON *value; /* NULL: a member that is missing or null */
    const struct json *parent; /* NULL: this is the root */
    const char *name;          /* of a member; NULL: an element of an array, or the root */
    size_t index;              /* position of an element in its array */
    size_t count;              /* number of elements of an array, set by json_get_array */
    struct cloud_text *problem;
};

/*
 * Scans and parses n bytes. On success, returns true, and the caller frees *root with json_free.
 * Otherwise returns false, with the reason in *problem and nothing to free. All functions that read
 * values below *root write the reason for a failure to *problem as well.
 */
bool json_parse(const void *bytes, size_t n, const struct json_limits *limits,
                struct cloud_text *problem, struct json *root);
void json_free(struct json *root);

/* Sets *problem to "path: what", with the path of the value. Always returns false. */
bool json_fail(const struct json *at, const char *what);

enum json_need {
    JSON_OPTIONAL,
    JSON_REQUIRED,
};

/*
 * The functions below read a member of an object by its exact name. They return false, with the
 * reason in *problem, if the value is not as described, if the member is given twice, and if a
 * required member is missing or null.
 *
 * On failure, and if an optional member is missing or null, json_get_object and json_get_array set
 * out->value to NULL, which reads as an empty container (json_get_array has one exception), and the
 * other functions leave *out unchanged.
 */
bool json_get_object(const struct json *object, const char *name, enum json_need need,
                     struct json *out);

/* Reads an array of at most max elements; out->count is their number. For a longer array, returns
 * false, and *out has its first max elements. */
bool json_get_array(const struct json *object, const char *name, enum json_need need, size_t max,
                    struct json *out);
bool json_get_bool(const struct json *object, const char *name, bool *out);

/* Reads an integer from 0 to max; max must have fewer than 16 digits. */
bool json_get_whole(const struct json *object, const char *name, enum json_need need, uint64_t max,
                    uint64_t *out);

/*
 * Reads a string of at most max bytes without control characters (ASCII, DEL or C1). The string
 * belongs to the tree.
 */
bool json_get_string(const struct json *object, const char *name, enum json_need need, size_t max,
                     const char **out);

/* Reads a string with any content, for a caller that checks the content itself. */
bool json_get_any_string(const struct json *object, const char *name, enum json_need need,
                         const char **out);

/*
 * Iterate over the elements of an array or the members of an object; return false at the end. The
 * names of members come from the document and may contain anything, so the caller must check a name
 * before it calls json_fail, which prints the name.
 */
bool json_first(const struct json *container, struct json *out);
bool json_next(struct json *at);

/* Check that the value is an object, or a string as json_get_string accepts it. If not, return
 * false, with the reason in *problem. */
bool json_expect_object(const struct json *at);
bool json_expect_string(const struct json *at, size_t max, const char **out);

#endif
