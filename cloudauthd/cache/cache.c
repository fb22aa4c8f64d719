/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/cache.h"

#include "access/envelope.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/retry.h"
#include "cloudauthd/cache/entries.h"
#include "cloudauthd/cache/limits.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKOFF_MIN 1000 /* milliseconds between probes of an API that fails */
#define BACKOFF_MAX 15000
#define TOUCH_MS    60000 /* how often a confirmation is written to the store */
#define CLOCK_SLACK 2     /* seconds that a clock may be put back, or forward, by its keeper */

/* What one kind of asker may have asked for names that nobody knows. */
struct askers {
    struct bucket neighbours, unknown; /* of a project that is known here, and all others */
    unsigned strangers;                /* requests in flight */
};

struct cache {
    const struct cloud_conf *conf;
    struct api *api;
    struct store *store; /* or NULL */
    const struct denials *denials;
    struct signers signers; /* none: documents are not signed */
    struct guard guard;
    bool doubt;                    /* some document may be failing */
    unsigned background;           /* requests in flight for cache_recheck and cache_prefetch */
    bool recheck;                  /* some document may wait for one */
    struct bucket prefetches;      /* cache_prefetch: how many may go, */
    unsigned prefetch_failures;    /* in a row: then they go one at a time, */
    int64_t prefetch_pause;        /* and not before this cloud_clock_ms() */
    struct askers trusted, others; /* root and cloudauth-keys, and everybody else */
    cache_accept *accept;
    void *arg;
    cache_told *told; /* or NULL */
    void *told_arg;
    struct entries entries;
    struct cache_figures figures;
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
    envelope_parse_signers(conf->signing_key, &cache->signers);
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
    if (api_is_file(cache->api) || need == CACHE_NOW)
        return 0;
    return (int64_t)1000 *
           (need == CACHE_KEYS ? cache->conf->keys_fresh : cache->conf->account_fresh);
}

/*
 * Milliseconds since the last good answer was asked for, by the clock that says more. The time
 * since boot stands still while a virtual machine is paused or saved; its wall clock is set right
 * after.
 */
static int64_t since_asked(const struct cache_entry *entry, int64_t now)
{
    int64_t boot = now - entry->asked;
    int64_t wall = 1000 * ((int64_t)time(NULL) - entry->asked_wall);

    return wall > boot + (int64_t)1000 * CLOCK_SLACK ? wall : boot;
}

static bool is_fresh(const struct cache_entry *entry, int64_t now, int64_t bound)
{
    return since_asked(entry, now) < bound;
}

/* Seconds since the document was signed, by the clock that says more: of one that is put back again
 * and again it would never grow old. */
static int64_t since_signed(const struct cache_entry *entry)
{
    int64_t boot = (cloud_clock_ms() - entry->signed_at) / 1000;
    int64_t wall = (int64_t)time(NULL) - entry->document->issued_at;

    return wall > boot ? wall : boot;
}

/*
 * Why the document may not be used however lately it was asked for, or NULL: a clock that was put
 * back, or a signature that has run out, which no good health of the API makes up for.
 */
static const char *outdated(const struct cache_entry *entry)
{
    int64_t wall = (int64_t)time(NULL);

    if (wall < entry->asked_wall - CLOCK_SLACK)
        return "the clock stands before the time of the last good document";
    if (entry->cache->signers.n == 0)
        return NULL;
    if (entry->document->issued_at > wall + ENVELOPE_FUTURE)
        return "the last good document is from the future";
    if (since_signed(entry) >= (int64_t)stale_bound(entry))
        return "the last good document was signed too long ago";
    return NULL;
}

/* Why the document may not be used any more, or NULL: the above, or the bound of an outage. */
static const char *why_not(const struct cache_entry *entry, int64_t age)
{
    const char *why = outdated(entry);

    return why == NULL && entry->failing && age >= stale_bound(entry) ? entry->detail : why;
}

/* Seconds since the document was the truth: since it was signed, or since it was asked for. */
static uint32_t age_of(const struct cache_entry *entry, int64_t now)
{
    int64_t age = since_asked(entry, now) / 1000;

    if (entry->cache->signers.n > 0 && entry->document != NULL)
        age = since_signed(entry);
    return age < 0 ? 0 : age > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)age;
}

