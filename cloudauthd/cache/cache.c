/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/cache.h"

#include "base/fatal.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/internal.h"
#include "common/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct cache *cache_new(const struct cache_setup *setup)
{
    struct cache *cache = xcalloc(1, sizeof *cache);

    entries_start(&cache->entries);
    cache->marks.all = INT64_MIN;
    cache->setup = *setup;
    envelope_parse_signers(setup->conf->signing_key, &cache->signers);
    return cache;
}

static void clear_timers(struct cache *cache, struct lru *lru)
{
    struct cache_entry *entry;

    TAILQ_FOREACH(entry, &lru->list, link) {
        loop_timer_clear(cache->setup.loop, &entry->overdue);
    }
}

void cache_free(struct cache *cache)
{
    clear_timers(cache, &cache->entries.known);
    clear_timers(cache, &cache->entries.unknown);
    entries_end(&cache->entries);
    free(cache->survey.names);
    free(cache);
}

void cache_stop(struct cache *cache)
{
    cache->stopping = true;
}

/* ---- Questions ---- */

/* Whether the last good document settles the waiter's question (cache_waiter.suits). It does not if
 * the change feed has named the environment since the document was requested. */
static bool is_settled(const struct cache_entry *entry, const struct cache_waiter *waiter,
                       struct freshness_now now)
{
    return waiter->suits != NULL && !request_is_named(entry) && freshness_is_in_bound(entry, now) &&
           waiter->suits(waiter->arg, entry->document);
}

/* Whether the entry can answer without a new request. Always fills in *answer. */
static bool can_answer(const struct cache_entry *entry, const struct cache_waiter *waiter,
                       struct freshness_now now, struct cache_answer *answer)
{
    enum cache_need need = waiter->need;
    const struct cache *cache = entry->cache;
    bool failing = entries_is_failing(entry);

    *answer = request_known(entry, need, now);
    if (api_is_file(cache->setup.api) || entry->phase == ENTRY_WRITING || need == CACHE_NOW)
        return false;
    /* While the API fails, only the outage bound (freshness_bound) limits how long a document
     * decides who may enter, even if keys_fresh is longer. The passwd entry may be used for
     * account_fresh in any case, so that a login gets as far as telling a refused person why. */
    if (entry->document != NULL && freshness_fault(entry, now) == NULL &&
        request_is_fresh(entry, need, now) && (!failing || need == CACHE_ACCOUNT)) {
        answer->result = CACHE_DOCUMENT;
        answer->document = entry->document;
        return true;
    }
    /* A lookup does not wait for a slow API: an older document answers within its outage bound, and
     * is revalidated in the background. Who may enter is never decided this way. */
    if (need == CACHE_ACCOUNT && answer->result == CACHE_DOCUMENT &&
        freshness_is_in_bound(entry, now))
        return true;
    if (entry->state == ENTRY_ABSENT && !request_is_named(entry) &&
        freshness_is_within(entry, now, (int64_t)1000 * cache->setup.conf->absent_fresh))
        return true;
    if (answer->result == CACHE_DOCUMENT &&
        ((request_is_hurried(entry, waiter) && request_is_overdue(entry, now)) ||
         is_settled(entry, waiter, now)))
        return true;
    /*
     * After a failure the last good document answers. If there is none, the failure is the answer
     * until the back-off is over; then the first question causes a request, and the others wait for
     * its result. If the feed has named the environment since the failed request, the API is asked
     * first.
     */
    return failing && !request_is_outdated(entry) &&
           (answer->result == CACHE_DOCUMENT || now.boot < entry->retry);
}

/* Passes on the answer of can_answer, then revalidates the document in the background if that is
 * due. */
static void answer_now(struct cache_entry *entry, struct cache_waiter *waiter,
                       struct cache_answer *answer, bool within)
{
    bool failing = entries_is_failing(entry);
    bool due = waiter->since >= (failing ? request_retry(entry) : entry->refresh) ||
               (!failing && !request_is_fresh(entry, waiter->need, freshness_now()));
    bool ask_behind = due && entry->document != NULL && entry->phase == ENTRY_IDLE;

    entry->cache->figures.hits++;
    answer->at_once = within;
    request_answer(entry->cache, waiter, answer);
    if (ask_behind)
        request_start(entry, ENTRY_FREE);
}

/* Whether a question about this entry needs no new request, or one that is not limited. */
static bool is_unlimited(const struct cache_entry *entry)
{
    return entry->document != NULL || entry->phase != ENTRY_IDLE || load_is_free(entry);
}

static unsigned most_in_flight(enum entry_budget budget)
{
    return budget == ENTRY_LOOKUP  ? UNKNOWN_LOOKUPS_MAX
           : budget == ENTRY_LOGIN ? UNKNOWN_LOGINS_MAX
                                   : UNKNOWN_OTHERS_MAX;
}

