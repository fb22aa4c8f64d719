/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/list_pages.h"

#include "access/json.h"
#include "base/array.h"
#include "base/table.h"
#include "cloudauthd/api/url.h"

#include "common/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

bool list_pages_serves(const struct cloud_grammar *grammar, const struct list_item *item)
{
    char name[CLOUD_NAME_MAX + sizeof "_sftp"];

    if (!cloud_name_plain(grammar, item->project, item->environment, name))
        return false;
    if (cloud_name_parse(grammar, name, NULL))
        return true;
    strcat(name, "_sftp");
    return cloud_name_parse(grammar, name, NULL);
}

/* The bytes of a project and an environment with their NULs. */
static size_t name_size(const char *name)
{
    size_t project = strlen(name) + 1;

    return project + strlen(name + project) + 1;
}

struct list_item list_pages_item(const char *name)
{
    return (struct list_item){.project = name, .environment = name + strlen(name) + 1};
}

/* ---- A page ---- */

/* A page that is being parsed. */
struct parse {
    const struct cloud_grammar *grammar;
    struct list_page *page;
};

/* The block has the size of the body, in which each item takes more bytes than its two strings. */
static void put(struct list_page *page, const struct list_item *item)
{
    char *end = stpcpy(page->block + page->used, item->project) + 1;

    end = stpcpy(end, item->environment) + 1;
    page->used = (size_t)(end - page->block);
    page->served++;
}

static bool take_name(const struct json *object, const char *name, bool (*good)(const char *),
                      const char **out)
{
    struct json at = {.parent = object, .name = name, .problem = object->problem};

    return json_get_string(object, name, JSON_REQUIRED, DOCUMENT_STRING_MAX, out) &&
           (good(*out) || json_fail(&at, "not one that can be"));
}

static bool take_item(const struct parse *parse, const struct json *at)
{
    struct list_item item = {.project = "", .environment = ""};

    if (!json_expect_object(at) ||
        !take_name(at, "project", cloud_name_project_ok, &item.project) ||
        !take_name(at, "environment", cloud_name_environment_ok, &item.environment))
        return false;
    if (list_pages_serves(parse->grammar, &item))
        put(parse->page, &item);
    return true;
}

static bool take_next(const struct parse *parse, const struct json *root)
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
    parse->page->next = strdup(href);
    return parse->page->next != NULL || json_fail(root, "out of memory");
}

static bool take_page(const struct parse *parse, const struct json *root)
{
    struct json items, at;

    if (!json_expect_object(root) || !take_next(parse, root) ||
        !json_get_array(root, "items", JSON_REQUIRED, LIST_PAGES_VALUES_MAX, &items))
        return false;
    parse->page->total = items.count;
    for (bool more = json_first(&items, &at); more; more = json_next(&at))
        if (!take_item(parse, &at))
            return false;
    return true;
}

struct list_page *list_pages_parse(const void *body, size_t n, const struct cloud_grammar *grammar,
                                   struct document_problem *problem)
{
    static const struct json_limits limits = {LIST_PAGES_NESTING_MAX, LIST_PAGES_VALUES_MAX};
    struct list_page *page = calloc(1, sizeof *page);
    const struct parse parse = {.grammar = grammar, .page = page};
    struct cloud_text text;
    struct json root;

    cloud_text_start(&text, problem->text, sizeof problem->text);
    if (page != NULL)
        page->block = malloc(n + 1);
    if (page == NULL || page->block == NULL) {
        cloud_text_add(&text, "out of memory");
        free(page);
        return NULL;
    }
    page->users = 1;
    if (json_parse(body, n, &limits, &text, &root)) {
        bool ok = take_page(&parse, &root);
        json_free(&root);
        if (ok) {
            char *kept = realloc(page->block, page->used + 1);
            if (kept != NULL)
                page->block = kept;
            return page;
        }
    }
    list_pages_release(page);
    return NULL;
}

