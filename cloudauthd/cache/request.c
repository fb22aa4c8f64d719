/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/internal.h"

#include "base/foreign.h"
#include "base/log.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/cache/take.h"

#include <stdlib.h>
#include <string.h>

#define CURRENT_MS 3600000 /* milliseconds for which answers stay fresh while the feed is live */

/* ---- Answers ---- */

/* Whether the change feed is live, and the entry's answer reflects every change that the feed has
 * reported. */
static bool is_current(const struct cache_entry *entry)
{
    const struct cache *cache = entry->cache;
    int64_t named = cache_named_at(cache, entry->project, entry->environment);

    return cache->setup.feed_lives(cache->setup.feed_arg) &&
           (named == 0 || entry->asked >= named + CACHE_SETTLE_MS);
}

/* Returns for how many milliseconds after its request the entry's answer is fresh enough for
 * `need`. */
static int64_t fresh_ms(const struct cache_entry *entry, enum cache_need need)
{
    const struct cache *cache = entry->cache;
    int64_t least = INT64_C(1000) * (need == CACHE_KEYS ? cache->setup.conf->keys_fresh
                                                        : cache->setup.conf->account_fresh);
    int64_t most = CURRENT_MS, bound = INT64_MAX;

    if (api_is_file(cache->setup.api) || need == CACHE_NOW)
        return 0;
    /* For a login never longer than the outage bound. Otherwise a document that has become unusable
     * in an outage would be usable again when it is loaded from the disk, after an eviction or a
     * restart. */
    if (entry->document != NULL)
        bound = 1000 * freshness_bound(cache, entry->document);
    if (bound < most)
        most = bound;
    if (need == CACHE_KEYS && bound < least)
        least = bound;
    return least < most && is_current(entry) ? most : least;
}

bool request_is_named(const struct cache_entry *entry)
{
    return entry->asked <= cache_last_named_at(entry->cache, entry->project, entry->environment);
}

bool request_is_outdated(const struct cache_entry *entry)
{
    return entry->sent <= cache_last_named_at(entry->cache, entry->project, entry->environment);
}

int64_t request_retry(const struct cache_entry *entry)
{
    return request_is_outdated(entry) ? 0 : entry->retry;
}

bool request_is_fresh(const struct cache_entry *entry, enum cache_need need,
                      struct freshness_now now)
{
    return !request_is_named(entry) && freshness_is_within(entry, now, fresh_ms(entry, need));
}

static int64_t overdue_ms(const struct cache *cache)
{
    return (int64_t)1000 * cache->setup.conf->connect_timeout;
}

bool request_is_overdue(const struct cache_entry *entry, struct freshness_now now)
{
    return entry->phase == ENTRY_SENT && now.boot - entry->sent >= overdue_ms(entry->cache);
}

bool request_is_hurried(const struct cache_entry *entry, const struct cache_waiter *waiter)
{
    int64_t named = cache_named_at(entry->cache, entry->project, entry->environment);

    /* The comparison alone would fail if the feed has never named the environment (0), because
     * `asked` is negative for a request before the boot. */
    return waiter->hurried && waiter->need != CACHE_NOW && (named == 0 || entry->asked > named);
}

struct cache_answer request_known(const struct cache_entry *entry, enum cache_need need,
                                  struct freshness_now now)
{
    bool failing = entries_is_failing(entry), overdue = request_is_overdue(entry, now);
    struct cache_answer answer = {.detail = failing   ? entry->detail
                                            : overdue ? "the API has not answered yet"
                                                      : "not known",
                                  .stale = failing || overdue,
                                  .current = is_current(entry) && !request_is_named(entry),
                                  .age = freshness_age(entry, now),
                                  .asked = entry->asked,
                                  .asked_wall = entry->asked_wall};

    if (entry->document != NULL) {
        const char *why = need == CACHE_ACCOUNT ? NULL : freshness_why_not(entry, now);
        if (why == NULL && overdue && need != CACHE_ACCOUNT && !freshness_is_in_bound(entry, now))
            why = answer.detail;
        if (why != NULL)
            answer.detail = why;
        answer.document = why == NULL ? entry->document : NULL;
        answer.result = why == NULL ? CACHE_DOCUMENT : CACHE_UNAVAILABLE;
    } else if (entry->state == ENTRY_ABSENT) {
        answer.result = CACHE_ABSENT;
    }
    return answer;
}

