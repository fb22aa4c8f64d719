/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_JSON_H
#define CLOUD_ACCESS_JSON_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * JSON of others (RFC 8259), read strictly. json_scan() looks at every byte before any library
 * does and refuses what libraries disagree about; json_parse() builds the tree; the json_get_...
 * functions read it, each refusing a wrong type with a text that says where.
 *
 * Documents are read in the loop's thread and pages of the account list in a worker's, at one time:
 * nothing is shared but the place of the last error that cJSON keeps, which nobody reads.
 */

struct json_limits {
    size_t nesting; /* arrays and objects within one another */
    size_t values;
};

/* Where a scan stopped, and why: a static text. */
struct json_fault {
    size_t offset;
    const char *what;
};

/*
 * Whether n bytes are one JSON value and white space: UTF-8, no NUL (not as an escape either), no
 * half of a surrogate pair, no byte order mark, nothing after the value, within the limits.
 * Numbers of more than 60 characters are refused. No allocation.
 */
bool json_scan(const void *bytes, size_t n, const struct json_limits *limits,
               struct json_fault *fault);

/*
 * A value, and the way to it for the texts of problems. A borrowed view that lives on the stack;
 * it must not outlive its parent, the tree, or the name it was asked for with.
 */
struct json {
    const struct cJSON *value; /* NULL: not there (as a member), or null */
    const struct json *parent; /* NULL: the outermost value */
    const char *name;          /* of a member; NULL: an element */
    size_t index;              /* of an element */
    struct cloud_text *problem;
};

/*
 * Scans and parses. True: *root is to be freed with json_free. False: *problem says why, and
 * *root holds nothing. problem is used by all that is read from root.
 */
bool json_parse(const void *bytes, size_t n, const struct json_limits *limits,
                struct cloud_text *problem, struct json *root);
void json_free(struct json *root);

/* Replaces the problem's text by "where: what". Always returns false. */
bool json_fail(const struct json *at, const char *what);

enum json_need {
    JSON_OPTIONAL,
    JSON_REQUIRED,
};

/*
 * A member of an object, by its exact name; one walk over the object. A member that stands twice
 * is a problem, and so is a required one that is missing or null. False: *problem says why.
 *
 * Where an optional member is missing or null: json_get_object and json_get_array leave
 * out->value NULL, which counts as empty; the others leave *out as it was.
 */
bool json_get_object(const struct json *object, const char *name, enum json_need need,
                     struct json *out);
bool json_get_array(const struct json *object, const char *name, enum json_need need, size_t max,
                    struct json *out, size_t *count);
bool json_get_bool(const struct json *object, const char *name, bool *out);

/* A number without a fraction from 0 to max; max must be less than 2^53. */
bool json_get_whole(const struct json *object, const char *name, enum json_need need, uint64_t max,
                    uint64_t *out);

/*
 * A string of at most max bytes without control characters (of ASCII, DEL, or of Unicode's C1).
 * It lives in the tree.
 */
bool json_get_string(const struct json *object, const char *name, enum json_need need, size_t max,
                     const char **out);

/* A string whatever is in it: for a caller that has a milder answer than a problem. */
bool json_get_any_string(const struct json *object, const char *name, enum json_need need,
                         const char **out);

/*
 * Steps over the elements of an array or the members of an object; false at its end. The name of
 * a member is the document's own: it must be checked before json_fail is called for it or below.
 */
bool json_first(const struct json *container, struct json *out);
bool json_next(struct json *at);

/* The type of an element. */
bool json_expect_object(const struct json *at);
bool json_expect_string(const struct json *at, size_t max, const char **out);

#endif
