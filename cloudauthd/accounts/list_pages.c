/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/list_pages.h"

#include "access/json.h"
#include "base/table.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ALIGNMENT _Alignof(struct roster_record)

struct roster_rules roster_rules(const struct cloud_conf *conf)
{
    return (struct roster_rules){
        .grammar = conf->grammar, .uid_min = conf->uid_min, .uid_max = conf->uid_max};
}

static bool in_range(const struct roster_rules *rules, uint32_t id)
{
    return id >= rules->uid_min && id <= rules->uid_max;
}

bool roster_serves(const struct roster_rules *rules, const struct list_item *item)
{
    char name[CLOUD_NAME_MAX + sizeof "_sftp"];

    if (!in_range(rules, item->uid) || !in_range(rules, item->gid) ||
        !cloud_name_plain(&rules->grammar, item->project, item->environment, name))
        return false;
    if (cloud_name_parse(&rules->grammar, name, NULL))
        return true;
    strcat(name, "_sftp");
    return cloud_name_parse(&rules->grammar, name, NULL);
}

struct list_item roster_item(const struct roster_record *record)
{
    struct list_item item = {.uid = record->uid, .gid = record->gid, .project = record->text};

    item.environment = item.project + strlen(item.project) + 1;
    item.gecos = item.environment + strlen(item.environment) + 1;
    item.home = item.gecos + strlen(item.gecos) + 1;
    item.shell = item.home + strlen(item.home) + 1;
    return item;
}

/* ---- A page
 * --------------------------------------------------------------------------------------
 */

/* A page that is being read. */
struct reader {
    const struct roster_rules *rules;
    struct roster_page *page;
    size_t room; /* of the block */
};

static size_t size_of(const struct list_item *item)
{
    size_t n = sizeof(struct roster_record) + strlen(item->project) + strlen(item->environment) +
               strlen(item->gecos) + strlen(item->home) + strlen(item->shell) + 5;

    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void put(struct roster_page *page, const struct list_item *item)
{
    const char *const text[] = {item->project, item->environment, item->gecos, item->home,
                                item->shell};
    struct roster_record *record = (void *)(page->block + page->used);
    char *at = record->text;

    record->uid = item->uid;
    record->gid = item->gid;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        at = stpcpy(at, text[i]) + 1;
    page->used += size_of(item);
    page->served++;
}

static bool take_name(const struct json *object, const char *name, bool (*good)(const char *),
                      const char **out)
{
    struct json at = {.parent = object, .name = name, .problem = object->problem};

    return json_get_string(object, name, JSON_REQUIRED, DOCUMENT_STRING_MAX, out) &&
           (good(*out) || json_fail(&at, "not one that can be"));
}

static bool take_item(struct reader *reader, const struct json *at)
{
    struct document_account account;
    struct list_item item = {.project = "", .environment = ""};

    if (!json_expect_object(at) ||
        !take_name(at, "project", cloud_name_project_ok, &item.project) ||
        !take_name(at, "environment", cloud_name_environment_ok, &item.environment) ||
        !document_account(at, &account))
        return false;
    item.uid = account.uid;
    item.gid = account.gid;
    item.gecos = account.gecos;
    item.home = account.home;
    item.shell = account.shell;
    if (!roster_serves(reader->rules, &item))
        return true;
    if (size_of(&item) > reader->room - reader->page->used)
        return json_fail(at, "does not fit the page's own length");
    put(reader->page, &item);
    return true;
}

static bool take_next(struct reader *reader, const struct json *root)
{
    struct json links, next;
    const char *href = NULL;

    if (!json_get_object(root, "_links", JSON_OPTIONAL, &links) ||
        !json_get_object(&links, "next", JSON_OPTIONAL, &next))
        return false;
    if (next.value == NULL)
        return true;
    if (!json_get_string(&next, "href", JSON_REQUIRED, API_URL_SIZE - 1, &href))
        return false;
    reader->page->next = strdup(href);
    return reader->page->next != NULL || json_fail(root, "out of memory");
}

static bool take_page(struct reader *reader, const struct json *root)
{
    struct json items, at;

    if (!json_expect_object(root) || !take_next(reader, root) ||
        !json_get_array(root, "items", JSON_REQUIRED, ROSTER_VALUES_MAX, &items,
                        &reader->page->total))
        return false;
    for (bool more = json_first(&items, &at); more; more = json_next(&at))
        if (!take_item(reader, &at))
            return false;
    return true;
}

/* The block's length is the body's: the names of an item's members are longer than what a record
 * has besides its strings. What is left over goes back. */
struct roster_page *roster_page_parse(const void *body, size_t n, const struct roster_rules *rules,
                                      struct document_problem *problem)
{
    static const struct json_limits limits = {ROSTER_NESTING_MAX, ROSTER_VALUES_MAX};
    struct roster_page *page = calloc(1, sizeof *page);
    struct reader reader = {.rules = rules, .page = page, .room = n};
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
        bool ok = take_page(&reader, &root);
        json_free(&root);
        if (ok) {
            unsigned char *kept = realloc(page->block, page->used + 1);
            if (kept != NULL)
                page->block = kept;
            return page;
        }
    }
    roster_page_release(page);
    return NULL;
}