void request_answer(struct cache *cache, struct cache_waiter *waiter,
                    const struct cache_answer *answer)
{
    cache->figures.stale += answer->stale && answer->result == CACHE_DOCUMENT;
    cache->figures.unavailable += answer->result == CACHE_UNAVAILABLE;
    waiter->entry = NULL;
    waiter->answered(waiter->arg, answer);
}

/* Sends the request that the remaining waiters need. Does nothing if there are none or the entry is
 * busy. */
static void start_for_waiters(struct cache_entry *entry)
{
    const struct cache_waiter *waiter;
    enum entry_budget budget = ENTRY_OTHERS;

    if (LIST_EMPTY(&entry->waiters) || entry->phase != ENTRY_IDLE)
        return;
    LIST_FOREACH(waiter, &entry->waiters, link) {
        if (budget == ENTRY_OTHERS)
            budget = request_budget(entry, waiter);
    }
    request_start(entry, budget);
}

/* Whether the answer or failure that has arrived is fresh enough for the waiter. It may not be if
 * the waiter came long after the request was sent, or if the feed has named the environment since
 * the request. */
static bool is_served(const struct cache_waiter *waiter)
{
    const struct cache_entry *entry = waiter->entry;

    if (entries_is_failing(entry))
        return entry->sent >= waiter->since || !request_is_outdated(entry);
    if (entry->asked >= waiter->since)
        return true;
    return entry->state != ENTRY_UNKNOWN && !request_is_named(entry) &&
           waiter->since - entry->asked <= fresh_ms(entry, waiter->need);
}

/* Whether the waiter gets the last good document while the request is overdue. */
static bool takes_known(const struct cache_waiter *waiter, struct freshness_now now)
{
    return request_is_hurried(waiter->entry, waiter) &&
           request_known(waiter->entry, waiter->need, now).result == CACHE_DOCUMENT;
}

/* Answers the waiters that is_served selects or, if overdue, those that takes_known selects. */
static void answer_waiters(struct cache_entry *entry, bool overdue)
{
    struct freshness_now now = freshness_now();
    struct cache_answer answer;
    struct cache_waiter *waiter, *next;
    struct waiter_list ready = LIST_HEAD_INITIALIZER(ready);

    for (waiter = LIST_FIRST(&entry->waiters); waiter != NULL; waiter = next) {
        next = LIST_NEXT(waiter, link);
        if (!(overdue ? takes_known(waiter, now) : is_served(waiter)))
            continue;
        LIST_REMOVE(waiter, link);
        LIST_INSERT_HEAD(&ready, waiter, link);
    }
    /* Each waiter stays on a list until its turn, so that cache_forget can remove it. */
    while ((waiter = LIST_FIRST(&ready)) != NULL) {
        LIST_REMOVE(waiter, link);
        answer = request_known(entry, waiter->need, now);
        request_answer(entry->cache, waiter, &answer);
    }
}

/* ---- Overdue requests ---- */

static void on_overdue(void *arg)
{
    struct cache_entry *entry = arg;
    struct freshness_now now = freshness_now();

    if (request_is_overdue(entry, now))
        answer_waiters(entry, true);
    else if (entry->phase == ENTRY_SENT)
        /* A reload has raised connect_timeout meanwhile: the waiters wait for the rest of it. */
        loop_timer_set(entry->cache->setup.loop, &entry->overdue,
                       entry->sent + overdue_ms(entry->cache) - now.boot);
}

/* ---- Budgets ---- */

enum entry_budget request_budget(const struct cache_entry *entry, const struct cache_waiter *waiter)
{
    if (entry->document != NULL)
        return ENTRY_FREE;
    if (!waiter->trusted || (waiter->may_trust != NULL && !waiter->may_trust(waiter->arg)))
        return ENTRY_OTHERS;
    return waiter->need == CACHE_ACCOUNT ? ENTRY_LOOKUP : ENTRY_LOGIN;
}

struct askers *request_askers(struct cache *cache, enum entry_budget budget)
{
    switch (budget) {
    case ENTRY_FREE:
    case ENTRY_BACKGROUND:
        break;
    case ENTRY_LOOKUP:
        return &cache->lookups;
    case ENTRY_LOGIN:
        return &cache->logins;
    case ENTRY_OTHERS:
        return &cache->others;
    }
    return NULL;
}

struct share *request_share(struct askers *askers, const struct cache_entry *entry)
{
    const size_t shares = sizeof askers->project / sizeof askers->project[0];

