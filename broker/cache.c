/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cache.h"

#include "broker/entries.h"
#include "broker/limits.h"
#include "broker/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKOFF_MIN 1000 /* milliseconds between probes of an API that fails */
#define BACKOFF_MAX 60000
#define TOUCH_MS    60000 /* how often a confirmation is written to the store */
#define CLOCK_SLACK 2     /* seconds that a clock may be put back by its keeper */

struct cache {
    const struct cloud_conf *conf;
    struct api *api;
    struct store *store; /* or NULL */
    struct guard guard;
    struct bucket unknown_names, neighbours;
    cache_accept *accept;
    void *arg;
    struct entries entries;
};

struct cache *cache_new(const struct cloud_conf *conf, struct api *api, cache_accept *accept,
                        void *arg)
{
    struct cache *cache = calloc(1, sizeof *cache);

    if (cache == NULL || !entries_start(&cache->entries)) {
        free(cache);
        return NULL;
    }
    cache->conf = conf;
    cache->api = api;
    cache->accept = accept;
    cache->arg = arg;
    return cache;
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    entries_end(&cache->entries);
    free(cache);
}

static struct cache_entry *find_entry(struct cache *cache, const char *project,
                                      const char *environment)
{
    struct cache_entry *entry = entries_find_or_add(&cache->entries, project, environment);

    if (entry != NULL)
        entry->cache = cache;
    return entry;
}

static uint32_t stale_bound(const struct cache_entry *entry)
{
    uint32_t own = entry->document->max_stale, host = entry->cache->conf->max_stale;

    return own < host ? own : host;
}

static int64_t fresh_bound(const struct cache *cache, enum cache_need need)
{
    if (api_is_file(cache->api))
        return 0;
    return (int64_t)1000 *
           (need == CACHE_KEYS ? cache->conf->keys_fresh : cache->conf->account_fresh);
}

static bool is_fresh(const struct cache_entry *entry, int64_t now, int64_t bound)
{
    return now - entry->asked < bound;
}

/* What can be said without asking again; after a failed request it is the last good document. */
static struct cache_answer state_of(const struct cache_entry *entry, int64_t now)
{
    struct cache_answer answer = {.detail = entry->failing ? entry->detail : "not known"};
    int64_t age = (now - entry->asked) / 1000;

    answer.stale = entry->failing;
    answer.age = age < 0 || age > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)age;
    if (entry->document != NULL) {
        if (!entry->failing)
            answer.result = CACHE_DOCUMENT;
        else if (time(NULL) < entry->asked_wall - CLOCK_SLACK)
            answer.detail = "the clock stands before the time of the last good document";
        else if (answer.age < stale_bound(entry))
            answer.result = CACHE_DOCUMENT;
        if (answer.result == CACHE_DOCUMENT)
            answer.document = entry->document;
    } else if (entry->absent && !entry->failing) {
        answer.result = CACHE_ABSENT;
    }
    return answer;
}

static void answer_waiter(struct cache_waiter *waiter, const struct cache_answer *answer)
{
    waiter->entry = NULL;
    waiter->next = NULL;
    waiter->answered(waiter->arg, answer);
}

/* A server that knows no validators sends the same body again, which is as good as a 304. */
static enum api_verdict verdict_of(struct cache_entry *entry, const struct api_result *result)
{
    unsigned char hash[KEY_FINGERPRINT_SIZE];

    if (result->verdict != API_DOCUMENT || entry->document == NULL ||
        !keys_sha256(result->body, result->length, "", 0, hash) ||
        memcmp(hash, entry->hash, KEY_FINGERPRINT_SIZE) != 0)
        return result->verdict;
    entry->validator = result->validator;
    return API_UNCHANGED;
}

static void take_document(struct cache_entry *entry, const struct api_result *result)
{
    struct document_problem problem = {""};
    char why[256] = "";
    struct document *document =
        document_parse(result->body, result->length, entry->project, entry->environment, &problem);

    if (document != NULL && !entry->cache->accept(entry->cache->arg, document, why, sizeof why)) {
        document_free(document);
        document = NULL;
        memcpy(problem.text, why, sizeof why);
    }
    if (document == NULL) {
        entry->failing = true;
        snprintf(entry->detail, sizeof entry->detail, "invalid document: %.230s", problem.text);
        return;
    }
    for (size_t i = 0; i < document->warnings && i < DOCUMENT_WARNINGS_MAX; i++)
        log_warning("document %s/%s: %s", entry->project, entry->environment, document->warning[i]);
    entries_set_document(entry, document);
    /* Without a hash the next body is only taken for a new one. */
    if (!keys_sha256(result->body, result->length, "", 0, entry->hash))
        memset(entry->hash, 0, sizeof entry->hash);
    entry->validator = result->validator;
    entry->absent = false;
    entry->failing = false;
}

