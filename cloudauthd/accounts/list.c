/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/list.h"

#include "base/log.h"
#include "base/retry.h"
#include "base/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum state {
    IDLE,    /* the timer says when it is asked for next */
    TURNING, /* the timer says when the next page is: a turn later, as a folder answers at once */
    ASKING,  /* a page is under way */
    WORKING, /* the worker has a page, or the whole */
    TELLING, /* the timer says when the next slice is told */
};

/* What the worker does, on what is the work's own while it does it. */
struct task {
    struct work work;
    struct list *list;
    struct roster_rules rules;
    char *body; /* a page's; NULL: the whole is to be built */
    size_t length;
    struct validator validator;
    struct roster_page *page; /* what came of it, or NULL */
    bool built;
    struct document_problem problem;
};

struct list {
    struct loop *loop;
    struct api *api;
    struct worker *worker; /* NULL until it is needed */
    struct list_events events;
    struct loop_timer timer;
    enum state state;
    bool outdated; /* the settings changed: what is under way counts for nothing */
    bool forget;   /* nor does what was there before */
    bool again;    /* to be asked for as soon as it is told */
    bool ending;
    /* Of the settings: */
    char url[CLOUD_URL_SIZE]; /* of the first page; "": there is no list */
    int64_t period;
    struct roster_rules rules;
    bool rules_changed; /* the pages that are kept were read by others: they are not sent for 304 */
    /* The last whole list, the one that is being asked for, and while it is told the one before. */
    struct roster *whole, *fetched, *before;
    bool changed;             /* some page of the one being asked for is new */
    char at[API_URL_SIZE];    /* the page that is asked for */
    struct roster_page *kept; /* the whole list's page of that URL, or NULL */
    struct task task;
    size_t lefts, listed; /* told so far */
    unsigned failures;
    char detail[320]; /* of the last failure; "": it is well */
};

static void set_timer(struct list *list, int64_t milliseconds)
{
    if (!loop_timer_set(list->loop, &list->timer, milliseconds))
        log_error("account list: no timer is left, it is not asked for any more");
}

static void drop(struct roster **roster)
{
    roster_free(*roster);
    *roster = NULL;
}

/* Asks for the whole of it, after a time. */
static void schedule(struct list *list, int64_t milliseconds)
{
    list->state = IDLE;
    if (list->url[0] != '\0')
        set_timer(list, milliseconds);
}

static void fail(struct list *list, const char *why, uint32_t retry_after)
{
    int64_t delay = retry_delay(list->failures, LIST_BACKOFF_MIN, LIST_BACKOFF_MAX);
    char detail[sizeof list->detail];

    snprintf(detail, sizeof detail, "page %zu: %.280s",
             list->fetched == NULL ? 1 : list->fetched->pages + 1, why);
    drop(&list->fetched);
    if (delay < (int64_t)retry_after * 1000)
        delay = (int64_t)retry_after * 1000;
    if (list->failures < 1000)
        list->failures++;
    if (strcmp(list->detail, detail) != 0)
        log_warning("account list, %s", detail);
    memcpy(list->detail, detail, sizeof list->detail);
    /* Not all hosts at one time. */
    schedule(list, delay + arc4random_uniform((uint32_t)delay / 8 + 1));
}

/* ---- Telling
 * -------------------------------------------------------------------------------------
 */

static void told(struct list *list)
{
    int64_t period = list->period;

    drop(&list->before);
    free(list->whole->left);
    list->whole->left = NULL;
    list->whole->lefts = 0;
    list->events.complete(list->events.arg, list->whole->total);
    /* In the last fifth of its freshness, and not all hosts at one time. */
    schedule(list, list->again
                       ? 0
                       : period * 80 / 100 + arc4random_uniform((uint32_t)(period * 16 / 100) + 1));
    list->again = false;
}

static void tell_slice(struct list *list)
{
    const struct roster *whole = list->whole;
    unsigned slice = LIST_SLICE;

    for (; slice > 0 && list->lefts < whole->lefts; slice--) {
        const struct list_item item = roster_item(whole->left[list->lefts++]);
        list->events.left(list->events.arg, item.project, item.environment);
    }
    for (; slice > 0 && list->listed < whole->records; slice--) {
        struct list_item item = roster_item(whole->record[list->listed++]);
        item.asked_wall = whole->asked_wall;
        /* The page may have been read by settings of before. */
        if (!list->rules_changed || roster_serves(&list->rules, &item))
            list->events.listed(list->events.arg, &item);
    }
    if (list->lefts == whole->lefts && list->listed == whole->records)
        told(list);
    else
        set_timer(list, 0);
}

