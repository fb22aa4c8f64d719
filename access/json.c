/* SPDX-License-Identifier: Apache-2.0 */
#include "access/json.h"

#include "common/text.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/*
 * cJSON accepts numbers such as 01 and 1., any byte below 0x20 as white space, and text after the
 * document; json_scan() refuses these before cJSON sees them. The functions of cJSON that find
 * members are not used: they ignore case, or return the first of two members. valueint is not used
 * either, because it saturates.
 */

static void add_path(const struct json *at)
{
    if (at->parent == NULL)
        return;
    add_path(at->parent);
    if (at->name == NULL) {
        cloud_text_add(at->problem, "[");
        cloud_text_add_number(at->problem, at->index);
        cloud_text_add(at->problem, "]");
        return;
    }
    if (at->parent->parent != NULL)
        cloud_text_add(at->problem, ".");
    cloud_text_add(at->problem, at->name);
}

bool json_fail(const struct json *at, const char *what)
{
    struct cloud_text *problem = at->problem;

    cloud_text_start(problem, problem->at, problem->size);
    add_path(at);
    if (at->parent == NULL)
        cloud_text_add(problem, "the document");
    cloud_text_add_all(problem, ": ", what);
    return false;
}

static bool fail_number(const struct json *at, const char *what, size_t number, const char *more)
{
    (void)json_fail(at, what);
    cloud_text_add_number(at->problem, number);
    cloud_text_add(at->problem, more);
    return false;
}

bool json_parse(const void *bytes, size_t n, const struct json_limits *limits,
                struct cloud_text *problem, struct json *root)
{
    struct json_fault fault;
    char *copy = malloc(JSON_COPY_SIZE(n));

    *root = (struct json){.problem = problem};
    if (copy == NULL)
        return json_fail(root, "out of memory");
    if (json_scan(bytes, n, limits, copy, &fault)) {
        root->value = cJSON_Parse(copy);
        if (root->value == NULL)
            (void)json_fail(root, "out of memory");
    } else {
        (void)json_fail(root, "");
        cloud_text_add_all(problem, fault.what, ", at byte ");
        cloud_text_add_number(problem, fault.offset);
    }
    free(copy);
    return root->value != NULL;
}

void json_free(struct json *root)
{
    cJSON_Delete((cJSON *)(uintptr_t)root->value);
    root->value = NULL;
}

static bool has_type(const struct json *at, int type)
{
    return at->value != NULL && (at->value->type & 0xff) == type;
}

bool json_expect_object(const struct json *at)
{
    return has_type(at, cJSON_Object) || (has_type(at, cJSON_Array) && at->value->child == NULL) ||
           json_fail(at, "not an object");
}

/* Whether text has a control character: of ASCII, or U+0080 to U+009F, which terminals interpret as
 * well, and which UTF-8 encodes as 0xc2 and a byte from 0x80 to 0x9f. */
static bool has_control(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (cloud_text_is_control((char)*at) || (at[0] == 0xc2 && at[1] < 0xa0))
            return true;
    return false;
}

static bool expect_any_string(const struct json *at, const char **out)
{
    if (!has_type(at, cJSON_String))
        return json_fail(at, "not a string");
    *out = at->value->valuestring;
    return true;
}

bool json_expect_string(const struct json *at, size_t max, const char **out)
{
    const char *text = "";

    if (!expect_any_string(at, &text))
        return false;
    if (strlen(text) > max)
        return fail_number(at, "longer than ", max, " bytes");
    if (has_control(text))
        return json_fail(at, "has a control character");
    *out = text;
    return true;
}

/* Finds a member. Looks at all members, because a second one of the same name is an error, even if
 * its value is null. */
static bool find(const struct json *object, const char *name, enum json_need need, struct json *out)
{
    const cJSON *found = NULL;

    *out = (struct json){.parent = object, .name = name, .problem = object->problem};
    for (const cJSON *at = object->value == NULL ? NULL : object->value->child; at != NULL;
         at = at->next) {
        if (at->string == NULL || strcmp(at->string, name) != 0)
            continue;
        if (found != NULL)
            return json_fail(out, "given twice");
        found = at;
    }
    out->value = found;
    if (has_type(out, cJSON_NULL))
        out->value = NULL;
    return out->value != NULL || need == JSON_OPTIONAL || json_fail(out, "missing");
}

bool json_get_object(const struct json *object, const char *name, enum json_need need,
                     struct json *out)
{
    bool ok = find(object, name, need, out) && (out->value == NULL || json_expect_object(out));

    if (!ok)
        out->value = NULL;
    return ok;
}

bool json_get_array(const struct json *object, const char *name, enum json_need need, size_t max,
                    struct json *out)
{
    if (!find(object, name, need, out))
        return false;
    if (out->value != NULL && !has_type(out, cJSON_Array)) {
        out->value = NULL;
        return json_fail(out, "not an array");
    }
    for (const cJSON *at = out->value == NULL ? NULL : out->value->child; at != NULL;
         at = at->next, out->count++)
        if (out->count == max)
            return fail_number(out, "more than ", max, " entries");
    return true;
}

bool json_get_bool(const struct json *object, const char *name, bool *out)
{
    struct json at;

    if (!find(object, name, JSON_OPTIONAL, &at))
        return false;
    if (at.value == NULL)
        return true;
    if (!has_type(&at, cJSON_True) && !has_type(&at, cJSON_False))
        return json_fail(&at, "neither true nor false");
    *out = has_type(&at, cJSON_True);
    return true;
}

bool json_get_whole(const struct json *object, const char *name, enum json_need need, uint64_t max,
                    uint64_t *out)
{
    struct json at;

    if (!find(object, name, need, &at))
        return false;
    if (at.value == NULL)
        return true;
    double number = has_type(&at, cJSON_Number) ? at.value->valuedouble : -1;
    /* The range is checked before the conversion, because converting NaN or a double that does not
     * fit is undefined behaviour. */
    if (!(number >= 0 && number <= (double)max) || (double)(uint64_t)number != number)
        return fail_number(&at, "not an integer from 0 to ", max, "");
    *out = (uint64_t)number;
    return true;
}

bool json_get_string(const struct json *object, const char *name, enum json_need need, size_t max,
                     const char **out)
{
    struct json at;

    return find(object, name, need, &at) && (at.value == NULL || json_expect_string(&at, max, out));
}

bool json_get_any_string(const struct json *object, const char *name, enum json_need need,
                         const char **out)
{
    struct json at;

    return find(object, name, need, &at) && (at.value == NULL || expect_any_string(&at, out));
}

static bool step(struct json *at, const cJSON *to)
{
    if (to == NULL)
        return false;
    at->value = to;
    at->name = to->string;
    return true;
}

bool json_first(const struct json *container, struct json *out)
{
    *out = (struct json){.parent = container, .problem = container->problem};
    return container->value != NULL && step(out, container->value->child);
}

bool json_next(struct json *at)
{
    at->index++;
    return (at->name != NULL || at->index < at->parent->count) && step(at, at->value->next);
}