/* What can be said without asking again; after a failed request it is the last good document. */
static struct cache_answer state_of(const struct cache_entry *entry, int64_t now)
{
    struct cache_answer answer = {.detail = entry->failing ? entry->detail : "not known",
                                  .stale = entry->failing,
                                  .age = age_of(entry, now),
                                  .asked = entry->asked};

    if (entry->document != NULL) {
        const char *why = why_not(entry, since_asked(entry, now) / 1000);
        if (why != NULL)
            answer.detail = why;
        answer.document = why == NULL ? entry->document : NULL;
        answer.result = why == NULL ? CACHE_DOCUMENT : CACHE_UNAVAILABLE;
    } else if (entry->absent && !entry->failing) {
        answer.result = CACHE_ABSENT;
    }
    return answer;
}

static void answer_waiter(struct cache *cache, struct cache_waiter *waiter,
                          const struct cache_answer *answer)
{
    cache->figures.stale += answer->stale && answer->result == CACHE_DOCUMENT;
    cache->figures.unavailable += answer->result == CACHE_UNAVAILABLE;
    waiter->entry = NULL;
    waiter->next = NULL;
    waiter->answered(waiter->arg, answer);
}

/* A server that knows no validators sends the same body again, which is as good as a 304. */
static enum api_verdict verdict_of(struct cache_entry *entry, const struct api_result *result)
{
    unsigned char hash[DIGEST_SIZE];

    if (result->verdict != API_DOCUMENT || entry->document == NULL ||
        !digest_sha256(result->body, result->length, hash) ||
        memcmp(hash, entry->hash, DIGEST_SIZE) != 0)
        return result->verdict;
    entry->validator = result->validator;
    return API_UNCHANGED;
}

/* Whether a signed document's time is one that it may have. */
static bool check_issued(const struct cache_entry *entry, const struct document *document,
                         struct document_problem *problem)
{
    const char *wrong;

    if (entry->cache->signers.n == 0)
        return true;
    wrong = envelope_time_fault(document->issued_at, (int64_t)time(NULL));
    if (wrong == NULL && document->issued_at < entry->issued)
        wrong = "issued_at: older than what was last accepted";
    if (wrong != NULL)
        snprintf(problem->text, sizeof problem->text, "%s", wrong);
    return wrong == NULL;
}

/* The body as a document, its signature and time checked; NULL with *problem filled. */
static struct document *open_document(const struct cache_entry *entry,
                                      const struct api_result *result,
                                      struct document_problem *problem)
{
    const struct signers *signers = &entry->cache->signers;
    const char *body = result->body;
    size_t length = result->length;
    char *payload = NULL;
    struct document *document = NULL;

    if (signers->n > 0)
        body = payload = envelope_open(result->body, result->length, signers, &length, problem);
    if (body != NULL)
        document = document_parse(body, length, entry->project, entry->environment, problem);
    free(payload);
    if (document == NULL || check_issued(entry, document, problem))
        return document;
    document_free(document);
    return NULL;
}

/* Until when an outage may use the document, on the wall clock. */
static int64_t usable_until(const struct cache_entry *entry, const struct document *document,
                            int64_t asked_wall)
{
    const struct cache *cache = entry->cache;
    uint32_t bound =
        document->max_stale < cache->conf->max_stale ? document->max_stale : cache->conf->max_stale;

    return (cache->signers.n > 0 ? document->issued_at : asked_wall) + (int64_t)bound;
}

/* Confirmations are told when the last one that was told has lost a quarter of its freshness, or
 * was told by a clock that has been put back since. */
static void tell(struct cache_entry *entry, const struct document *document, int64_t asked_wall)
{
    const struct cache *cache = entry->cache;
    struct cache_news news = {.project = entry->project,
                              .environment = entry->environment,
                              .document = document,
                              .before = entry->document,
                              .asked_wall = asked_wall};

    if (cache->told == NULL ||
        (document != NULL && document == entry->document && asked_wall >= entry->told &&
         asked_wall - entry->told < cache->conf->account_fresh / 4))
        return;
    if (document != NULL)
        news.until = usable_until(entry, document, asked_wall);
    entry->told = asked_wall;
    cache->told(cache->told_arg, &news);
}

static void take_absent(struct cache_entry *entry);

