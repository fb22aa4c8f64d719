/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/cache/take.h"

#include "base/digest.h"
#include "base/log.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void fail(struct cache_entry *entry, const char *detail)
{
    snprintf(entry->detail, sizeof entry->detail, "%s", detail);
    entries_apply(entry, ENTRY_FAILURE, NULL);
}

/* ---- Documents ---- */

/* Returns issued_at as cache_entry.issued has it; 0 if the document has none. */
static int64_t issued_of(const struct document *document)
{
    return document->issued_at == DOCUMENT_NO_TIME
               ? 0
               : document->issued_at * 1000000 + document->issued_micros;
}

/* Whether issued_at of a signed document is acceptable; if not, *problem says why. True if
 * documents are not signed. A stored document may be from the future, since the clock may have been
 * put back: until it is right the document names its account and lets no person in
 * (freshness_fault). */
static bool check_issued(const struct cache_entry *entry, const struct document *document,
                         bool is_stored, struct document_problem *problem)
{
    const char *wrong;

    if (entry->cache->signers.n == 0)
        return true;
    wrong = envelope_time_fault(document->issued_at,
                                is_stored ? INT64_MAX - ENVELOPE_FUTURE : (int64_t)time(NULL));
    if (wrong == NULL && issued_of(document) < entry->issued)
        wrong = "issued_at: older than that of the last accepted document";
    if (wrong != NULL)
        snprintf(problem->text, sizeof problem->text, "%s", wrong);
    return wrong == NULL;
}

void take_prepare(struct reading *reading, const struct cache_entry *entry,
                  const struct api_result *result)
{
    /* Without a binding even an unchanged body is parsed: its ids must be judged and bound anew. */
    bool is_bound =
        admission_is_bound(entry->cache->setup.admission, entry->project, entry->environment);

    *reading = (struct reading){.result = result,
                                .project = entry->project,
                                .environment = entry->environment,
                                .signers = entry->cache->signers,
                                .has_known = entry->document != NULL && is_bound};
    memcpy(reading->known, entry->hash, sizeof reading->known);
}

void take_read(struct reading *reading)
{
    const char *body = reading->result->body;
    size_t length = reading->result->length;
    char *payload = NULL;

    if (reading->result->verdict != API_DOCUMENT)
        return;
    if (!digest_sha256(body, length, reading->hash))
        /* No body has a hash of zeros, so the same body is parsed again next time. */
        memset(reading->hash, 0, sizeof reading->hash);
    else if (reading->has_known && memcmp(reading->hash, reading->known, DIGEST_SIZE) == 0)
        reading->is_known = true;
    if (reading->is_known)
        return;
    errno = 0;
    if (reading->signers.n > 0 && reading->ids_only)
        body = payload = envelope_reopen(body, length, &length, &reading->problem);
    else if (reading->signers.n > 0)
        body = payload = envelope_open(body, length, &reading->signers, &length, &reading->problem);
    if (body != NULL)
        reading->document =
            document_parse(body, length, reading->project, reading->environment, &reading->problem);
    reading->no_memory = reading->document == NULL && errno == ENOMEM;
    free(payload);
}

/* Reports a change to the subscriber. A confirmation is reported only if the last report is at
 * least account_fresh / 4 seconds old, or is in the future because the wall clock was put back. */
static void tell(struct cache_entry *entry, const struct document *document, int64_t asked_wall)
{
    const struct cache *cache = entry->cache;
    struct cache_news news = {.project = entry->project,
                              .environment = entry->environment,
                              .document = document,
                              .asked_wall = asked_wall};

    if (cache->told == NULL ||
        (document != NULL && document == entry->document && asked_wall >= entry->told &&
         asked_wall - entry->told < cache->setup.conf->account_fresh / 4))
        return;
    if (document != NULL)
        news.until = freshness_usable_until(cache, document, asked_wall);
    entry->told = asked_wall;
    entry->taken = cache->told(cache->told_arg, &news);
}

/* Estimates the number of environments with a document: the smaller of the number of files, of
 * which some may be another host's or tombstones, and the number of bound environments. */
static size_t known(const struct cache *cache)
{
    struct store_figures figures;
    size_t bound = admission_count(cache->setup.admission);

    store_look(cache->setup.store, &figures);
    return figures.documents < bound ? (size_t)figures.documents : bound;
}

/* Whether the disk probably has a document of the environment that could not be read or is not
 * used: if access_url is wrong, for instance, all of them are of another API. Where documents are
 * signed, such a file may as well be a tombstone, and only a signed one makes an environment
 * absent: there, files that can be read and are not used do not count. */
static bool may_be_stored(const struct cache_entry *entry)
{
    bool unread = !entry->loaded && entry->load_failures > 0;

    return (entry->cache->signers.n > 0 ? unread : entry->asked == 0) &&
           entry->stored != ENTRY_NOT_STORED &&
           admission_is_bound(entry->cache->setup.admission, entry->project, entry->environment);
}

