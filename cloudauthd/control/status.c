/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"

#include "access/bindings.h"
#include "cloudauthd/accounts/publish.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/api/feed.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/control/rows.h"
#include "cloudauthd/metrics/health.h"
#include "cloudauthd/session/sessions.h"
#include "cloudauthd/state/denials_file.h"
#include "cloudauthd/state/store.h"
#include "common/clock.h"
#include "common/text.h"

#include <stdio.h>
#include <time.h>

/* Adds a row for a time in seconds since 1970, unless it is HEALTH_NO_TIME. */
static void time_row(const char *name, int64_t seconds)
{
    if (seconds != HEALTH_NO_TIME)
        rows_add_number(name, seconds);
}

int64_t status_until(const struct context *context, const struct document *document, uint32_t age)
{
    if (age == CACHE_AGE_UNKNOWN)
        return HEALTH_NO_TIME;
    return (int64_t)time(NULL) + document_bound(document, context->conf.max_stale) - age;
}

/* Counts of all documents, and of those that conflict with this host, for example because a local
 * user has the uid. */
struct documents {
    const struct context *context;
    struct health_documents seen;
    /* status_until of the documents that admit people although their last request has failed: the
     * first and the last of these times; HEALTH_NO_TIME: there is no such document. */
    int64_t first_until, last_until;
    int64_t conflicts;
    char first[512]; /* the first document that conflicts, and why; "": none does */
};

/* Whether the document conflicts with this host. If so, writes to `why` with what. */
static bool conflicts(const struct admission *admission, const struct cache_view *view,
                      char why[256])
{
    return view->document != NULL && !view->taken &&
           admission_judge(admission, view->document, NULL, why, 256) == POLICY_UNUSABLE;
}

/* Returns status_until of a document that admits people although its last request has failed;
 * HEALTH_NO_TIME for any other. */
static int64_t failing_until(const struct context *context, const struct cache_view *view)
{
    if (!view->failing || !view->usable)
        return HEALTH_NO_TIME;
    return status_until(context, view->document, view->age);
}

static bool count_document(void *arg, const struct cache_view *view)
{
    struct documents *all = arg;
    int64_t until = failing_until(all->context, view);
    char why[256];

    health_count(&all->seen, view);
    if (until != HEALTH_NO_TIME) {
        if (all->first_until == HEALTH_NO_TIME || until < all->first_until)
            all->first_until = until;
        if (until > all->last_until)
            all->last_until = until;
    }
    if (conflicts(all->context->admission, view, why) && all->conflicts++ == 0)
        snprintf(all->first, sizeof all->first, "%s/%s: %s", view->project, view->environment, why);
    return false;
}

static void status_of_documents(const struct context *context)
{
    struct documents all = {
        .context = context, .first_until = HEALTH_NO_TIME, .last_until = HEALTH_NO_TIME};
    struct store_figures store;
    struct cache_figures figures;
    struct health_disk disk;

    cache_walk(context->cache, 0, count_document, &all);
    cache_look(context->cache, &figures);
    store_look(context->store, &store);
    health_disk(context, &disk);
    rows_add_number("documents", (int64_t)store.documents);
    ROW("documents_files", store.failing ? "unwritable" : "written");
    rows_add_number("in_memory", (int64_t)all.seen.known);
    rows_add_number("fresh", (int64_t)all.seen.fresh);
    rows_add_number("failing", (int64_t)all.seen.failing);
    time_row("failing_until", all.first_until);
    time_row("failing_last_until", all.last_until);
    rows_add_number("unusable", (int64_t)all.seen.unusable);
    rows_add_number("absent", (int64_t)all.seen.absent);
    if (all.seen.aged > 0) {
        rows_add_number("oldest_age", all.seen.oldest);
        rows_add_number("freshest_age", all.seen.freshest);
    }
    rows_add_number("disk_waiting", (int64_t)(disk.reads + disk.changes));
    rows_add_number("disk_waiting_age", disk.seconds);
    rows_add_number("conflicts", all.conflicts);
    ROW("conflict", all.first);
    ROW("error", all.seen.error);
    rows_add_number("max_stale", context->conf.max_stale);
    ROW("absences", figures.guarded ? "not-believed" : "believed");
}

static void status_of_credentials(const struct context *context)
{
    struct health_credentials seen;

    health_credentials(context, &seen);
    ROW("credential_error", seen.why);
    time_row("client_cert_expires", seen.client_cert);
    time_row("ca_file_expires", seen.ca_file);
    if (!seen.by_token_url)
        return;
    ROW("token", seen.token ? "present" : "missing");
    time_row("token_expires", seen.token_end);
    ROW("token_error", seen.token_why);
}

