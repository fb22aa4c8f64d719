/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/accounts/list.h"

#include "base/log.h"
#include "base/retry.h"
#include "cloudauthd/api/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state {
    IDLE,    /* the timer starts the next list */
    TURNING, /* the timer starts the next page, a turn later: file:// answers within the call */
    ASKING,  /* a page is requested */
    WORKING, /* the worker has a page, or the whole list */
    TELLING, /* the timer starts the next slice of `left` events */
};

/* A job of the worker, with its own copies of what the loop may change meanwhile. */
struct task {
    struct work work;
    struct list *list;
    struct cloud_grammar grammar;
    char *body; /* of a page; NULL: the whole list is to be built */
    size_t length;
    struct validator validator;
    struct list_page *page; /* the result, or NULL */
    bool built;
    struct document_problem problem;
};

struct list {
    struct loop *loop;
    struct api *api;
    struct worker *worker;
    struct list_events events;
    struct loop_timer timer;
    enum state state;
    bool outdated; /* the settings changed: the result of what is under way is dropped */
    bool forget;   /* and so is the last whole list */
    bool again;    /* the next list follows at once */
    bool ending;   /* freed, but for the job that the worker has */
    /* From the settings: */
    char url[CLOUD_URL_SIZE]; /* of the first page; "": there is no list */
    int64_t period;           /* milliseconds */
    struct cloud_grammar grammar;
    bool grammar_changed; /* since the last whole list: its pages cannot answer a 304 */
    /* The last whole list, the one that is being fetched, and, during `left` events, the one before
     * the last. */
    struct list_pages *whole, *fetched, *previous;
    bool changed;           /* a page of the list that is being fetched is new */
    char at[URL_SIZE];      /* the page that is requested */
    struct list_page *kept; /* the page of the last whole list with that URL, or NULL */
    struct task task;
    size_t lefts;             /* `left` events sent of the last whole list */
    struct loop_timer offers; /* set while not all `listed` events are sent */
    size_t offered;           /* those that are */
    unsigned failures;
    char detail[320];               /* of the last failure; "": none */
    size_t last_total, last_served; /* as logged */
};

static void set_timer(struct list *list, struct loop_timer *timer, int64_t milliseconds)
{
    if (!loop_timer_set(list->loop, timer, milliseconds))
        log_error("account list: no timer is left, the list is not used from now on");
}

static void drop(struct list_pages **pages)
{
    list_pages_free(*pages);
    *pages = NULL;
}

/* Starts the next list after that time. */
static void schedule(struct list *list, int64_t milliseconds)
{
    list->state = IDLE;
    if (list->url[0] != '\0')
        set_timer(list, &list->timer, milliseconds);
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
    /* Jitter, so that a fleet of hosts does not ask in step. */
    schedule(list, delay + arc4random_uniform((uint32_t)delay / 8 + 1));
}

/* ---- Events ---- */

static void offer_slice(void *arg)
{
    struct list *list = arg;
    const struct list_pages *whole = list->whole;

    for (unsigned n = 0; n < LIST_SLICE && list->offered < whole->names; n++, list->offered++) {
        const struct list_item item = list_pages_item(whole->name[list->offered]);
        if (!list->events.listed(list->events.arg, &item)) {
            set_timer(list, &list->offers, LIST_PAUSE_MS);
            return;
        }
    }
    if (list->offered < whole->names)
        set_timer(list, &list->offers, 0);
}

/* Sends all `listed` events, unless those of the same names are still being sent. */
static void start_offers(struct list *list)
{
    if (!list->changed && list->offers.set)
        return;
    list->offered = 0;
    set_timer(list, &list->offers, 0);
}

static void log_counts(struct list *list)
{
    const struct list_pages *whole = list->whole;

    if (list->last_total != whole->total || list->last_served != whole->names)
        log_info("account list: %zu accounts, %zu here", whole->total, whole->names);
    list->last_total = whole->total;
    list->last_served = whole->names;
}