/* Takes the tokens that a request for an unknown environment costs. False if a limit is reached. */
static bool take_permit(const struct cache_entry *entry, enum entry_budget budget, int64_t now)
{
    struct cache *cache = entry->cache;
    struct askers *askers = request_askers(cache, budget);
    struct share *share;

    if (askers == NULL)
        return true;
    share = request_share(askers, entry);
    if (askers->in_flight + share->in_flight >= most_in_flight(budget))
        return false;
    if (api_is_file(cache->setup.api))
        return true;
    if (admission_has_project(cache->setup.admission, entry->project))
        return limits_take_token(&share->bucket, NEIGHBOUR_RATE, NEIGHBOUR_BURST, now);
    return limits_take_token(&share->bucket, UNKNOWN_RATE, UNKNOWN_BURST, now) &&
           limits_take_token(&askers->strangers, STRANGERS_RATE, STRANGERS_BURST, now);
}

static void use_entry(struct cache_entry *entry)
{
    entry->cold = false;
    entries_touch(entry);
    entries_evict(entry->entries);
}

void internal_ask(struct cache_entry *entry, struct cache_waiter *waiter, enum entry_budget paid,
                  bool within)
{
    struct cache *cache = entry->cache;
    struct cache_answer answer;
    struct freshness_now now = freshness_now();
    enum entry_budget budget = paid;

    if (can_answer(entry, waiter, now, &answer)) {
        use_entry(entry);
        answer_now(entry, waiter, &answer, within);
    } else if (is_unlimited(entry) || paid != ENTRY_FREE ||
               take_permit(entry, budget = request_budget(entry, waiter), now.boot)) {
        use_entry(entry);
        cache->figures.misses += !load_is_due(entry);
        waiter->entry = entry;
        LIST_INSERT_HEAD(&entry->waiters, waiter, link);
        if (entry->phase == ENTRY_IDLE)
            request_start(entry, budget);
    } else {
        cache->figures.limited++;
        answer.result = CACHE_UNAVAILABLE;
        answer.detail = "too many requests for unknown names";
        entries_drop_if_new(entry);
        request_answer(cache, waiter, &answer);
    }
}

void cache_ask(struct cache *cache, const char *project, const char *environment,
               enum cache_need need, struct cache_waiter *waiter)
{
    waiter->entry = NULL;
    waiter->need = need;
    waiter->since = freshness_now().boot;
    internal_ask(internal_find(cache, project, environment), waiter, ENTRY_FREE, true);
}

void cache_forget(struct cache_waiter *waiter)
{
    if (waiter->entry != NULL)
        LIST_REMOVE(waiter, link);
    waiter->entry = NULL;
}

void cache_each_of(const struct cache *cache, const char *project,
                   bool (*each)(void *arg, const struct document *document), void *arg)
{
    const struct cache_entry *entry;
    unsigned left = CACHE_EACH_MAX;

    TAILQ_FOREACH_REVERSE(entry, &cache->entries.known.list, lru_list, link)
    {
        if (left-- == 0 || (strcmp(entry->project, project) == 0 && !each(arg, entry->document)))
            return;
    }
}

/* ---- The change feed ---- */

/* Environment "" stands for the whole project, because no environment has that name. */
static size_t mark_of(const struct cache *cache, const char *project, const char *environment)
{
    return table_hash_pair(&cache->entries.table, project, environment) % MARKS;
}

void cache_named(struct cache *cache, const char *project, const char *environment)
{
    size_t mark = mark_of(cache, project, environment == NULL ? "" : environment);

    cache->marks.mark[mark] = freshness_now().boot;
}

void cache_all_named(struct cache *cache)
{
    cache->marks.all = freshness_now().boot;
}

int64_t cache_named_at(const struct cache *cache, const char *project, const char *environment)
{
    int64_t own = cache->marks.mark[mark_of(cache, project, environment)],
            all = cache->marks.mark[mark_of(cache, project, "")];

    return own > all ? own : all;
}

int64_t cache_last_named_at(const struct cache *cache, const char *project, const char *environment)
{
    int64_t named = cache_named_at(cache, project, environment);

    return named > 0 && named > cache->marks.all ? named : cache->marks.all;
}

/* ---- The subscriber ---- */

static void tell_known(struct cache *cache)
{
    struct cache_entry *entry;

    TAILQ_FOREACH(entry, &cache->entries.known.list, link) {
        const struct cache_news news = {
            .project = entry->project,
            .environment = entry->environment,
            .document = entry->document,
            .asked_wall = entry->asked_wall,
            .until = freshness_usable_until(cache, entry->document, entry->asked_wall)};
        entry->told = entry->asked_wall;
        entry->taken = cache->told(cache->told_arg, &news);
    }
}

struct policy_visit cache_visit(const struct cache *cache, const char *from)
{
    int64_t wall = (int64_t)time(NULL), boot = cloud_clock_ms() / 1000;
    int64_t by_api = api_ahead(cache->setup.api), ahead;

    store_watch_clock(cache->setup.store);
    ahead = store_ahead(cache->setup.store);
    if (by_api < ahead)
        ahead = by_api;
    return (struct policy_visit){wall - boot > ahead ? wall : boot + ahead, wall, from, NULL};
}

void cache_subscribe(struct cache *cache, cache_told *told, void *arg)
{
    cache->told = told;
    cache->told_arg = arg;
    tell_known(cache);
}