/* stored: it comes from the store, and was accepted before. */
static void take_document(struct cache_entry *entry, const struct api_result *result,
                          int64_t asked_wall, bool stored)
{
    struct document_problem problem = {""};
    struct document *document = open_document(entry, result, &problem);
    bool deleted = document != NULL && document->status == DOCUMENT_DELETED;

    /* Nothing older is taken after it, though this host may not want it any more. */
    if (document != NULL && stored && entry->cache->signers.n > 0)
        entry->issued = document->issued_at;
    if (document != NULL && !deleted &&
        !entry->cache->accept(entry->cache->arg, document, problem.text, sizeof problem.text)) {
        document_free(document);
        document = NULL;
    }
    if (document == NULL) {
        entry->failing = true;
        snprintf(entry->detail, sizeof entry->detail, "invalid document: %.230s", problem.text);
        return;
    }
    if (entry->cache->signers.n > 0)
        entry->issued = document->issued_at;
    if (deleted) {
        document_free(document);
        take_absent(entry);
        return;
    }
    for (size_t i = 0; i < document->warnings && i < DOCUMENT_WARNINGS_MAX; i++)
        log_warning("document %s/%s: %s", entry->project, entry->environment, document->warning[i]);
    document->denials = entry->cache->denials;
    tell(entry, document, asked_wall);
    entries_set_document(entry, document);
    if (entry->cache->signers.n > 0)
        entry->signed_at = cloud_clock_ms() - 1000 * ((int64_t)time(NULL) - document->issued_at);
    /* Without a hash the next body is only taken for a new one. */
    if (!digest_sha256(result->body, result->length, entry->hash))
        memset(entry->hash, 0, sizeof entry->hash);
    entry->validator = result->validator;
    entry->absent = false;
}

static void take_absent(struct cache_entry *entry)
{
    struct cache *cache = entry->cache;
    bool tripped = cache->guard.tripped;

    if (entry->document != NULL &&
        !guard_believes(&cache->guard, cache->entries.known.used, cloud_clock_ms())) {
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
    tell(entry, NULL, entry->sent_wall);
    entries_set_document(entry, NULL);
    memset(&entry->validator, 0, sizeof entry->validator);
    entry->absent = true;
}

/* Milliseconds until the next request after so many failures, or as long as the server asks for,
 * which api.c has capped. */
static int64_t back_off(unsigned failures, uint32_t retry_after)
{
    int64_t wait = retry_delay(failures, BACKOFF_MIN, BACKOFF_MAX);

    return wait < (int64_t)retry_after * 1000 ? (int64_t)retry_after * 1000 : wait;
}

static void take_failure(struct cache_entry *entry, const char *before, uint32_t retry_after,
                         int64_t now)
{
    entry->retry = now + back_off(entry->failures, retry_after);
    entry->cache->doubt = true;
    if (strcmp(before, entry->detail) != 0)
        log_warning("project API, %s/%s: %s", entry->project, entry->environment, entry->detail);
    if (entry->failures < 1000)
        entry->failures++;
}

/* A document that the API sends in good health, though its signature has run out: an outage. */
static void refuse_outdated(struct cache_entry *entry)
{
    const char *why = NULL;

    if (!entry->failing && entry->document != NULL && entry->cache->signers.n > 0)
        why = outdated(entry);
    if (why == NULL)
        return;
    entry->failing = true;
    snprintf(entry->detail, sizeof entry->detail, "%s", why);
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
        take_document(entry, result, entry->sent_wall, false);
        break;
    case API_UNCHANGED:
        entry->failing = entry->document == NULL;
        snprintf(entry->detail, sizeof entry->detail, "unchanged, said the API of nothing");
        break;
    case API_ABSENT:
        if (entry->cache->signers.n > 0) {
            /* Whoever stands between us and the publisher could have said so. */
            entry->failing = true;
            snprintf(entry->detail, sizeof entry->detail, "absent without a signed tombstone");
        } else {
            take_absent(entry);
        }
        break;
    case API_OUTAGE:
        entry->failing = true;
        memcpy(entry->detail, result->detail, sizeof entry->detail);
        break;
    }
    refuse_outdated(entry);
    if (entry->failing) {
        take_failure(entry, before, result->retry_after, cloud_clock_ms());
        return;
    }
    if (was_failing)
        log_info("project API, %s/%s: well again", entry->project, entry->environment);
    entry->failures = 0;
    /* Told from when the question was sent: the answer may have been on its way for long. */
    entry->asked = entry->sent;
    entry->asked_wall = entry->sent_wall;
    if (verdict == API_UNCHANGED)
        tell(entry, entry->document, entry->asked_wall);
    set_refresh(entry);
}