void list_pages_release(struct list_page *page)
{
    if (page == NULL || --page->users > 0)
        return;
    free(page->url);
    free(page->next);
    free(page->block);
    free(page);
}

/* ---- The whole list ---- */

static bool grow(struct list_pages *list)
{
    struct list_page **grown =
        array_grow(list->page, list->pages, &list->room, sizeof(struct list_page *));

    if (grown != NULL)
        list->page = grown;
    return grown != NULL;
}

bool list_pages_add(struct list_pages *list, struct list_page *page, const char **why)
{
    *why = NULL;
    if (list->pages == LIST_PAGES_PAGES_MAX)
        *why = "more than 10000 pages";
    else if (page->total > LIST_PAGES_ITEMS_MAX - list->total)
        *why = "more than 1000000 items";
    else if (page->used > LIST_PAGES_BYTES_MAX - list->bytes)
        *why = "more than 256 MiB of names";
    else if (!grow(list))
        *why = "out of memory";
    if (*why != NULL) {
        list_pages_release(page);
        return false;
    }
    list->page[list->pages++] = page;
    list->total += page->total;
    list->bytes += page->used;
    return true;
}

static bool start_index(struct list_pages *list, size_t names)
{
    list->mask = 63;
    while (list->mask < names * 2)
        list->mask = list->mask * 2 + 1;
    list->index = calloc(list->mask + 1, sizeof *list->index);
    /* Names come from outside; their authors must not be able to make them collide. */
    return list->index != NULL &&
           getrandom(&list->seed, sizeof list->seed, 0) == (ssize_t)sizeof list->seed;
}

/* The place of the name in the index, or the free one where it belongs. */
static uint32_t *find(const struct list_pages *list, const char *name)
{
    const struct table table = {.seed = list->seed};
    size_t n = name_size(name);
    size_t at = (size_t)table_hash(&table, name, n) & list->mask;

    for (; list->index[at] != 0; at = (at + 1) & list->mask) {
        const char *other = list->name[list->index[at] - 1];
        if (name_size(other) == n && memcmp(other, name, n) == 0)
            break;
    }
    return &list->index[at];
}

static void index_page(struct list_pages *list, const struct list_page *page)
{
    const char *name = page->block;

    for (size_t i = 0; i < page->served; i++, name += name_size(name)) {
        uint32_t *number = find(list, name);
        if (*number != 0)
            continue;
        list->name[list->names++] = name;
        *number = (uint32_t)list->names;
    }
}

static bool find_left(struct list_pages *list, const struct list_pages *previous)
{
    if (previous == NULL)
        return true;
    list->left = calloc(previous->names + 1, sizeof(const char *));
    if (list->left == NULL)
        return false;
    for (size_t i = 0; i < previous->names; i++)
        if (*find(list, previous->name[i]) == 0)
            list->left[list->lefts++] = previous->name[i];
    return true;
}

bool list_pages_build(struct list_pages *list, const struct list_pages *previous)
{
    size_t served = 0;

    for (size_t i = 0; i < list->pages; i++)
        served += list->page[i]->served;
    list->name = calloc(served + 1, sizeof(const char *));
    if (list->name == NULL || !start_index(list, served))
        return false;
    for (size_t i = 0; i < list->pages; i++)
        index_page(list, list->page[i]);
    return find_left(list, previous);
}

bool list_pages_has(const struct list_pages *list, const struct list_item *item)
{
    char name[CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1];
    size_t project = strlen(item->project) + 1;

    if (project + strlen(item->environment) + 1 > sizeof name)
        return false;
    strcpy(name, item->project);
    strcpy(name + project, item->environment);
    return *find(list, name) != 0;
}

void list_pages_free(struct list_pages *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->pages; i++)
        list_pages_release(list->page[i]);
    free(list->page);
    free(list->name);
    free(list->index);
    free(list->left);
    free(list);
}
