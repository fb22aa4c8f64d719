/* SPDX-License-Identifier: Apache-2.0 */
#include "access/bindings.h"
#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/cache/internal.h"
#include "cloudauthd/cache/take.h"
#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* While fewer loads are in flight, those of bound environments need no permit. */
#define LOADS_MAX  1024
#define READS_TOLD 256 /* the start timeout is extended once for this many reads */
/* The most loads that a survey has in flight; few, because a login's load waits behind them. */
#define SURVEY_LOADS  4
#define LISTING_PAUSE 10000 /* milliseconds until a survey lists again after it has failed to */

/* ---- One document ---- */

/* A worker's job: reads the file of an entry. */
struct load {
    struct work work;
    struct cache_entry *entry;
    bool surveys; /* cache_survey has started the load */
    struct store_file file;
    struct api_result result; /* the body is in file.bytes */
    struct reading reading;
};

bool load_is_due(const struct cache_entry *entry)
{
    return !entry->loaded && !entry->entries->overflowed && cloud_clock_ms() >= entry->load_retry;
}

bool load_is_free(const struct cache_entry *entry)
{
    const struct cache *cache = entry->cache;

    return load_is_due(entry) && cache->loads < LOADS_MAX &&
           admission_is_bound(cache->setup.admission, entry->project, entry->environment);
}

static void run(struct work *work)
{
    struct load *load = (struct load *)(void *)work;
    const struct cache_entry *entry = load->entry;
    const struct stored_document *document = &load->file.file.document;

    store_read(entry->cache->setup.store, entry->project, entry->environment, &load->file);
    if (!load->file.is_whole)
        return;
    load->result.verdict = API_DOCUMENT;
    load->result.body = document->body;
    load->result.length = document->length;
    load->result.validator = document->validator;
    take_read(&load->reading);
}

/* Plans another load, because the disk, memory or a lack of descriptors has failed this one. Until
 * then questions go to the API. What the subscriber was told stays. */
static void fail(struct load *load)
{
    struct cache_entry *entry = load->entry;

    if (load->file.failed)
        (void)store_judge(entry->cache->setup.store, &load->file); /* logs why */
    else if (load->reading.no_memory)
        log_warning("store: document %s/%s cannot be read: out of memory", entry->project,
                    entry->environment);
    entry->load_retry = cloud_clock_ms() + limits_back_off(entry->load_failures, 0);
    if (entry->load_failures < LIMITS_FAILURES_MAX)
        entry->load_failures++;
}

/* Applies a file that was read without a failure to its entry. */
static void take(struct load *load)
{
    struct cache_entry *entry = load->entry;

    entry->loaded = true;
    entry->load_failures = 0;
    if (load->file.error == ENOENT)
        entry->stored = ENTRY_NOT_STORED;
    if (load->reading.is_known)
        return; /* the API has sent the same while the file could not be read */
    if (store_judge(entry->cache->setup.store, &load->file)) {
        take_stored(entry, &load->reading, &load->file.file.document);
        load->reading.document = NULL;
    } else if (load->file.error != ENOENT) {
        take_unusable(entry, load->reading.document);
    }
}

static void survey_on(struct cache *cache);

static void finish(struct work *work)
{
    struct load *load = (struct load *)(void *)work;
    struct cache_entry *entry = load->entry;
    struct cache *cache = entry->cache;
    bool surveys = load->surveys;
    /* Without the local accounts no document may be used: they are read again, as the file is. */
    bool failed = load->file.failed || load->reading.no_memory ||
                  (load->file.is_whole && !admission_refresh(cache->setup.admission));

    cache->loads--;
    if (entry->phase != ENTRY_ORPHANED && failed)
        fail(load);
    else if (entry->phase != ENTRY_ORPHANED)
        take(load);
    document_free(load->reading.document);
    free(load->file.bytes);
    free(load);
    request_resume(entry);
    cache->survey.missed |= failed;
    if (surveys) {
        cache->survey.loads--;
        survey_on(cache);
    }
    entries_evict(&cache->entries);
}