static void take_absent(struct cache_entry *entry)
{
    struct cache *cache = entry->cache;
    bool tripped = cache->guard.tripped;

    if (entry->document != NULL &&
        !guard_believes(&cache->guard, cache->entries.known.used, loop_now())) {
        entry->failing = true;
        snprintf(entry->detail, sizeof entry->detail,
                 "absent, but so many turned absent that it is taken for an outage");
        if (!tripped)
            log_error(
                "more than %d and more than %d %% of the environments known here turned absent "
                "within 10 minutes: taken for an outage until confirmed by SIGUSR1",
                GUARD_COUNT, GUARD_PERCENT);
        return;
    }
    entries_set_document(entry, NULL);
    memset(&entry->validator, 0, sizeof entry->validator);
    entry->absent = true;
}

static void take_failure(struct cache_entry *entry, const char *before, int64_t now)
{
    int64_t wait = BACKOFF_MIN;

    for (unsigned i = 0; i < entry->failures && wait < BACKOFF_MAX; i++)
        wait *= 2;
    entry->retry = now + (wait < BACKOFF_MAX ? wait : BACKOFF_MAX);
    if (strcmp(before, entry->detail) != 0)
        log_warning("project API, %s/%s: %s", entry->project, entry->environment, entry->detail);
    if (entry->failures < 1000)
        entry->failures++;
}

/* Somewhere in the last fifth of its freshness, so that not all are asked for at one time. */
static void set_refresh(struct cache_entry *entry)
{
    int64_t fresh = (int64_t)1000 * entry->cache->conf->account_fresh;

    entry->refresh = entry->asked + fresh * (80 + arc4random_uniform(16)) / 100;
}

static void take_result(struct cache_entry *entry, const struct api_result *result,
                        enum api_verdict verdict)
{
    bool was_failing = entry->failing;
    char before[sizeof entry->detail] = "";

    if (was_failing)
        memcpy(before, entry->detail, sizeof before);
    entry->failing = false;
    switch (verdict) {
    case API_DOCUMENT:
        take_document(entry, result);
        break;
    case API_UNCHANGED:
        entry->failing = entry->document == NULL;
        snprintf(entry->detail, sizeof entry->detail, "unchanged, said the API of nothing");
        break;
    case API_ABSENT:
        take_absent(entry);
        break;
    case API_OUTAGE:
        entry->failing = true;
        memcpy(entry->detail, result->detail, sizeof entry->detail);
        break;
    }
    if (entry->failing) {
        take_failure(entry, before, loop_now());
        return;
    }
    if (was_failing)
        log_info("project API, %s/%s: well again", entry->project, entry->environment);
    entry->failures = 0;
    /* Told from when the question was sent: the answer may have been on its way for long. */
    entry->asked = entry->sent;
    entry->asked_wall = entry->sent_wall;
    set_refresh(entry);
}

static struct store_entry stored(const struct cache_entry *entry)
{
    return (struct store_entry){.project = entry->project,
                                .environment = entry->environment,
                                .validator = entry->validator,
                                .asked = entry->asked,
                                .asked_wall = entry->asked_wall};
}

static void on_committed(void *arg);

/* Brings the store up to what the API has just said. */
static void keep(struct cache_entry *entry, const struct api_result *result,
                 enum api_verdict verdict)
{
    struct store *store = entry->cache->store;
    struct store_entry kept = stored(entry);

    if (store == NULL || entry->failing)
        return;
    if (entry->absent) {
        store_remove(store, entry->project, entry->environment);
    } else if (verdict == API_DOCUMENT) {
        entry->committing = true;
        entry->kept = entry->asked;
        store_put(store, &kept, result->body, result->length, on_committed, entry);
    } else if (entry->asked - entry->kept >= TOUCH_MS) {
        entry->kept = entry->asked;
        store_touch(store, &kept);
    }
}

static void start_request(struct cache_entry *entry);

/*
 * Answers those for whom the result is fresh enough. One who came when the request had long been
 * under way may need a younger one: he waits for the next.
 */
static void answer_waiters(struct cache_entry *entry)
{
    struct cache *cache = entry->cache;
    struct cache_waiter *waiting = entry->waiters, *next;
    bool again = false;

    entry->waiters = NULL;
    for (; waiting != NULL; waiting = next) {
        next = waiting->next;
        if (!entry->failing && waiting->since - entry->asked > fresh_bound(cache, waiting->need)) {
            waiting->next = entry->waiters;
            entry->waiters = waiting;
            again = true;
            continue;
        }
        struct cache_answer answer = state_of(entry, loop_now());
        answer_waiter(waiting, &answer);
    }
    if (again && !entry->in_flight)
        start_request(entry);
}

static void on_committed(void *arg)
{
    struct cache_entry *entry = arg;

    entry->committing = false;
    answer_waiters(entry);
}

static void on_result(void *arg, const struct api_result *result)
{
    struct cache_entry *entry = arg;
    enum api_verdict verdict;

    entry->in_flight = false;
    if (entry->orphan) {
        entry->orphan = false;
        if (entry->waiters != NULL)
            start_request(entry);
        return;
    }
    verdict = verdict_of(entry, result);
    take_result(entry, result, verdict);
    keep(entry, result, verdict);
    if (!entry->committing)
        answer_waiters(entry);
}