    return &askers->project[entries_hash_project(entry) % shares];
}

/* Adds `change`, 1 or -1, to the number of requests in flight of the entry's budget. */
static void count(struct cache_entry *entry, int change)
{
    struct cache *cache = entry->cache;
    struct askers *askers = request_askers(cache, entry->budget);

    if (askers != NULL) {
        askers->in_flight += (unsigned)change;
        request_share(askers, entry)->in_flight += (unsigned)change;
    } else if (entry->budget == ENTRY_BACKGROUND) {
        cache->background += (unsigned)change;
    }
}

static void charge(struct cache_entry *entry, enum entry_budget budget)
{
    entry->budget = budget;
    count(entry, 1);
}

static void release(struct cache_entry *entry)
{
    count(entry, -1);
    entry->budget = ENTRY_FREE;
}

/* Ends a background request. A failed prefetch starts a pause of all prefetches. Other prefetches
 * that were in flight at that time and fail during the pause do not count. */
static void end_background(struct cache_entry *entry, const struct api_result *result)
{
    struct cache *cache = entry->cache;
    int64_t now = freshness_now().boot;

    release(entry);
    if (entry->document != NULL)
        return; /* the document was known: its entry has a back-off of its own */
    if (result->verdict != API_OUTAGE) {
        cache->prefetch_failures = 0;
    } else if (now >= cache->prefetch_pause) {
        cache->prefetch_pause =
            now + limits_back_off(cache->prefetch_failures, result->retry_after);
        if (cache->prefetch_failures < LIMITS_FAILURES_MAX)
            cache->prefetch_failures++;
    }
}

/* ---- The store ---- */

static void end(struct cache_entry *entry)
{
    release(entry);
    answer_waiters(entry, false);
    start_for_waiters(entry);
}

static void end_write(struct cache_entry *entry, enum entry_stored stored)
{
    if (!entries_step(entry, ENTRY_WRITTEN))
        return;
    entry->stored = stored;
    /* The disk may still have an older document. It must not be read, even if a reload has made the
     * entry forget the newer one. */
    if (stored == ENTRY_STORE_FAILED)
        entry->loaded = true;
    end(entry);
}

/* The store_done of store_put. A failed write changes no answer, and the store has logged it. */
static void on_put(void *arg, bool ok)
{
    end_write(arg, ok ? ENTRY_MAY_BE_STORED : ENTRY_STORE_FAILED);
}

static void on_removed(void *arg, bool ok)
{
    end_write(arg, ok ? ENTRY_NOT_STORED : ENTRY_STORE_FAILED);
}

/* Whether `asked` is CACHE_LAG or more after the last write to the store, so that a confirmation is
 * to be written or a failed write repeated. */
static bool is_write_due(const struct cache_entry *entry, int64_t asked)
{
    return asked - entry->kept >= INT64_C(1000) * CACHE_LAG;
}

static bool remove_stored(struct cache_entry *entry)
{
    if (entry->stored == ENTRY_NOT_STORED || !entries_step(entry, ENTRY_WRITE))
        return false;
    store_remove(entry->cache->setup.store, entry->project, entry->environment, on_removed, entry);
    return true;
}

static bool put_stored(struct cache_entry *entry, const struct stored_document *stored)
{
    if (!entries_step(entry, ENTRY_WRITE))
        return false;
    entry->stored = ENTRY_MAY_BE_STORED;
    entry->kept = entry->asked;
    store_put(entry->cache->setup.store, stored, on_put, entry);
    return true;
}

/* Brings the store up to date with the answer that was applied. True if the waiters have to wait
 * for the write: end_write then answers them. */
static bool write_store(struct cache_entry *entry, const struct api_result *result,
                        enum api_verdict verdict)
{
    struct store *store = entry->cache->setup.store;
    struct stored_document stored = {.project = entry->project,
                                     .environment = entry->environment,
                                     .validator = entry->validator,
                                     .asked = entry->asked,
                                     .asked_wall = entry->asked_wall,
                                     .body = result->body,
                                     .length = result->length};
    bool failed = entry->stored == ENTRY_STORE_FAILED, due = is_write_due(entry, entry->asked);