static struct stored_document stored(const struct cache_entry *entry)
{
    struct stored_document kept = {.project = entry->project,
                                   .environment = entry->environment,
                                   .validator = entry->validator,
                                   .asked = entry->asked,
                                   .asked_wall = entry->asked_wall};

    memcpy(kept.hash, entry->hash, sizeof kept.hash);
    return kept;
}

static store_done on_kept, on_removed;

/* Whether it is time to tell the disk again: that it was confirmed, or all of what it refused. */
static bool is_keeping_due(const struct cache_entry *entry, int64_t asked)
{
    return asked - entry->kept >= TOUCH_MS;
}

/* Brings the store up to what the API has just said. */
static void keep(struct cache_entry *entry, const struct api_result *result,
                 enum api_verdict verdict)
{
    struct store *store = entry->cache->store;
    struct stored_document kept = stored(entry);

    if (store == NULL || entry->failing)
        return;
    /* A signed tombstone is kept as documents are: nothing older may be accepted after it. */
    if (entry->absent && entry->cache->signers.n == 0) {
        if (entry->removed)
            return;
        entry->committing = true;
        store_remove(store, entry->project, entry->environment, on_removed, entry);
    } else if (verdict == API_DOCUMENT || (entry->unkept && result->verdict == API_DOCUMENT &&
                                           is_keeping_due(entry, entry->asked))) {
        entry->committing = true;
        entry->removed = false;
        entry->kept = entry->asked;
        kept.body = result->body;
        kept.length = result->length;
        store_put(store, &kept, on_kept, entry);
    } else if (!entry->unkept && is_keeping_due(entry, entry->asked)) {
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
        struct cache_answer answer = state_of(entry, cloud_clock_ms());
        answer_waiter(cache, waiting, &answer);
    }
    if (again && !entry->in_flight)
        start_request(entry);
}

static void end_stranger(struct cache_entry *entry)
{
    if (entry->stranger)
        (entry->trusted ? &entry->cache->trusted : &entry->cache->others)->strangers--;
    entry->stranger = false;
}

static void end_commit(struct cache_entry *entry)
{
    entry->committing = false;
    end_stranger(entry);
    answer_waiters(entry);
}

/* A failure changes no answer, and the store has logged it. It is tried again. */
static void on_kept(void *arg, bool ok)
{
    struct cache_entry *entry = arg;

    entry->unkept = !ok;
    end_commit(entry);
}

static void on_removed(void *arg, bool ok)
{
    struct cache_entry *entry = arg;

    entry->removed = ok;
    end_commit(entry);
}

/* Lets prefetches pause after a failure. Those that were in flight beside it are no further one. */
static void end_background(struct cache *cache, const struct api_result *result)
{
    int64_t now = cloud_clock_ms();

    cache->background--;
    if (result->verdict != API_OUTAGE) {
        cache->prefetch_failures = 0;
    } else if (now >= cache->prefetch_pause) {
        cache->prefetch_pause = now + back_off(cache->prefetch_failures, result->retry_after);
        if (cache->prefetch_failures < 1000)
            cache->prefetch_failures++;
    }
}

static void on_result(void *arg, const struct api_result *result)
{
    struct cache_entry *entry = arg;
    enum api_verdict verdict;

    entry->in_flight = false;
    if (entry->background)
        end_background(entry->cache, result);
    entry->background = false;
    if (entry->orphan) {
        end_stranger(entry);
        entry->orphan = false;
        if (entry->waiters != NULL)
            start_request(entry);
        return;
    }
    verdict = verdict_of(entry, result);
    take_result(entry, result, verdict);
    keep(entry, result, verdict);
    /* One that waits for a disk that stands still is counted on: such names could be any number. */
    if (!entry->committing || !entry->absent)
        end_stranger(entry);
    if (!entry->committing)
        answer_waiters(entry);
}