static void start_request(struct cache_entry *entry)
{
    entry->in_flight = true;
    entry->sent = loop_now();
    entry->sent_wall = (int64_t)time(NULL);
    api_get(entry->cache->api, entry->project, entry->environment, &entry->validator, on_result,
            entry);
}

/* Whether an answer can be given at once. */
static bool can_answer(const struct cache_entry *entry, enum cache_need need, int64_t now,
                       struct cache_answer *answer)
{
    const struct cache *cache = entry->cache;

    *answer = state_of(entry, now);
    if (api_is_file(cache->api) || entry->committing)
        return false;
    if (entry->document != NULL && is_fresh(entry, now, fresh_bound(cache, need))) {
        *answer = (struct cache_answer){
            .result = CACHE_DOCUMENT, .document = entry->document, .age = answer->age};
        return true;
    }
    if (entry->absent && !entry->failing &&
        is_fresh(entry, now, (int64_t)1000 * cache->conf->absent_fresh))
        return true;
    /* With nothing to serve, a probe that is due is worth the wait, once per back-off. */
    return entry->failing && (answer->result == CACHE_DOCUMENT || now < entry->retry);
}

/* Whether a request may go, if it takes one: for names that nobody knows, as the buckets allow. */
static bool may_ask(const struct cache_entry *entry, int64_t now)
{
    struct cache *cache = entry->cache;

    if (entry->document != NULL || entry->in_flight || entry->committing || api_is_file(cache->api))
        return true;
    if (entries_know_project(&cache->entries, entry->project))
        return bucket_take(&cache->neighbours, NEIGHBOUR_RATE, NEIGHBOUR_BURST, now);
    return bucket_take(&cache->unknown_names, UNKNOWN_RATE, UNKNOWN_BURST, now);
}

void cache_ask(struct cache *cache, const char *project, const char *environment,
               enum cache_need need, struct cache_waiter *waiter)
{
    struct cache_entry *entry = find_entry(cache, project, environment);
    struct cache_answer answer = {.detail = "out of memory"};
    int64_t now = loop_now();

    waiter->entry = NULL;
    if (entry == NULL) {
        answer_waiter(waiter, &answer);
        return;
    }
    entries_touch(entry);
    entries_make_room(&cache->entries);
    waiter->need = need;
    waiter->since = now;
    if (can_answer(entry, need, now, &answer)) {
        /* While the API fails nobody who can be served waits for it; one probe that is due goes. */
        int64_t due = entry->failing ? entry->retry : entry->refresh;
        bool ask_behind = entry->document != NULL && !entry->in_flight && now >= due;
        answer_waiter(waiter, &answer);
        if (ask_behind)
            start_request(entry);
        return;
    }
    if (!may_ask(entry, now)) {
        answer.result = CACHE_UNAVAILABLE;
        answer.detail = "too many names that nobody knows are being asked for";
        answer_waiter(waiter, &answer);
        if (entry->sent == 0)
            entries_drop(entry);
        return;
    }
    waiter->entry = entry;
    waiter->next = entry->waiters;
    entry->waiters = waiter;
    if (!entry->in_flight && !entry->committing)
        start_request(entry);
}

void cache_forget(struct cache_waiter *waiter)
{
    struct cache_entry *entry = waiter->entry;
    struct cache_waiter **place;

    if (entry == NULL)
        return;
    for (place = &entry->waiters; *place != NULL; place = &(*place)->next)
        if (*place == waiter) {
            *place = waiter->next;
            break;
        }
    waiter->entry = NULL;
}

void cache_keep(struct cache *cache, struct store *store)
{
    cache->store = store;
}

bool cache_restore(void *arg, const struct store_entry *from, const void *body, size_t length)
{
    struct cache *cache = arg;
    struct cache_entry *entry = find_entry(cache, from->project, from->environment);
    struct api_result result = {.body = body, .length = length, .validator = from->validator};

    if (entry == NULL || entry->document != NULL)
        return false;
    entries_touch(entry);
    take_document(entry, &result);
    if (entry->failing) {
        log_warning("store: document %s/%s: %s", entry->project, entry->environment, entry->detail);
        entry->failing = false;
        entries_drop(entry);
        return false;
    }
    entry->asked = entry->kept = from->asked;
    entry->asked_wall = from->asked_wall;
    set_refresh(entry);
    return true;
}

void cache_confirm_absent(struct cache *cache)
{
    guard_confirm(&cache->guard);
    log_info("environments that turn absent are believed again");
}

static void forget_all(struct lru *list)
{
    for (struct cache_entry *entry = list->first, *next; entry != NULL; entry = next) {
        next = entry->after;
        entry->orphan = entry->in_flight;
        entry->absent = entry->failing = false;
        entry->failures = 0;
        entry->asked = 0;
        memset(&entry->validator, 0, sizeof entry->validator);
        entries_set_document(entry, NULL);
    }
}

void cache_configure(struct cache *cache, const struct cloud_conf *conf, bool forget)
{
    cache->conf = conf;
    if (!forget)
        return;
    forget_all(&cache->entries.known);
    forget_all(&cache->entries.unknown);
}