static void end_telling(struct list *list)
{
    int64_t period = list->period;

    drop(&list->previous);
    free(list->whole->left);
    list->whole->left = NULL;
    list->whole->lefts = 0;
    if (list->again) {
        list->again = false;
        schedule(list, 0);
        return;
    }
    log_counts(list);
    start_offers(list);
    /* Within the last fifth of its freshness, so that a fleet of hosts does not ask in step. */
    schedule(list, period * 80 / 100 + arc4random_uniform((uint32_t)(period * 16 / 100) + 1));
}

static void tell_slice(struct list *list)
{
    const struct list_pages *whole = list->whole;

    for (unsigned n = 0; n < LIST_SLICE && list->lefts < whole->lefts; n++) {
        const struct list_item item = list_pages_item(whole->left[list->lefts++]);
        list->events.left(list->events.arg, &item);
    }
    if (list->lefts == whole->lefts)
        end_telling(list);
    else
        set_timer(list, &list->timer, 0);
}

static void tell(struct list *list)
{
    list->state = TELLING;
    set_timer(list, &list->timer, 0);
}

static void succeed(struct list *list)
{
    if (list->detail[0] != '\0')
        log_info("account list: well again");
    list->detail[0] = '\0';
    list->failures = 0;
    list->lefts = 0;
    tell(list);
}

/* Fetches the list by the present settings. Nothing is under way. */
static void restart(struct list *list)
{
    drop(&list->fetched);
    if (list->forget) {
        drop(&list->previous);
        drop(&list->whole);
    }
    list->forget = list->outdated = false;
    list->again = list->previous != NULL;
    if (list->again)
        tell(list); /* the rest of the `left` events first: the next list does not have them */
    else
        schedule(list, 0);
}

/* ---- Requests and pages ---- */

static void run_task(struct work *work)
{
    struct task *task = (struct task *)(void *)work;

    if (task->body != NULL)
        task->page = list_pages_parse(task->body, task->length, &task->grammar, &task->problem);
    else
        task->built = list_pages_build(task->list->fetched, task->list->whole);
}

static void finish_page(struct list *list);
static void finish_whole(struct list *list);
static void destroy(struct list *list);

static void finish_task(struct work *work)
{
    struct task *task = (struct task *)(void *)work;
    struct list *list = task->list;
    bool was_page = task->body != NULL;

    free(task->body);
    task->body = NULL;
    if (list->ending || list->outdated) {
        list_pages_release(task->page);
        task->page = NULL;
        if (list->ending)
            destroy(list);
        else
            restart(list);
    } else if (was_page) {
        finish_page(list);
    } else {
        finish_whole(list);
    }
}

/* body: of a page, malloc'ed, taken over; or NULL: the whole list is built. */
static void start_task(struct list *list, char *body, size_t length)
{
    struct task *task = &list->task;

    task->work = (struct work){.run = run_task, .finish = finish_task};
    task->list = list;
    task->grammar = list->grammar;
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
    list->previous = list->whole;
    list->whole = list->fetched;
    list->fetched = NULL;
    list->grammar_changed = false;
    succeed(list);
}

/* All pages have come. If none of them has changed, neither has the list. */
static void take_whole(struct list *list)
{
    if (list->changed || list->whole == NULL) {
        start_task(list, NULL, 0);
        return;
    }
    drop(&list->fetched);
    succeed(list);
}

static bool was_asked_for(const struct list_pages *fetched, const char *url)
{
    for (size_t i = 0; i < fetched->pages; i++)
        if (strcmp(fetched->page[i]->url, url) == 0)
            return true;
    return false;
}