static void tell(struct list *list)
{
    list->state = TELLING;
    list->lefts = list->listed = 0;
    set_timer(list, 0);
}

/* Begins anew with the settings of now. Nothing is under way. */
static void restart(struct list *list)
{
    drop(&list->fetched);
    if (list->forget) {
        drop(&list->before);
        drop(&list->whole);
    }
    list->forget = list->outdated = false;
    list->again = list->whole != NULL;
    if (list->whole != NULL)
        tell(list);
    else
        schedule(list, 0);
}

static void succeed(struct list *list)
{
    if (list->detail[0] != '\0')
        log_info("account list: well again");
    list->detail[0] = '\0';
    list->failures = 0;
    tell(list);
}

/* ---- Asking
 * --------------------------------------------------------------------------------------
 */

static void run_task(struct work *work)
{
    struct task *task = (struct task *)(void *)work;

    if (task->body != NULL)
        task->page = roster_page_parse(task->body, task->length, &task->rules, &task->problem);
    else
        task->built = roster_build(task->list->fetched, task->list->whole);
}

static void finish_page(struct list *list);
static void finish_whole(struct list *list);

static void finish_task(struct work *work)
{
    struct task *task = (struct task *)(void *)work;
    struct list *list = task->list;
    bool was_page = task->body != NULL;

    free(task->body);
    task->body = NULL;
    if (list->ending || list->outdated) {
        roster_page_release(task->page);
        task->page = NULL;
        if (!list->ending)
            restart(list);
    } else if (was_page) {
        finish_page(list);
    } else {
        finish_whole(list);
    }
}

/* body: a copy of a page's, or NULL for the whole. */
static void start_task(struct list *list, char *body, size_t length)
{
    struct task *task = &list->task;

    task->work = (struct work){.run = run_task, .finish = finish_task};
    task->list = list;
    task->rules = list->rules;
    task->body = body;
    task->length = length;
    task->page = NULL;
    task->built = false;
    list->state = WORKING;
    worker_add(list->worker, &task->work);
}

static void finish_whole(struct list *list)
{
    if (!list->task.built) {
        fail(list, "out of memory", 0);
        return;
    }
    list->before = list->whole;
    list->whole = list->fetched;
    list->fetched = NULL;
    list->rules_changed = false;
    succeed(list);
}

/* All pages came. If each of them is as it was, so is the whole. */
static void take_whole(struct list *list)
{
    if (list->changed || list->whole == NULL) {
        start_task(list, NULL, 0);
        return;
    }
    list->whole->asked_wall = list->fetched->asked_wall;
    drop(&list->fetched);
    succeed(list);
}

static bool was_asked_for(const struct roster *fetched, const char *url)
{
    for (size_t i = 0; i < fetched->pages; i++)
        if (strcmp(fetched->page[i]->url, url) == 0)
            return true;
    return false;
}

/* A page, whose user is given up here, is the next of the list. */
static void take_page(struct list *list, struct roster_page *page)
{
    char next[API_URL_SIZE], why[256];
    const char *wrong;

    if (!roster_add(list->fetched, page, &wrong)) {
        fail(list, wrong, 0);
    } else if (page->next == NULL) {
        take_whole(list);
    } else if (!api_next_url(list->url, page->url, page->next, next, why, sizeof why)) {
        list->fetched->pages--; /* for the message: it is this page's fault */
        roster_page_release(page);
        fail(list, why, 0);
    } else if (was_asked_for(list->fetched, next)) {
        fail(list, "has been before: the list runs in a circle", 0);
    } else {
        memcpy(list->at, next, sizeof next);
        list->state = TURNING;
        set_timer(list, 0);
    }
}

static void finish_page(struct list *list)
{
    struct roster_page *page = list->task.page;
    char why[sizeof list->task.problem.text + 32];

    list->task.page = NULL;
    if (page == NULL) {
        snprintf(why, sizeof why, "invalid: %s", list->task.problem.text);
        fail(list, why, 0);
        return;
    }
    page->url = strdup(list->at);
    page->validator = list->task.validator;
    if (page->url == NULL) {
        roster_page_release(page);
        fail(list, "out of memory", 0);
        return;
    }
    list->changed = true;
    take_page(list, page);
}