void cache_denials_changed(struct cache *cache)
{
    if (cache->told == NULL)
        return;
    tell_known(cache);
    cache_survey(cache, cache->survey.done, cache->survey.arg);
}

/* ---- Store and settings ---- */

bool cache_confirm_absent(struct cache *cache, const char *project, const char *environment)
{
    struct cache_entry *entry = internal_find(cache, project, environment);
    bool is_withheld = entry->absence != ENTRY_BELIEVED;

    if (is_withheld)
        entries_set_absence(entry, ENTRY_CONFIRMED);
    entries_drop_if_new(entry);
    return is_withheld;
}

/* Forgets all entries of a list. A forgotten entry is added to the list of unknown entries, which
 * may be the same list; so the loop handles only as many entries as the list had at first. */
static void forget_all(struct lru *lru, bool keeps_issued)
{
    struct cache_entry *entry, *next;
    size_t n = lru->used;
    int64_t issued;

    for (entry = TAILQ_FIRST(&lru->list); n > 0 && entry != NULL; entry = next, n--) {
        next = TAILQ_NEXT(entry, link);
        entries_step(entry, ENTRY_ORPHAN);
        issued = entry->issued;
        entries_forget(entry);
        /* A reload must not bring back an older document, signed by a key that is still used. */
        if (keeps_issued)
            entry->issued = issued;
        /* The disk may have a document of the new API, or one that a new key has signed. After a
         * failed write it may have an older one than was used, which is not read. */
        if (entry->stored != ENTRY_STORE_FAILED)
            entry->loaded = false;
    }
}

static void end_back_off(struct lru *lru)
{
    struct cache_entry *entry;

    TAILQ_FOREACH(entry, &lru->list, link) {
        entry->failures = 0;
        entry->retry = entry->load_retry = 0;
    }
}

/* Has the next confirmation of each document stored, however late the last one was. */
static void store_anew(struct lru *lru)
{
    struct cache_entry *entry;

    TAILQ_FOREACH(entry, &lru->list, link) {
        entry->kept = entry->asked - INT64_C(1000) * CACHE_LAG;
    }
}

static bool have_common(const struct signers *a, const struct signers *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++)
            if (memcmp(a->key[i], b->key[k], sizeof a->key[i]) == 0)
                return true;
    return false;
}

void cache_configure(struct cache *cache, enum cache_change change)
{
    struct signers before = cache->signers;
    bool keeps_issued;

    envelope_parse_signers(cache->setup.conf->signing_key, &cache->signers);
    /* Another API with other keys is another platform. */
    keeps_issued = change == CACHE_OTHER_SIGNERS || have_common(&before, &cache->signers);
    /* The back-off ends, because the operator may just have repaired what failed. */
    end_back_off(&cache->entries.known);
    end_back_off(&cache->entries.unknown);
    if (change == CACHE_OTHER_HOST)
        store_anew(&cache->entries.known);
    if (change == CACHE_SAME || change == CACHE_OTHER_HOST)
        return;
    /* The unknown entries come first, because the known ones join their list when they are
     * forgotten. */
    forget_all(&cache->entries.unknown, keeps_issued);
    forget_all(&cache->entries.known, keeps_issued);
}

/* ---- What operators see ---- */

void cache_look(const struct cache *cache, struct cache_figures *out)
{
    *out = cache->figures;
    out->bytes = cache->entries.bytes;
    out->guarded = cache->entries.withheld > 0;
}

/* cache_view.failing */
static bool is_of_note(const struct cache_entry *entry)
{
    const struct cache *cache = entry->cache;

    return entries_is_failing(entry) &&
           (entry->document != NULL || entry->refused || entry->sent > cache->answered ||
            admission_is_bound(cache->setup.admission, entry->project, entry->environment));
}

struct walk {
    cache_see *see;
    void *arg;
};

static bool view_entry(void *arg, struct table_node *node)
{
    const struct walk *walk = arg;
    const struct cache_entry *entry = TABLE_OWNER(node, struct cache_entry, node);
    struct freshness_now now = freshness_now();
    struct cache_answer answer = request_known(entry, CACHE_KEYS, now);
    struct cache_view view = {.project = entry->project,
                              .environment = entry->environment,
                              .document = entry->document,
                              .usable = answer.result == CACHE_DOCUMENT,
                              .taken = entry->taken,
                              .absent = entry->state == ENTRY_ABSENT,
                              .withheld = entry->absence == ENTRY_WITHHELD,
                              .failing = is_of_note(entry),
                              .age = answer.age,
                              .detail = entries_is_failing(entry) ? entry->detail : ""};

    view.fresh =
        view.usable && !view.failing &&
        freshness_is_within(entry, now, (int64_t)1000 * entry->cache->setup.conf->account_fresh);
    return walk->see(walk->arg, &view);
}

size_t cache_walk(struct cache *cache, size_t from, cache_see *see, void *arg)
{
    struct walk walk = {see, arg};

    return table_walk(&cache->entries.table, from, view_entry, &walk);
}

bool cache_has(const struct cache *cache, const char *project, const char *environment)
{
    return entries_find(&cache->entries, project, environment) != NULL;
}