static void start_request(struct cache_entry *entry)
{
    static const struct validator none;
    int64_t now = cloud_clock_ms();
    /* A 304 has nothing that could be kept. */
    bool whole = entry->unkept && is_keeping_due(entry, now);

    entry->in_flight = true;
    entry->recheck = false; /* whatever sends it: it is the question */
    entry->stranger = entry->document == NULL && !entry->background;
    if (entry->stranger)
        (entry->trusted ? &entry->cache->trusted : &entry->cache->others)->strangers++;
    entry->sent = now;
    entry->sent_wall = (int64_t)time(NULL);
    api_get(entry->cache->api, entry->project, entry->environment,
            whole ? &none : &entry->validator, on_result, entry);
}

/* Whether an answer can be given at once. */
static bool can_answer(const struct cache_entry *entry, enum cache_need need, int64_t now,
                       struct cache_answer *answer)
{
    const struct cache *cache = entry->cache;

    *answer = state_of(entry, now);
    if (api_is_file(cache->api) || entry->committing || need == CACHE_NOW)
        return false;
    /* While the API fails, who may enter is decided within the bound of an outage alone, however
     * fresh that is. Who the account is may be said past it: a refusal is to reach somebody. */
    if (entry->document != NULL && outdated(entry) == NULL &&
        is_fresh(entry, now, fresh_bound(cache, need)) &&
        (!entry->failing || need == CACHE_ACCOUNT)) {
        *answer = (struct cache_answer){.result = CACHE_DOCUMENT,
                                        .document = entry->document,
                                        .stale = entry->failing,
                                        .age = answer->age,
                                        .asked = entry->asked};
        return true;
    }
    /* Who the account is does not wait for a slow API: that is asked behind it. Who may enter does.
     */
    if (need == CACHE_ACCOUNT && answer->result == CACHE_DOCUMENT &&
        is_fresh(entry, now, (int64_t)1000 * stale_bound(entry)))
        return true;
    if (entry->absent && !entry->failing &&
        is_fresh(entry, now, (int64_t)1000 * cache->conf->absent_fresh))
        return true;
    /* With nothing to serve, a probe that is due is worth the wait, once per back-off. */
    return entry->failing && (answer->result == CACHE_DOCUMENT || now < entry->retry);
}

/* Whether a request may go, if it takes one: for names that nobody knows, as the buckets allow. */
static bool may_ask(const struct cache_entry *entry, bool trusted, int64_t now)
{
    struct cache *cache = entry->cache;
    struct askers *askers = trusted ? &cache->trusted : &cache->others;
    unsigned most = trusted ? STRANGERS_MAX : STRANGERS_OTHERS_MAX;

    if (entry->document != NULL || entry->in_flight || entry->committing)
        return true;
    if (askers->strangers >= most)
        return false;
    if (api_is_file(cache->api))
        return true;
    if (entries_know_project(&cache->entries, entry->project))
        return bucket_take(&askers->neighbours, NEIGHBOUR_RATE, NEIGHBOUR_BURST, now);
    return bucket_take(&askers->unknown, UNKNOWN_RATE, UNKNOWN_BURST, now);
}

void cache_ask(struct cache *cache, const char *project, const char *environment,
               enum cache_need need, struct cache_waiter *waiter)
{
    struct cache_entry *entry = find_entry(cache, project, environment);
    struct cache_answer answer = {.detail = "out of memory"};
    int64_t now = cloud_clock_ms();

    waiter->entry = NULL;
    if (entry == NULL) {
        answer_waiter(cache, waiter, &answer);
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
        cache->figures.hits++;
        answer.at_once = true;
        answer_waiter(cache, waiter, &answer);
        if (ask_behind)
            start_request(entry);
        return;
    }
    if (!may_ask(entry, waiter->trusted, now)) {
        cache->figures.limited++;
        answer.result = CACHE_UNAVAILABLE;
        answer.detail = "too many names that nobody knows are being asked for";
        answer_waiter(cache, waiter, &answer);
        if (entry->sent == 0 && entry->issued == 0)
            entries_drop(entry);
        return;
    }
    cache->figures.misses++;
    waiter->entry = entry;
    waiter->next = entry->waiters;
    entry->waiters = waiter;
    if (!entry->in_flight && !entry->committing) {
        entry->trusted = waiter->trusted;
        start_request(entry);
    }
}