static void on_result(void *arg, const struct api_result *result)
{
    struct list *list = arg;
    char *body;

    if (list->outdated) {
        restart(list);
        return;
    }
    switch (result->verdict) {
    case API_DOCUMENT:
        body = malloc(result->length + 1);
        if (body == NULL) {
            fail(list, "out of memory", 0);
            return;
        }
        memcpy(body, result->body, result->length);
        list->task.validator = result->validator;
        start_task(list, body, result->length);
        return;
    case API_UNCHANGED:
        if (list->kept == NULL) {
            fail(list, "unchanged, said the API of nothing", 0);
            return;
        }
        list->kept->users++;
        take_page(list, list->kept);
        return;
    case API_ABSENT:
        fail(list, "there is no such page", 0);
        return;
    case API_OUTAGE:
        break;
    }
    fail(list, result->detail, result->retry_after);
}

/* The page of that URL of the last whole list: mostly the one of the same place. */
static struct roster_page *find_kept(const struct list *list)
{
    const struct roster *whole = list->whole;
    size_t place = list->fetched->pages;

    if (whole == NULL || list->rules_changed)
        return NULL;
    if (place < whole->pages && strcmp(whole->page[place]->url, list->at) == 0)
        return whole->page[place];
    for (size_t i = 0; i < whole->pages; i++)
        if (strcmp(whole->page[i]->url, list->at) == 0)
            return whole->page[i];
    return NULL;
}

static void ask(struct list *list)
{
    static const struct validator none;

    list->state = ASKING;
    list->kept = find_kept(list);
    api_get_url(list->api, list->at, list->kept == NULL ? &none : &list->kept->validator, on_result,
                list);
}

static void start_fetch(struct list *list)
{
    if (list->worker == NULL)
        list->worker = worker_new(list->loop);
    list->fetched = calloc(1, sizeof *list->fetched);
    if (list->worker == NULL || list->fetched == NULL) {
        fail(list, "no memory or no thread", 0);
        return;
    }
    list->changed = false;
    list->fetched->asked_wall = (int64_t)time(NULL);
    strcpy(list->at, list->url);
    ask(list);
}

static void on_timer(void *arg)
{
    struct list *list = arg;

    if (list->state == TELLING)
        tell_slice(list);
    else if (list->state == TURNING)
        ask(list);
    else
        start_fetch(list);
}

/* ---- Settings
 * ------------------------------------------------------------------------------------
 */

static void take_settings(struct list *list, const struct cloud_conf *conf)
{
    strcpy(list->url, conf->accounts_url);
    list->period = (int64_t)1000 * conf->account_fresh;
    if (list->period < LIST_PERIOD_MIN)
        list->period = LIST_PERIOD_MIN;
    list->rules = roster_rules(conf);
}

struct list *list_new(struct loop *loop, struct api *api, const struct cloud_conf *conf,
                      const struct list_events *events)
{
    struct list *list = calloc(1, sizeof *list);

    if (list == NULL)
        return NULL;
    list->loop = loop;
    list->api = api;
    list->events = *events;
    list->timer = (struct loop_timer){.due = on_timer, .arg = list};
    take_settings(list, conf);
    schedule(list, arc4random_uniform(LIST_FIRST_MS));
    return list;
}

void list_free(struct list *list)
{
    if (list == NULL)
        return;
    list->ending = true;
    worker_free(list->worker);
    loop_timer_clear(list->loop, &list->timer);
    drop(&list->before);
    drop(&list->fetched);
    drop(&list->whole);
    free(list);
}

static bool same_words(const struct cloud_words *a, const struct cloud_words *b)
{
    return a->used == b->used && memcmp(a->text, b->text, a->used) == 0;
}

static bool same_rules(const struct roster_rules *a, const struct roster_rules *b)
{
    const struct cloud_grammar *x = &a->grammar, *y = &b->grammar;

    return a->uid_min == b->uid_min && a->uid_max == b->uid_max &&
           x->project_min == y->project_min && x->project_max == y->project_max &&
           x->suffixes == y->suffixes && memcmp(x->suffix, y->suffix, sizeof x->suffix) == 0 &&
           same_words(&x->allow, &y->allow) && same_words(&x->reserved, &y->reserved);
}

void list_configure(struct list *list, const struct cloud_conf *conf, bool forget)
{
    const struct roster_rules rules = list->rules;

    list->forget = list->forget || forget || strcmp(list->url, conf->accounts_url) != 0;
    take_settings(list, conf);
    if (!same_rules(&rules, &list->rules))
        list->rules_changed = true;
    list->failures = 0;
    list->detail[0] = '\0';
    loop_timer_clear(list->loop, &list->timer);
    /* A request cannot be called back, and the worker reads the list: then it begins when that
     * ends. */
    if (list->state == ASKING || list->state == WORKING)
        list->outdated = true;
    else
        restart(list);
}