static void start(struct cache_entry *entry, bool surveys)
{
    struct cache *cache = entry->cache;
    struct load *load;

    if (!entries_step(entry, ENTRY_LOAD))
        return;
    load = xcalloc(1, sizeof *load);
    load->work = (struct work){.run = run, .finish = finish};
    load->entry = entry;
    load->surveys = surveys;
    take_prepare(&load->reading, entry, &load->result);
    cache->loads++;
    worker_add(cache->setup.loader, &load->work);
}

void load_start(struct cache_entry *entry)
{
    start(entry, false);
}

/* ---- All documents ---- */

static void drop_names(struct survey *survey)
{
    free(survey->names);
    survey->names = NULL;
    survey->left = 0;
}

struct listing {
    struct work work;
    struct cache *cache;
    bool surveys; /* the survey goes on when the list is there */
    char *names;
    size_t n;
};

static void run_listing(struct work *work)
{
    struct listing *listing = (struct listing *)(void *)work;

    listing->names = store_list(listing->cache->setup.store, &listing->n);
}

static void finish_listing(struct work *work)
{
    struct listing *listing = (struct listing *)(void *)work;
    struct survey *survey = &listing->cache->survey;

    survey->is_listing = false;
    survey->names = survey->at = listing->names;
    survey->left = listing->names == NULL ? 0 : listing->n;
    if (listing->surveys && (listing->names != NULL || survey->again))
        survey_on(listing->cache);
    else if (listing->surveys)
        survey->retry = cloud_clock_ms() + LISTING_PAUSE;
    free(listing);
}

static void list(struct cache *cache, struct worker *worker, bool surveys)
{
    struct listing *listing = xcalloc(1, sizeof *listing);

    cache->survey.again = false;
    cache->survey.retry = 0;
    cache->survey.is_listing = true;
    listing->work = (struct work){.run = run_listing, .finish = finish_listing};
    listing->cache = cache;
    listing->surveys = surveys;
    worker_add(worker, &listing->work);
}

/* Loads the next document of the survey, unless its entry has been loaded or is busy. */
static void survey_next(struct cache *cache)
{
    struct survey *survey = &cache->survey;
    const char *project = survey->at;
    char *environment = survey->at + strlen(project) + 1;
    struct cache_entry *entry = internal_find(cache, project, environment);

    survey->at = environment + strlen(environment) + 1;
    survey->left--;
    if (!load_is_due(entry) || entry->phase != ENTRY_IDLE) {
        survey->missed |= !entry->loaded && entry->phase == ENTRY_IDLE;
        entries_drop_if_new(entry);
        return;
    }
    entry->cold = entry->lru == NULL;
    entries_touch(entry);
    start(entry, true);
    survey->loads++;
}

static void survey_on(struct cache *cache)
{
    struct survey *survey = &cache->survey;

    while (survey->left > 0 && survey->loads < SURVEY_LOADS && !cache->stopping)
        survey_next(cache);
    if (survey->left > 0 || survey->loads > 0 || survey->is_listing)
        return;
    drop_names(survey);
    if (cache->stopping)
        return;
    if (survey->again)
        list(cache, cache->setup.loader, true);
    else if (survey->done != NULL && !survey->missed)
        survey->done(survey->arg);
}

void cache_survey(struct cache *cache, void (*done)(void *arg), void *arg)
{
    struct survey *survey = &cache->survey;

    survey->done = done;
    survey->arg = arg;
    survey->again = true;
    survey->left = 0;
    if (!survey->is_listing)
        survey_on(cache);
}

void load_probe(struct cache *cache)
{
    int64_t retry = cache->survey.retry;

    if (retry != 0 && cloud_clock_ms() >= retry && !cache->stopping)
        list(cache, cache->setup.loader, true);
}