static void status_of_feed(const struct context *context)
{
    int64_t now = cloud_clock_ms();
    struct feed_view seen;

    feed_look(context->feed, &seen);
    if (!seen.used)
        return;
    ROW("changes_url", context->conf.changes_url);
    ROW("feed", seen.live ? "live" : "not-live");
    rows_add_number("feed_since_age", (now - seen.since) / 1000);
    if (seen.answered > 0)
        rows_add_number("feed_answer_age", (now - seen.answered) / 1000);
    ROW("feed_error", seen.why);
}

static void status_of_snapshot(const struct context *context)
{
    struct publish_view seen;
    int64_t age;

    publish_look(context->publish, &seen);
    age = (int64_t)time(NULL) - seen.created;
    ROW("snapshot", seen.live ? "live" : seen.there ? "retired" : "missing");
    ROW("snapshot_file", seen.failed ? "unwritable" : "written");
    rows_add_number("snapshot_accounts", (int64_t)seen.accounts);
    if (seen.there)
        rows_add_number("snapshot_age", age < 0 ? 0 : age);
}

void status_answer(struct connection *connection)
{
    const struct context *context = connection->context;
    const struct denials *list = denials_file_list(context->denials);
    const struct policy_visit visit = cache_visit(context->cache, NULL);
    uint64_t denials[DENIAL_KINDS];
    struct sessions_view sessions;
    int64_t ahead = api_ahead(context->api);

    sessions_look(context->sessions, &sessions);
    rows_start();
    ROW("version", CLOUD_VERSION);
    rows_add_number("uptime", (cloud_clock_ms() - context->started) / 1000);
    ROW("settings_error", context->conf_error);
    ROW("host_id", context->conf.host_id);
    ROW("access_url", context->conf.access_url);
    status_of_feed(context);
    status_of_credentials(context);
    if (ahead != INT64_MAX)
        rows_add_number("clock_offset", visit.wall - cloud_clock_ms() / 1000 - ahead);
    else
        ROW("clock_offset", "");
    rows_add_number("clock_was_ahead", visit.now - visit.wall);
    status_of_documents(context);
    status_of_snapshot(context);
    rows_add_number("open_sessions", (int64_t)sessions.open);
    ROW("sessions_files", sessions.unwritable ? "unwritable" : "written");
    ROW("bindings_file", context->admission->bindings_damaged ? "damaged" : "whole");
    rows_add_number("denials", (int64_t)health_denials(context, denials));
    ROW("denials_file", list->damaged ? "damaged" : "whole");
    ROW("helper_user", context->keys_uid == (uid_t)-1 ? "missing" : "present");
    rows_send(connection, 0);
}

static const char *state_word(const struct cache_view *view)
{
    if (view->withheld)
        return "withheld";
    if (view->document == NULL)
        return view->absent ? "absent" : view->detail[0] != '\0' ? "unknown" : "asked";
    if (!view->usable)
        return "unusable";
    if (!view->taken)
        return "refused";
    return view->failing ? "failing" : view->fresh ? "fresh" : "aged";
}

static bool list_document(void *arg, const struct cache_view *view)
{
    const struct context *context = arg;
    char plain[CLOUD_NAME_MAX + 1] = "", why[256];
    int64_t until = failing_until(context, view);
    bool aged = view->document != NULL && view->age != CACHE_AGE_UNKNOWN;
    const char *detail = view->detail;

    cloud_name_plain(&context->conf.grammar, view->project, view->environment, plain);
    if (conflicts(context->admission, view, why))
        detail = why;
    ROW(view->project, view->environment, plain, state_word(view),
        aged ? CLOUD_DIGITS(view->age) : "", until == HEALTH_NO_TIME ? "" : CLOUD_DIGITS(until),
        view->document != NULL ? view->document->status_text : "", detail);
    return rows_full();
}

/* Adds a row for an environment that has bound ids and is not in memory. Only a question to the
 * cache would tell whether there is a document of it. */
static bool list_binding(void *arg, const struct binding *binding)
{
    const struct context *context = arg;
    char plain[CLOUD_NAME_MAX + 1] = "";

    if (cache_has(context->cache, binding->project, binding->environment))
        return rows_full();
    cloud_name_plain(&context->conf.grammar, binding->project, binding->environment, plain);
    ROW(binding->project, binding->environment, plain, "bound", "", "", "", "");
    return rows_full();
}

/* Pages from this number on list bindings; lower ones list buckets of the cache's hash table. */
#define BINDINGS (UINT32_C(1) << 31)

void status_answer_documents(struct connection *connection)
{
    const struct context *context = connection->context;
    size_t page = connection->question.page;

    rows_start();
    if (page < BINDINGS) {
        page = cache_walk(context->cache, page, list_document, connection->context);
        if (page == 0)
            page = BINDINGS;
    }
    if (page >= BINDINGS && !rows_full()) {
        page = bindings_walk(context->bindings, page - BINDINGS, list_binding, connection->context);
        if (page > 0)
            page += BINDINGS;
    }
    rows_send(connection, (uint32_t)page);
}