const struct document *cache_peek(struct cache *cache, const char *project, const char *environment)
{
    struct cache_entry *entry = find_entry(cache, project, environment);

    if (entry == NULL || entry->list != NULL)
        return entry == NULL ? NULL : entry->document;
    entries_drop(entry); /* it was made by the looking */
    return NULL;
}

static void start_background(struct cache_entry *entry)
{
    entry->background = true;
    entry->cache->background++;
    start_request(entry);
}

/* Unless as many are in flight as may be, or one that was sent before has not been answered. */
static void start_recheck(struct cache_entry *entry)
{
    struct cache *cache = entry->cache;

    if (entry->in_flight || entry->committing || cache->background == CACHE_PROBES)
        cache->recheck = true;
    else
        start_background(entry);
}

/* Forgets an entry that finding it has made. */
static void drop_if_new(struct cache_entry *entry)
{
    if (entry != NULL && entry->list == NULL)
        entries_drop(entry);
}

bool cache_recheck(struct cache *cache, const char *project, const char *environment)
{
    struct cache_entry *entry = find_entry(cache, project, environment);
    bool known = entry != NULL && entry->document != NULL;

    /* What fails is being asked for already, as often as the API bears. */
    if (known && !entry->failing) {
        entry->recheck = true;
        start_recheck(entry);
    } else {
        drop_if_new(entry);
    }
    return known;
}

/* Whether a listed environment's document is to be fetched: none is known, and nothing has been
 * learnt lately. */
static bool is_wanting(const struct cache_entry *entry, int64_t now)
{
    const struct cache *cache = entry->cache;

    if (entry->document != NULL || entry->in_flight || entry->committing)
        return false;
    if (entry->failing)
        return now >= entry->retry;
    return !entry->absent || !is_fresh(entry, now, (int64_t)1000 * cache->conf->absent_fresh);
}

bool cache_prefetch(struct cache *cache, const char *project, const char *environment)
{
    int64_t now = cloud_clock_ms();
    struct cache_entry *entry;

    if (now < cache->prefetch_pause ||
        cache->background >= (cache->prefetch_failures > 0 ? 1 : CACHE_PROBES))
        return false;
    entry = find_entry(cache, project, environment);
    if (entry == NULL || !is_wanting(entry, now) || entries_nearly_full(&cache->entries)) {
        drop_if_new(entry);
        return true;
    }
    if (!bucket_take(&cache->prefetches, PREFETCH_RATE, PREFETCH_BURST, now)) {
        drop_if_new(entry);
        return false;
    }
    entries_touch(entry);
    entries_make_room(&cache->entries);
    start_background(entry);
    return true;
}

static void recheck_others(struct cache *cache)
{
    if (!cache->recheck || cache->background == CACHE_PROBES)
        return;
    cache->recheck = false;
    for (struct cache_entry *entry = cache->entries.known.first, *next;
         entry != NULL && cache->background < CACHE_PROBES; entry = next) {
        next = entry->after;
        if (entry->recheck && !entry->failing)
            start_recheck(entry);
        else
            entry->recheck = false;
    }
    if (cache->background == CACHE_PROBES)
        cache->recheck = true; /* there may be more behind */
}

static void probe_failing(struct cache *cache)
{
    int64_t now = cloud_clock_ms();
    unsigned probes = 0;

    if (!cache->doubt)
        return;
    cache->doubt = false;
    for (struct cache_entry *entry = cache->entries.known.first, *next; entry != NULL;
         entry = next) {
        next = entry->after;
        if (!entry->failing || why_not(entry, since_asked(entry, now) / 1000) != NULL)
            continue;
        cache->doubt = true;
        if (now < entry->retry || entry->in_flight || entry->committing || probes == CACHE_PROBES)
            continue;
        probes++;
        start_request(entry);
    }
}

