/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/feed_answer.h"

#include "access/json.h"
#include "base/fatal.h"
#include "cloudauthd/api/url.h"

#include "common/text.h"

#include <stdlib.h>
#include <string.h>

struct feed_name feed_answer_name(const char *at)
{
    return (struct feed_name){
        .listed = *at != '\0', .project = at + 1, .environment = at + 1 + strlen(at + 1) + 1};
}

const char *feed_answer_after(const struct feed_name *name)
{
    return name->environment + strlen(name->environment) + 1;
}

/* feed_name.listed */
static bool is_listed(const struct cloud_grammar *grammar, const struct feed_name *name)
{
    char login[CLOUD_NAME_MAX + sizeof "_sftp"];

    if (!cloud_name_plain(grammar, name->project, name->environment, login))
        return false;
    if (cloud_name_parse(grammar, login, NULL))
        return true;
    strcat(login, "_sftp");
    return cloud_name_parse(grammar, login, NULL);
}

/* Frees what the block does not use. */
static void trim(struct feed_answer *answer)
{
    char *kept = realloc(answer->block, answer->used + 1);

    if (kept != NULL)
        answer->block = kept;
}

void feed_answer_keep_listed(struct feed_answer *answer)
{
    const char *at = answer->block, *end = at + answer->used, *next;

    if (answer->names == answer->listed)
        return;
    answer->used = 0;
    for (; at < end; at = next) {
        const struct feed_name name = feed_answer_name(at);
        next = feed_answer_after(&name);
        if (!name.listed)
            continue;
        memmove(answer->block + answer->used, at, (size_t)(next - at));
        answer->used += (size_t)(next - at);
    }
    answer->names = answer->listed;
    trim(answer);
}

/* Appends a name to the block, which is large enough: it has the size of the body, in which each
 * entry takes more bytes than its two strings with their NULs and the byte before them. */
static void put(struct feed_answer *answer, const struct feed_name *name)
{
    char *end = answer->block + answer->used;

    *end++ = (char)name->listed;
    end = stpcpy(end, name->project) + 1;
    end = stpcpy(end, name->environment) + 1;
    answer->used = (size_t)(end - answer->block);
    answer->names++;
    answer->listed += name->listed;
}

static bool take_entry(struct feed_answer *answer, const struct cloud_grammar *grammar,
                       const struct json *at)
{
    const struct json project = {.parent = at, .name = "project", .problem = at->problem};
    struct feed_name name = {false, "", ""};

    if (!json_expect_object(at) ||
        !json_get_string(at, "project", JSON_REQUIRED, DOCUMENT_STRING_MAX, &name.project) ||
        !json_get_string(at, "environment", JSON_OPTIONAL, DOCUMENT_STRING_MAX, &name.environment))
        return false;
    if (!cloud_name_project_ok(name.project))
        return json_fail(&project, "not one that can be");
    /* An environment that no login name can have, for example because its name is too long, must
     * neither make the page invalid nor be lost: the whole project counts as named instead. */
    if (!cloud_name_environment_ok(name.environment))
        name.environment = "";
    name.listed = is_listed(grammar, &name);
    put(answer, &name);
    return true;
}

static bool take_next(struct feed_answer *answer, const struct json *root)
{
    struct json links, next;
    const char *href = NULL;

    if (!json_get_object(root, "_links", JSON_OPTIONAL, &links) ||
        !json_get_object(&links, "next", JSON_OPTIONAL, &next))
        return false;
    if (next.value == NULL)
        return true;
    if (!json_get_string(&next, "href", JSON_REQUIRED, URL_SIZE - 1, &href))
        return false;
    answer->next = xstrdup(href);
    return true;
}

static bool take(struct feed_answer *answer, const struct cloud_grammar *grammar,
                 const struct json *root)
{
    struct json changed, at;

    if (!json_expect_object(root) || !json_get_bool(root, "whole", &answer->whole) ||
        !take_next(answer, root) ||
        !json_get_array(root, "changed", JSON_REQUIRED, DOCUMENT_VALUES_MAX, &changed))
        return false;
    for (bool more = json_first(&changed, &at); more; more = json_next(&at))
        if (!take_entry(answer, grammar, &at))
            return false;
    return true;
}

struct feed_answer *feed_answer_parse(const void *body, size_t n,
                                      const struct cloud_grammar *grammar,
                                      struct document_problem *problem)
{
    static const struct json_limits limits = {DOCUMENT_NESTING_MAX, DOCUMENT_VALUES_MAX};
    struct feed_answer *answer = xcalloc(1, sizeof *answer);
    struct cloud_text text;
    struct json root;
    bool ok;

    cloud_text_start(&text, problem->text, sizeof problem->text);
    answer->block = malloc(n + 1);
    if (answer->block == NULL) {
        cloud_text_add(&text, "out of memory");
    } else if (json_parse(body, n, &limits, &text, &root)) {
        ok = take(answer, grammar, &root);
        json_free(&root);
        if (ok) {
            trim(answer);
            return answer;
        }
    }
    feed_answer_free(answer);
    return NULL;
}

void feed_answer_free(struct feed_answer *answer)
{
    if (answer == NULL)
        return;
    free(answer->next);
    free(answer->block);
    free(answer);
}