    memcpy(stored.hash, entry->hash, sizeof stored.hash);
    /* A document with an outdated signature does not replace a stored file that could not be read,
     * because that file may contain a newer document. */
    if (verdict == API_OUTAGE || (entries_is_failing(entry) && !entry->loaded))
        return false;
    /* A signed tombstone is stored like a document, so that no older document is accepted after
     * it. */
    if (entry->state == ENTRY_ABSENT && entry->cache->signers.n == 0)
        return remove_stored(entry);
    if (verdict == API_DOCUMENT || (failed && due && result->verdict == API_DOCUMENT))
        return put_stored(entry, &stored);
    if (!failed && due) {
        entry->kept = entry->asked;
        store_touch(store, &stored);
    }
    return false;
}

/* ---- Requests ---- */

/* Ends the entry's request with an answer that take_read has read. */
static void take_answer(struct cache_entry *entry, struct reading *reading)
{
    bool orphaned = entry->phase == ENTRY_ORPHANED;
    enum api_verdict verdict;

    loop_timer_clear(entry->cache->setup.loop, &entry->overdue);
    if (!entries_step(entry, ENTRY_ANSWER))
        return;
    if (entry->budget == ENTRY_BACKGROUND)
        end_background(entry, reading->result);
    if (orphaned) {
        document_free(reading->document);
        release(entry);
        start_for_waiters(entry);
        return;
    }
    verdict = take_result(entry, reading);
    /* The file, if it could not be read, is now older than the entry. */
    if (!entries_is_failing(entry))
        entry->loaded = true;
    /* The request for an absent environment counts against its budget until the file is removed.
     * Otherwise there could be any number of such entries while the disk hangs. */
    if (entry->state != ENTRY_ABSENT)
        release(entry);
    if (!write_store(entry, reading->result, verdict))
        end(entry);
}

/* A worker's job: reads an answer. */
struct answer {
    struct work work;
    struct cache_entry *entry;
    struct api_result result; /* its member `body` points to the copy below */
    struct reading reading;
    bool asks;              /* for the asker */
    enum entry_budget paid; /* if so: the request's budget, which does not count meanwhile */
    char body[];
};

static void read_answer(struct work *work)
{
    take_read(&((struct answer *)(void *)work)->reading);
}

/* Reads an answer as read_answer does, and asks the host's other name services whether they have
 * the document's ids. If one has, or cannot say, the document is invalid. */
static void ask_answer(struct work *work)
{
    struct reading *reading = &((struct answer *)(void *)work)->reading;
    struct document *document;

    take_read(reading);
    document = reading->document;
    /* A tombstone has no ids. */
    if (document == NULL || document->status == DOCUMENT_DELETED ||
        !foreign_may_have_id(document->uid, document->gid, reading->problem.text,
                             sizeof reading->problem.text))
        return;
    document_free(document);
    reading->document = NULL;
}

static void finish_answer(struct work *work)
{
    struct answer *answer = (struct answer *)(void *)work;
    struct cache *cache = answer->entry->cache;

    if (answer->asks) {
        cache->unasked -= answer->result.length;
        cache->asking--;
        charge(answer->entry, answer->paid);
    } else {
        cache->unread -= answer->result.length;
    }
    take_answer(answer->entry, &answer->reading);
    free(answer);
}

/* Counts an answer that the asker gets. Its request no longer counts against its budget: a name
 * service that hangs would hold budgets, and with them requests for other environments. */
static void await_services(struct answer *answer)
{
    struct cache *cache = answer->entry->cache;

    answer->paid = answer->entry->budget;
    release(answer->entry);
    cache->unasked += answer->result.length;
    cache->asking++;
}

/* Whether the entry's request is a background request that no login or lookup has joined. */
static bool is_behind(const struct cache_entry *entry)
{
    return entry->budget == ENTRY_BACKGROUND && LIST_EMPTY(&entry->waiters);
}

/* Background requests are sent before the size of their answers is known. They get half of the
 * bytes, so that the rest is left to logins and lookups. */
static bool is_crowded(const struct cache_entry *entry, bool ask)
{
    const struct cache *cache = entry->cache;
    size_t most = is_behind(entry) ? LIMITS_UNREAD_MAX / 2 : LIMITS_UNREAD_MAX;

    return (ask ? cache->unasked : cache->unread) > most ||
           (ask && cache->asking >= LIMITS_ASKING_MAX);
}

/* Makes a worker read an answer and, if `ask`, ask the name services. False if out of memory or too
 * many answers or bytes wait for that worker. */