void cache_probe(struct cache *cache)
{
    recheck_others(cache);
    probe_failing(cache);
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

static void tell_known(struct cache *cache, bool changed)
{
    for (struct cache_entry *entry = cache->entries.known.first; entry != NULL;
         entry = entry->after) {
        const struct cache_news news = {
            .project = entry->project,
            .environment = entry->environment,
            .document = entry->document,
            .changed = changed,
            .asked_wall = entry->asked_wall,
            .until = usable_until(entry, entry->document, entry->asked_wall)};
        entry->told = entry->asked_wall;
        cache->told(cache->told_arg, &news);
    }
}

void cache_tell(struct cache *cache, cache_told *told, void *arg)
{
    cache->told = told;
    cache->told_arg = arg;
    tell_known(cache, false);
}

void cache_tell_changed(struct cache *cache)
{
    if (cache->told != NULL)
        tell_known(cache, true);
}

void cache_keep(struct cache *cache, struct store *store)
{
    cache->store = store;
}

bool cache_restore(void *arg, const struct stored_document *from)
{
    struct cache *cache = arg;
    struct cache_entry *entry = find_entry(cache, from->project, from->environment);
    struct api_result result = {
        .body = from->body, .length = from->length, .validator = from->validator};

    if (entry == NULL || entry->document != NULL)
        return false;
    entries_touch(entry);
    entry->asked_wall = from->asked_wall;
    take_document(entry, &result, from->asked_wall, true);
    if (entry->failing) {
        log_warning("store: document %s/%s: %s", entry->project, entry->environment, entry->detail);
        entries_let_go(entry);
        return false;
    }
    entry->asked = entry->kept = from->asked;
    entry->asked_wall = from->asked_wall;
    set_refresh(entry);
    entries_make_room(&cache->entries);
    return true;
}

void cache_confirm_absent(struct cache *cache)
{
    guard_confirm(&cache->guard);
    log_info("environments that turn absent are believed again");
}

/* An entry that loses its document goes to the end of the other list, or of this one: so as many
 * are looked at as there were. */
static void forget_all(struct lru *list)
{
    size_t n = list->used;

    for (struct cache_entry *entry = list->first, *next; n > 0 && entry != NULL;
         entry = next, n--) {
        next = entry->after;
        entry->orphan = entry->in_flight;
        entries_forget(entry);
    }
}

static void probe_at_once(struct lru *list)
{
    for (struct cache_entry *entry = list->first; entry != NULL; entry = entry->after) {
        entry->failures = 0;
        entry->retry = 0;
    }
}

void cache_configure(struct cache *cache, const struct cloud_conf *conf, bool forget)
{
    cache->conf = conf;
    envelope_parse_signers(conf->signing_key, &cache->signers);
    /* Perhaps the operator has just repaired what failed. */
    probe_at_once(&cache->entries.known);
    probe_at_once(&cache->entries.unknown);
    probe_at_once(&cache->entries.issued);
    if (!forget)
        return;
    /* In this order: what is forgotten of the others is not met again. */
    forget_all(&cache->entries.unknown);
    forget_all(&cache->entries.issued);
    forget_all(&cache->entries.known);
}

void cache_deny(struct cache *cache, const struct denials *denials)
{
    cache->denials = denials;
}

void cache_look(const struct cache *cache, struct cache_figures *out)
{
    *out = cache->figures;
}

size_t cache_bytes(const struct cache *cache)
{
    return cache->entries.bytes;
}

bool cache_guarded(const struct cache *cache)
{
    return cache->guard.tripped;
}

static void view_entry(const struct cache_entry *entry, cache_see *see, void *arg)
{
    int64_t now = cloud_clock_ms();
    struct cache_answer answer = state_of(entry, now);
    struct cache_view view = {.project = entry->project,
                              .environment = entry->environment,
                              .document = entry->document,
                              .usable = answer.result == CACHE_DOCUMENT,
                              .absent = entry->absent,
                              .failing = entry->failing,
                              .age = answer.age,
                              .detail = entry->failing ? entry->detail : ""};

    view.fresh = view.usable && !entry->failing &&
                 is_fresh(entry, now, (int64_t)1000 * entry->cache->conf->account_fresh);
    see(arg, &view);
}

size_t cache_walk(struct cache *cache, size_t from, cache_see *see, bool (*full)(void *arg),
                  void *arg)
{
    const struct table *table = &cache->entries.table;

    for (size_t i = from; i < table->buckets; i++) {
        if (full(arg))
            return i;
        for (const struct table_node *node = table->bucket[i]; node != NULL; node = node->next)
            view_entry(TABLE_OWNER(node, struct cache_entry, node), see, arg);
    }
    return 0;
}