void roster_page_release(struct roster_page *page)
{
    if (page == NULL || --page->users > 0)
        return;
    free(page->url);
    free(page->next);
    free(page->block);
    free(page);
}

/* ---- The whole
 * -----------------------------------------------------------------------------------
 */

bool roster_add(struct roster *roster, struct roster_page *page, const char **why)
{
    *why = NULL;
    if (roster->pages == ROSTER_PAGES_MAX)
        *why = "more than 10000 pages";
    else if (page->total > ROSTER_ITEMS_MAX - roster->total)
        *why = "more than 1000000 items";
    else if (page->used > ROSTER_BYTES_MAX - roster->bytes)
        *why = "more than 256 MiB of accounts";
    if (*why == NULL && roster->pages == roster->room) {
        size_t room = roster->room == 0 ? 16 : roster->room * 2;
        struct roster_page **grown = realloc(roster->page, room * sizeof(struct roster_page *));
        if (grown == NULL) {
            *why = "out of memory";
        } else {
            roster->page = grown;
            roster->room = room;
        }
    }
    if (*why != NULL) {
        roster_page_release(page);
        return false;
    }
    roster->page[roster->pages++] = page;
    roster->total += page->total;
    roster->bytes += page->used;
    return true;
}

/* The records by project and environment: places of a roster's, plus one; 0 is free. */
struct places {
    const struct roster *roster;
    uint32_t *place;
    size_t mask;
    struct table seed; /* only for its hash */
};

/* Project and environment with their NULs, as they stand at the start of a record's text. */
static size_t key_length(const struct roster_record *record)
{
    size_t project = strlen(record->text) + 1;

    return project + strlen(record->text + project) + 1;
}

/* Where the record's environment is, or could be put. */
static uint32_t *find(const struct places *places, const struct roster_record *record)
{
    size_t n = key_length(record);
    size_t at = (size_t)table_hash(&places->seed, record->text, n) & places->mask;

    for (; places->place[at] != 0; at = (at + 1) & places->mask) {
        const struct roster_record *other = places->roster->record[places->place[at] - 1];
        if (key_length(other) == n && memcmp(other->text, record->text, n) == 0)
            break;
    }
    return &places->place[at];
}

static void place_page(struct roster *roster, const struct places *places,
                       const struct roster_page *page)
{
    const unsigned char *at = page->block;

    for (size_t i = 0; i < page->served; i++) {
        const struct roster_record *record = (const void *)at;
        struct list_item item = roster_item(record);
        uint32_t *place = find(places, record);
        if (*place == 0) {
            roster->record[roster->records++] = record;
            *place = (uint32_t)roster->records;
        }
        at += size_of(&item);
    }
}

static bool find_left(struct roster *roster, const struct places *places,
                      const struct roster *before)
{
    if (before == NULL)
        return true;
    roster->left = calloc(before->records + 1, sizeof(struct roster_record *));
    if (roster->left == NULL)
        return false;
    for (size_t i = 0; i < before->records; i++)
        if (*find(places, before->record[i]) == 0)
            roster->left[roster->lefts++] = before->record[i];
    return true;
}

bool roster_build(struct roster *roster, const struct roster *before)
{
    struct places places = {.roster = roster, .mask = 63};
    size_t served = 0;
    bool ok;

    for (size_t i = 0; i < roster->pages; i++)
        served += roster->page[i]->served;
    while (places.mask < served * 2)
        places.mask = places.mask * 2 + 1;
    /* Names come from strangers, who must not choose where they fall. */
    if (getrandom(&places.seed.seed, sizeof places.seed.seed, 0) !=
        (ssize_t)sizeof places.seed.seed)
        return false;
    places.place = calloc(places.mask + 1, sizeof *places.place);
    roster->record = calloc(served + 1, sizeof(struct roster_record *));
    ok = places.place != NULL && roster->record != NULL;
    if (ok) {
        for (size_t i = 0; i < roster->pages; i++)
            place_page(roster, &places, roster->page[i]);
        ok = find_left(roster, &places, before);
    }
    free(places.place);
    return ok;
}

void roster_free(struct roster *roster)
{
    if (roster == NULL)
        return;
    for (size_t i = 0; i < roster->pages; i++)
        roster_page_release(roster->page[i]);
    free(roster->page);
    free(roster->record);
    free(roster->left);
    free(roster);
}