/* The next page of the list, with a reference that is taken over. */
static void take_page(struct list *list, struct list_page *page)
{
    const struct url_link link = {list->url, page->url, page->next};
    char next[URL_SIZE], why[256];
    const char *wrong;

    if (!list_pages_add(list->fetched, page, &wrong)) {
        fail(list, wrong, 0);
    } else if (page->next == NULL) {
        take_whole(list);
    } else if (!url_next(&link, next, why, sizeof why)) {
        list->fetched->pages--; /* so that the message names this page */
        list_pages_release(page);
        fail(list, why, 0);
    } else if (was_asked_for(list->fetched, next)) {
        fail(list, "has been before: the list runs in a circle", 0);
    } else {
        memcpy(list->at, next, sizeof next);
        list->state = TURNING;
        set_timer(list, &list->timer, 0);
    }
}

static void finish_page(struct list *list)
{
    struct list_page *page = list->task.page;
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
        list_pages_release(page);
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

/* The page of that URL in the last whole list: mostly at the same place. */
static struct list_page *find_kept(const struct list *list)
{
    const struct list_pages *whole = list->whole;
    size_t place = list->fetched->pages;

    if (whole == NULL || list->grammar_changed)
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
    list->fetched = calloc(1, sizeof *list->fetched);
    if (list->fetched == NULL) {
        fail(list, "out of memory", 0);
        return;
    }
    list->changed = false;
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

/* ---- Settings ---- */

static void take_settings(struct list *list, const struct cloud_conf *conf)
{
    strcpy(list->url, conf->accounts_url);
    list->period = (int64_t)1000 * conf->account_fresh;
    if (list->period < LIST_PERIOD_MIN)
        list->period = LIST_PERIOD_MIN;
    list->grammar = conf->grammar;
}

struct list *list_new(struct loop *loop, struct api *api, struct worker *worker,
                      const struct cloud_conf *conf, const struct list_events *events)
{
    struct list *list = calloc(1, sizeof *list);

    if (list == NULL)
        return NULL;
    list->loop = loop;
    list->api = api;
    list->worker = worker;
    list->events = *events;
    list->timer = (struct loop_timer){.due = on_timer, .arg = list};
    list->offers = (struct loop_timer){.due = offer_slice, .arg = list};
    list->last_total = SIZE_MAX;
    take_settings(list, conf);
    schedule(list, arc4random_uniform(LIST_FIRST_MS));
    return list;
}

static void destroy(struct list *list)
{
    drop(&list->previous);
    drop(&list->fetched);
    drop(&list->whole);
    free(list);
}

void list_free(struct list *list)
{
    if (list == NULL)
        return;
    loop_timer_clear(list->loop, &list->timer);
    loop_timer_clear(list->loop, &list->offers);
    list->ending = true;
    if (list->state != WORKING)
        destroy(list);
}

bool list_has(const struct list *list, const struct list_item *item)
{
    return list->whole != NULL && list_pages_has(list->whole, item);
}

static bool same_words(const struct cloud_words *a, const struct cloud_words *b)
{
    return a->used == b->used && memcmp(a->text, b->text, a->used) == 0;
}

static bool same_grammar(const struct cloud_grammar *a, const struct cloud_grammar *b)
{
    return a->project_min == b->project_min && a->project_max == b->project_max &&
           a->suffixes == b->suffixes && memcmp(a->suffix, b->suffix, sizeof a->suffix) == 0 &&
           same_words(&a->allow, &b->allow) && same_words(&a->reserved, &b->reserved);
}

void list_configure(struct list *list, const struct cloud_conf *conf, bool forget)
{
    list->forget = list->forget || forget || strcmp(list->url, conf->accounts_url) != 0;
    if (!same_grammar(&list->grammar, &conf->grammar))
        list->grammar_changed = true;
    take_settings(list, conf);
    list->failures = 0;
    list->detail[0] = '\0';
    loop_timer_clear(list->loop, &list->timer);
    loop_timer_clear(list->loop, &list->offers);
    /* A request cannot be called back, and the worker reads the list: restart when they end. */
    if (list->state == ASKING || list->state == WORKING)
        list->outdated = true;
    else
        restart(list);
}