/* is_stored: a tombstone from the store says so, which was believed before. */
static void take_absence(struct cache_entry *entry, bool is_stored)
{
    struct cache *cache = entry->cache;

    if (!is_stored && (entry->document != NULL || may_be_stored(entry)) &&
        entry->absence != ENTRY_CONFIRMED &&
        (cache->entries.withheld > 0 ||
         !limits_believe_absence(&cache->guard, known(cache), &entry->counted,
                                 freshness_now().boot))) {
        if (cache->entries.withheld == 0)
            log_error("more than %d and more than %d %% of the known environments turned "
                      "absent within 10 minutes: taken for an outage until confirmed by "
                      "cloudauthctl confirm-absences",
                      GUARD_COUNT, GUARD_PERCENT);
        entries_set_absence(entry, ENTRY_WITHHELD);
        fail(entry, "absent, but so many environments are that it is taken for an outage");
        return;
    }
    tell(entry, NULL, entry->sent_wall);
    memset(&entry->validator, 0, sizeof entry->validator);
    entries_apply(entry, ENTRY_ABSENCE, NULL);
}

/* Returns when the document was signed, converted to cloud_clock_ms(). If the known document has
 * the same issued_at, the earlier result counts: after the wall clock was put back, the same
 * issued_at seems to be more recent. */
static int64_t signed_at(const struct cache_entry *entry, const struct document *document)
{
    struct freshness_now now = freshness_now();
    int64_t at = now.boot - 1000 * (now.wall - document->issued_at);

    if (entry->document != NULL && entry->document->issued_at == document->issued_at &&
        entry->signed_at < at)
        return entry->signed_at;
    return at;
}

/* Gives the document to the entry. is_stored: its warnings are not logged again. */
static void use_document(struct cache_entry *entry, const struct reading *reading,
                         int64_t asked_wall, bool is_stored)
{
    struct document *document = reading->document;

    for (size_t i = 0; i < document->warnings && !is_stored; i++)
        log_warning("document %s/%s: %s", entry->project, entry->environment, document->warning[i]);
    document->denials = entry->cache->setup.denials;
    tell(entry, document, asked_wall);
    if (entry->cache->signers.n > 0)
        entry->signed_at = signed_at(entry, document);
    entries_apply(entry, ENTRY_DOCUMENT, document);
    entry->validator = reading->result->validator;
    memcpy(entry->hash, reading->hash, sizeof entry->hash);
}

/* From now on no document is accepted that is older than this stored one, even if this host does
 * not use it. */
static void note_issued(struct cache_entry *entry, const struct document *document)
{
    if (entry->cache->signers.n > 0 && issued_of(document) > entry->issued)
        entry->issued = issued_of(document);
}

/* Whether a tombstone from the API is too old to be believed while the stored document cannot be
 * read. That document may be newer, so a tombstone has the same bound as a document. */
static bool is_old_tombstone(const struct cache_entry *entry, const struct document *document,
                             bool is_stored)
{
    return entry->cache->signers.n > 0 && !is_stored && !entry->loaded &&
           !entry->entries->overflowed && entry->absence != ENTRY_CONFIRMED &&
           (int64_t)time(NULL) - document->issued_at >= freshness_bound(entry->cache, document);
}

/* Judges the document that was read and applies it to the entry. is_stored: it is from the store,
 * so it was accepted before. */
static void take_document(struct cache_entry *entry, struct reading *reading, int64_t asked_wall,
                          bool is_stored)
{
    struct cache *cache = entry->cache;
    bool is_signed = cache->signers.n > 0;
    struct document *document = reading->document;
    struct document_problem *problem = &reading->problem;
    char detail[sizeof entry->detail];
    int64_t issued;

    if (document != NULL && is_stored)
        note_issued(entry, document);
    if (document != NULL && !check_issued(entry, document, is_stored, problem)) {
        document_free(document);
        document = NULL;
    }
    if (document != NULL && document->status != DOCUMENT_DELETED && !is_stored &&
        admission_is_released_since(cache->setup.admission, entry->project, entry->environment,
                                    entry->sent)) {
        snprintf(problem->text, sizeof problem->text, "requested before its ids were released");
        document_free(document);
        document = NULL;
    }
    /* The API has the environment again, even if this host refuses its document. */
    if (document != NULL && document->status != DOCUMENT_DELETED)
        entries_set_absence(entry, ENTRY_BELIEVED);
    if (document != NULL && document->status != DOCUMENT_DELETED &&
        !admission_accept(cache->setup.admission, document, is_stored, problem->text,
                          sizeof problem->text)) {
        document_free(document);
        document = NULL;
    }
    if (document == NULL) {
        snprintf(detail, sizeof detail, "invalid document: %.230s", problem->text);
        fail(entry, detail);
        return;
    }
    issued = issued_of(document);
    if (document->status == DOCUMENT_DELETED && is_old_tombstone(entry, document, is_stored)) {
        document_free(document);
        fail(entry, "the tombstone is too old, and the stored document cannot be read");
    } else if (document->status == DOCUMENT_DELETED) {
        document_free(document);
        take_absence(entry, is_stored);
    } else {
        use_document(entry, reading, asked_wall, is_stored);
    }
    /* A tombstone that is withheld makes no document older than the last accepted one. */
    if (is_signed && !entries_is_failing(entry))
        entry->issued = issued;
}