static bool read_behind(struct cache_entry *entry, const struct api_result *result, bool ask)
{
    struct cache *cache = entry->cache;
    struct answer *answer = is_crowded(entry, ask) ? NULL : malloc(sizeof *answer + result->length);

    if (answer == NULL)
        return false;
    answer->work = (struct work){.run = ask ? ask_answer : read_answer, .finish = finish_answer};
    answer->asks = ask;
    answer->entry = entry;
    answer->result = *result;
    answer->result.body = memcpy(answer->body, result->body, result->length);
    take_prepare(&answer->reading, entry, &answer->result);
    if (ask)
        await_services(answer);
    else
        cache->unread += result->length;
    worker_add(ask ? cache->setup.asker : cache->setup.worker, &answer->work);
    return true;
}

/* Drops the answer to a background request. That is no failure: the next login or lookup asks the
 * API, without a back-off. False if a login or lookup waits, or if the entry is STALE: there it
 * counts as a failure, so that the probe of the document has a back-off. */
static bool drop_behind(struct cache_entry *entry, const struct api_result *result)
{
    if (!is_behind(entry) || entry->state == ENTRY_STALE)
        return false;
    loop_timer_clear(entry->cache->setup.loop, &entry->overdue);
    if (entries_step(entry, ENTRY_ANSWER))
        end_background(entry, result);
    entry->retry = 0;
    return true;
}

static void on_result(void *arg, const struct api_result *result)
{
    static const struct api_result crowded = {
        .detail = "no memory for the document, or too many of them wait to be read or judged"};
    struct cache_entry *entry = arg;
    const struct cache *cache = entry->cache;
    struct reading reading;
    bool document = result->verdict == API_DOCUMENT;
    bool ask =
        document && !admission_is_bound(cache->setup.admission, entry->project, entry->environment);

    if (ask || (document && result->length > LIMITS_READ_MAX)) {
        if (read_behind(entry, result, ask) || drop_behind(entry, result))
            return;
        /* The API has answered: that is no reason to pause prefetches. */
        if (entry->budget == ENTRY_BACKGROUND)
            end_background(entry, result);
        result = &crowded;
    }
    take_prepare(&reading, entry, result);
    take_read(&reading);
    take_answer(entry, &reading);
}

void request_resume(struct cache_entry *entry)
{
    struct cache *cache = entry->cache;
    enum entry_budget paid = entry->budget;
    struct waiter_list waiters = LIST_HEAD_INITIALIZER(waiters);
    struct cache_waiter *waiter;

    if (!entries_step(entry, ENTRY_ANSWER))
        return;
    release(entry);
    if (cache->stopping)
        return;
    if (paid == ENTRY_BACKGROUND && (entry->document == NULL || request_is_named(entry)))
        request_start(entry, paid);
    while ((waiter = LIST_FIRST(&entry->waiters)) != NULL) {
        LIST_REMOVE(waiter, link);
        LIST_INSERT_HEAD(&waiters, waiter, link);
    }
    /* Each waiter stays on a list until its turn, so that cache_forget can remove it. */
    while ((waiter = LIST_FIRST(&waiters)) != NULL) {
        LIST_REMOVE(waiter, link);
        waiter->entry = NULL;
        internal_ask(entry, waiter, paid == ENTRY_BACKGROUND ? ENTRY_FREE : paid, false);
    }
}

void request_start(struct cache_entry *entry, enum entry_budget budget)
{
    static const struct validator none;
    struct freshness_now now = freshness_now();
    /* Only a whole body can repeat a failed write, or bind ids after a release: no validator is
     * sent, so that the API does not answer 304. */
    bool whole =
        (entry->stored == ENTRY_STORE_FAILED && is_write_due(entry, now.boot)) ||
        !admission_is_bound(entry->cache->setup.admission, entry->project, entry->environment);

    if (load_is_due(entry)) {
        charge(entry, budget);
        load_start(entry);
        return;
    }
    if (!entries_step(entry, ENTRY_SEND))
        return;
    charge(entry, budget);
    entry->sent = now.boot;
    entry->sent_wall = now.wall;
    entry->overdue = (struct loop_timer){.due = on_overdue, .arg = entry};
    if (entry->document != NULL)
        loop_timer_set(entry->cache->setup.loop, &entry->overdue, overdue_ms(entry->cache));
    api_get(entry->cache->setup.api,
            &(const struct api_request){entry->project, entry->environment,
                                        whole ? &none : &entry->validator, on_result, entry});
}