/* ---- The start ---- */

/* The ids in the stored document of an environment without a binding. */
struct claim {
    struct binding ids;
    bool contradicted; /* another such document has one of them */
};

/* Reads the ids in a stored document. False if that fails, with the reason in the log, or if the
 * document is a tombstone, which has no ids. A damaged file is set aside. */
static bool read_claim(struct cache *cache, const char *project, const char *environment,
                       struct claim *out)
{
    struct store_file file;
    struct api_result result = {.verdict = API_DOCUMENT};
    struct reading reading = {.result = &result,
                              .project = project,
                              .environment = environment,
                              .signers = cache->signers,
                              .ids_only = true};
    bool ok = false;

    store_read(cache->setup.store, project, environment, &file);
    if (file.is_whole) {
        result.body = file.file.document.body;
        result.length = file.file.document.length;
        take_read(&reading);
    } else {
        (void)store_judge(cache->setup.store, &file);
    }
    if (reading.document != NULL) {
        ok = reading.document->status != DOCUMENT_DELETED;
        *out = (struct claim){
            .ids = {project, environment, reading.document->uid, reading.document->gid}};
    } else if (file.is_whole) {
        log_error("store: document %s/%s: its ids are not known: %s", project, environment,
                  reading.problem.text);
    }
    document_free(reading.document);
    free(file.bytes);
    return ok;
}

static int by_uid(const void *a, const void *b)
{
    uint32_t one = ((const struct claim *)a)->ids.uid, other = ((const struct claim *)b)->ids.uid;

    return one < other ? -1 : one > other;
}

static int by_gid(const void *a, const void *b)
{
    uint32_t one = ((const struct claim *)a)->ids.gid, other = ((const struct claim *)b)->ids.gid;

    return one < other ? -1 : one > other;
}

/* Marks the claims that have the same ids in that order as another one. */
static void contradict(struct claim *claims, size_t n, int (*order)(const void *, const void *))
{
    qsort(claims, n, sizeof *claims, order);
    for (size_t i = 1; i < n; i++)
        if (order(&claims[i - 1], &claims[i]) == 0)
            claims[i - 1].contradicted = claims[i].contradicted = true;
}

/* Binds the claims, which were all read before. Returns how many. */
static size_t bind_claims(const struct admission *admission, struct claim *claims, size_t n)
{
    size_t bound = 0;

    if (n == 0)
        return 0;
    contradict(claims, n, by_uid);
    contradict(claims, n, by_gid);
    for (size_t i = 0; i < n; i++)
        if (claims[i].contradicted)
            admission_doubt_stored(admission, &claims[i].ids);
        else
            bound += admission_bind_stored(admission, &claims[i].ids);
    return bound;
}

void cache_list_stored(struct cache *cache, struct worker *worker)
{
    list(cache, worker, false);
}

void cache_bind_stored(struct cache *cache, const struct notify *notify)
{
    struct survey *survey = &cache->survey;
    size_t reads = 0, bound, n = 0;
    const char *at = survey->names;
    struct claim *claims;

    if (at == NULL)
        fatal("the stored documents cannot be listed");
    store_count(cache->setup.store, survey->left);
    claims = xcalloc(survey->left + 1, sizeof *claims);
    for (size_t left = survey->left; left > 0; left--) {
        const char *project = at, *environment = project + strlen(project) + 1;
        at = environment + strlen(environment) + 1;
        if (!admission_lacks_ids(cache->setup.admission, project, environment))
            continue;
        if (reads++ % READS_TOLD == 0)
            notify_extend(notify);
        n += read_claim(cache, project, environment, &claims[n]);
    }
    bound = bind_claims(cache->setup.admission, claims, n);
    free(claims);
    if (bound > 0)
        log_warning("bindings were lost: %zu stored documents have bound their ids again", bound);
    drop_names(survey);
}