/* ---- Answers ---- */

/* Sets the time from which a lookup also starts a revalidation of the document that answers it: 80
 * to 95 % of account_fresh after the document was last requested, chosen at random so that
 * documents are not all requested at once. */
static void set_refresh(struct cache_entry *entry)
{
    int64_t fresh = (int64_t)1000 * entry->cache->setup.conf->account_fresh;

    entry->refresh = entry->asked + fresh * (80 + arc4random_uniform(16)) / 100;
}

static void apply_verdict(struct cache_entry *entry, struct reading *reading,
                          enum api_verdict verdict)
{
    switch (verdict) {
    case API_DOCUMENT:
        take_document(entry, reading, entry->sent_wall, false);
        break;
    case API_UNCHANGED:
        if (entry->document == NULL)
            fail(entry, "the API answered 304 to a request without a validator");
        else
            entries_apply(entry, ENTRY_CONFIRM, NULL);
        break;
    case API_ABSENT:
        /* Where documents are signed, only a signed tombstone makes an environment absent: the 404
         * may be from a cache or proxy on the way. */
        if (entry->cache->signers.n > 0)
            fail(entry, "absent without a signed tombstone");
        else
            take_absence(entry, false);
        break;
    case API_OUTAGE:
        fail(entry, reading->result->detail);
        break;
    }
}

/* Turns the answer into a failure if the document's signature is too old, although the API has
 * confirmed the document. */
static void refuse_outdated(struct cache_entry *entry)
{
    const char *why = NULL;

    if (entry->state == ENTRY_CURRENT)
        why = freshness_signature_fault(entry, freshness_now());
    if (why != NULL)
        fail(entry, why);
}

/* Counts a failure, sets the back-off, and logs the reason if it has changed. `before` is the
 * reason of the previous failure, or "". */
static void count_failure(struct cache_entry *entry, const char *before, uint32_t retry_after)
{
    entry->retry = freshness_now().boot + limits_back_off(entry->failures, retry_after);
    entry->cache->some_fail = true;
    if (strcmp(before, entry->detail) != 0)
        log_warning("project API, %s/%s: %s", entry->project, entry->environment, entry->detail);
    if (entry->failures < LIMITS_FAILURES_MAX)
        entry->failures++;
}

enum api_verdict take_result(struct cache_entry *entry, struct reading *reading)
{
    /* A server without validators sends the same body again, which means the same as a 304. */
    enum api_verdict verdict = reading->is_known ? API_UNCHANGED : reading->result->verdict;
    bool was_failing = entries_is_failing(entry), is_applied;
    char before[sizeof entry->detail] = "";

    if (was_failing)
        memcpy(before, entry->detail, sizeof before);
    if (reading->is_known)
        entry->validator = reading->result->validator;
    if (verdict != API_OUTAGE && entry->sent > entry->cache->answered)
        entry->cache->answered = entry->sent;
    apply_verdict(entry, reading, verdict);
    is_applied = verdict == API_DOCUMENT && !entries_is_failing(entry);
    refuse_outdated(entry);
    entry->refused = verdict == API_DOCUMENT && entries_is_failing(entry);
    if (entries_is_failing(entry)) {
        count_failure(entry, before, reading->result->retry_after);
        return is_applied ? API_DOCUMENT : API_OUTAGE;
    }
    if (was_failing)
        log_info("project API, %s/%s: %s", entry->project, entry->environment,
                 entry->state == ENTRY_ABSENT ? "answers again: absent" : "well again");
    entry->failures = 0;
    /* The age of the document counts from the request, because the answer may have taken a long
     * time. */
    entry->asked = entry->sent;
    entry->asked_wall = entry->sent_wall;
    if (verdict == API_UNCHANGED)
        tell(entry, entry->document, entry->asked_wall);
    set_refresh(entry);
    return verdict;
}

void take_unusable(struct cache_entry *entry, const struct document *document)
{
    if (document != NULL)
        note_issued(entry, document);
    if (entry->document == NULL) /* else the API has sent a document since, which stays in use */
        tell(entry, NULL, entry->asked_wall);
}

void take_stored(struct cache_entry *entry, struct reading *reading,
                 const struct stored_document *from)
{
    int64_t issued;

    entry->asked_wall = from->asked_wall;
    take_document(entry, reading, from->asked_wall, true);
    if (entries_is_failing(entry)) {
        log_warning("store: document %s/%s: %s", entry->project, entry->environment, entry->detail);
        if (entry->document != NULL)
            return; /* as in take_unusable */
        issued = entry->issued;
        entries_forget(entry);
        entry->issued = issued;
        take_unusable(entry, NULL);
        return;
    }
    entry->asked = entry->kept = from->asked;
    set_refresh(entry);
}
