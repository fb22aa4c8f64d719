/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/metrics.h"

#include "base/log.h"
#include "cloudauthd/accounts/publish.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/api/feed.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/metrics/health.h"
#include "cloudauthd/session/sessions.h"
#include "cloudauthd/state/denials_file.h"
#include "cloudauthd/state/store.h"
#include "common/clock.h"
#include "common/text.h"

#include <stdio.h>
#include <time.h>

_Static_assert(METRICS_TEXT_MAX <= CLOUD_WIRE_STRING_MAX, "the text is one string of a packet");

/* Prometheus' text exposition format, version 0.0.4: families with HELP and TYPE, and their
 * samples. Help and labels are constants in the source and contain no byte that needs an escape.
 * Text that does not fit sets text->cut (common/text.h). */

/* A label of a sample. A list of labels ends with one whose name is NULL. */
struct label {
    const char *name, *value;
};

/* Begins a family. type is "counter", "gauge" or "histogram". */
static void family(struct cloud_text *text, const char *name, const char *type, const char *help)
{
    cloud_text_add_all(text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
}

/* Adds a sample without its value: the name of the family with a suffix ("", "_sum", ...), and the
 * labels, where NULL means none. */
static void add_name(struct cloud_text *text, const char *name, const char *suffix,
                     const struct label *labels)
{
    const char *before = "{";

    cloud_text_add_all(text, name, suffix);
    for (; labels != NULL && labels->name != NULL; labels++) {
        cloud_text_add_all(text, before, labels->name, "=\"", labels->value, "\"");
        before = ",";
    }
    cloud_text_add(text, before[0] == ',' ? "} " : " ");
}

static void sample(struct cloud_text *text, const char *name, const char *suffix,
                   const struct label *labels, int64_t value)
{
    add_name(text, name, suffix, labels);
    cloud_text_add_all(text, CLOUD_DIGITS(value), "\n");
}

/* Adds a sample whose value is given in milliseconds and printed in seconds: 1234 as 1.234. */
static void seconds(struct cloud_text *text, const char *name, const char *suffix,
                    uint64_t milliseconds)
{
    char digits[48];

    snprintf(digits, sizeof digits, "%llu.%03u\n", (unsigned long long)(milliseconds / 1000),
             (unsigned)(milliseconds % 1000));
    add_name(text, name, suffix, NULL);
    cloud_text_add(text, digits);
}

#define LABELS(...)                                                                                \
    (const struct label[])                                                                         \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

/* Adds a family with one sample, which has no label. */
static void one(struct cloud_text *text, const char *name, const char *type, const char *help,
                int64_t value)
{
    family(text, name, type, help);
    sample(text, name, "", NULL, value);
}

static void counter(struct cloud_text *text, const char *name, const char *help, uint64_t value)
{
    one(text, name, "counter", help, (int64_t)value);
}

static void gauge(struct cloud_text *text, const char *name, const char *help, int64_t value)
{
    one(text, name, "gauge", help, value);
}

/* Adds a sample with one label. */
static void by(struct cloud_text *text, const char *name, const char *label, const char *value,
               int64_t number)
{
    sample(text, name, "", LABELS({label, value}), number);
}

static void write_decisions(struct cloud_text *text)
{
    static const char name[] = "cloudauth_decisions_total";
    static const char *const stages[AUDIT_STAGES] = {"offer", "login", "service", "session"};
    static const char *const kinds[2] = {"shell", "sftp"};

    family(text, name, "counter",
           "Decisions, with the reason in their audit line. Stage offer: keys that open "
           "nothing, each time that they are offered.");
    for (int stage = 0; stage < AUDIT_STAGES; stage++)
        for (int kind = 0; kind < 2; kind++)
            for (int reason = 0; reason < POLICY_REASONS; reason++)
                if (stage != AUDIT_OFFER || reason != POLICY_GRANTED)
                    sample(text, name, "",
                           LABELS({"stage", stages[stage]}, {"kind", kinds[kind]},
                                  {"reason", policy_token((enum policy_reason)reason)}),
                           (int64_t)audit_look()->decisions[stage][kind][reason]);
}

static void write_requests(struct cloud_text *text, const struct context *context)
{
    static const char name[] = "cloudauth_api_requests_total";
    static const char times[] = "cloudauth_api_request_duration_seconds";
    static const char *const outcomes[API_OUTCOMES] = {
        "other",  "document", "unchanged", "absent",     "refused",   "throttled",
        "status", "timeout",  "tls",       "connection", "credential"};
    struct api_view api;
    uint64_t sum = 0;
    char bound[16];

    api_look(context->api, &api);
    family(text, name, "counter", "HTTP requests to the project API, by how they ended.");
    for (int i = 0; i < API_OUTCOMES; i++)
        by(text, name, "outcome", outcomes[i], (int64_t)api.requests[i]);
    family(text, times, "histogram", "Duration of the HTTP requests that were sent.");
    for (int i = 0; i < API_BUCKETS; i++) {
        sum += api.bucket[i];
        snprintf(bound, sizeof bound, "+Inf");
        if (i < API_BUCKETS - 1)
            snprintf(bound, sizeof bound, "%g", api_bounds[i] / 1000.0);
        sample(text, times, "_bucket", LABELS({"le", bound}), (int64_t)sum);
    }
    seconds(text, times, "_sum", api.milliseconds);
    sample(text, times, "_count", NULL, (int64_t)sum);
    counter(text, "cloudauth_token_exchanges_total", "Requests to the token endpoint.",
            api.token.exchanges);
    counter(text, "cloudauth_token_failures_total",
            "Failures to obtain an access token: failed exchanges, and files that cannot be read.",
            api.token.failures);
}

static void write_feed(struct cloud_text *text, const struct context *context)
{
    static const char name[] = "cloudauth_feed_answers_total";
    struct feed_view feed;

    feed_look(context->feed, &feed);
    if (feed.used)
        gauge(text, "cloudauth_feed_live",
              "1: the change feed is live; 0: documents are asked for as without it.", feed.live);
    family(text, name, "counter",
           "Answers of the change feed: with names, or one that names all environments, "
           "without any, and failures.");
    by(text, name, "outcome", "names", (int64_t)(feed.answers - feed.alls));
    by(text, name, "outcome", "all", (int64_t)feed.alls);
    by(text, name, "outcome", "unchanged", (int64_t)feed.unchanged);
    by(text, name, "outcome", "failed", (int64_t)feed.failures);
    counter(text, "cloudauth_feed_names_total",
            "Environments and projects that the change feed has named.", feed.names);
    gauge(text, "cloudauth_feed_waiting",
          "Environments that the feed has named and that wait to be fetched in the background.",
          (int64_t)feed.waiting);
}

static void write_documents(struct cloud_text *text, const struct health_documents *documents)
{
    static const char name[] = "cloudauth_documents";

    family(text, name, "gauge",
           "Environments in memory: with a fresh document, with an older one, absent by "
           "the API's answer, or unknown since the API did not answer.");
    by(text, name, "state", "fresh", (int64_t)documents->fresh);
    by(text, name, "state", "aged", (int64_t)(documents->known - documents->fresh));
    by(text, name, "state", "absent", (int64_t)documents->absent);
    by(text, name, "state", "unknown", (int64_t)documents->unknown);
    gauge(text, "cloudauth_documents_failing", "Environments whose last request failed.",
          (int64_t)documents->failing);
    gauge(text, "cloudauth_documents_unusable",
          "Environments that cannot be entered: their document is older than its bound.",
          (int64_t)documents->unusable);
    if (documents->aged > 0) {
        gauge(text, "cloudauth_document_age_oldest_seconds",
              "Age of the document that was confirmed longest ago.", documents->oldest);
        gauge(text, "cloudauth_document_age_freshest_seconds",
              "Age of the document that was confirmed last.", documents->freshest);
    }
}

static void write_questions(struct cloud_text *text, const struct context *context)
{
    struct cache_figures cache;
    struct server_view server;

    cache_look(context->cache, &cache);
    server_look(context->server, &server);
    gauge(text, "cloudauth_document_bytes", "Bytes of memory of all documents.",
          (int64_t)cache.bytes);
    gauge(text, "cloudauth_absences_believed",
          "0: too many environments turned absent at once, which is taken for an outage.",
          !cache.guarded);
    counter(text, "cloudauth_cache_hits_total", "Questions answered without waiting for the API.",
            cache.hits);
    counter(text, "cloudauth_cache_misses_total", "Questions that waited for the API.",
            cache.misses);
    counter(text, "cloudauth_cache_limited_total",
            "Questions about unknown names that the rate limit refused.", cache.limited);
    counter(text, "cloudauth_cache_stale_answers_total",
            "Answers from the last good document, in an outage.", cache.stale);
    counter(text, "cloudauth_cache_unavailable_answers_total",
            "Answers without a document to decide by.", cache.unavailable);
    counter(text, "cloudauth_questions_total",
            "Questions of the NSS module, the helper, PAM and cloudauthctl.", server.questions);
    counter(text, "cloudauth_questions_refused_total",
            "Questions that the asking user may not ask.", server.refused);
}

static void write_sessions(struct cloud_text *text, const struct context *context)
{
    static const char ended[] = "cloudauth_sessions_ended_total";
    struct sessions_view view;

    sessions_look(context->sessions, &view);
    gauge(text, "cloudauth_sessions_open", "Open SSH sessions.", (int64_t)view.open);
    counter(text, "cloudauth_sessions_opened_total", "SSH sessions opened.", view.opened);
    family(text, ended, "counter",
           "SSH sessions that are over: closed by sshd, gone without notice, ended by "
           "cloudauthd.");
    by(text, ended, "how", "closed", (int64_t)view.closed);
    by(text, ended, "how", "gone", (int64_t)view.gone);
    by(text, ended, "how", "ended", (int64_t)view.ended);
}

static void write_snapshot(struct cloud_text *text, const struct publish_view *view)
{
    static const char total[] = "cloudauth_snapshot_build_seconds_total";
    static const char last[] = "cloudauth_snapshot_last_build_seconds";

    gauge(text, "cloudauth_snapshot_live",
          "1: processes use accounts.snapshot; 0: each lookup asks cloudauthd.", view->live);
    gauge(text, "cloudauth_snapshot_accounts", "Accounts in accounts.snapshot.",
          (int64_t)view->accounts);
    gauge(text, "cloudauth_snapshot_bytes", "Bytes of accounts.snapshot.", (int64_t)view->bytes);
    if (view->there)
        gauge(text, "cloudauth_snapshot_created_timestamp_seconds",
              "When accounts.snapshot was written.", view->created);
    counter(text, "cloudauth_snapshot_builds_total", "Attempts to write accounts.snapshot.",
            view->builds);
    counter(text, "cloudauth_snapshot_build_failures_total",
            "Attempts to write accounts.snapshot that failed.", view->builds_failed);
    family(text, total, "counter", "Time that writing accounts.snapshot took, in total.");
    seconds(text, total, "", view->build_ms);
    family(text, last, "gauge", "Time that writing the last accounts.snapshot took.");
    seconds(text, last, "", view->last_build_ms);
}

static void write_store(struct cloud_text *text, const struct context *context,
                        const struct publish_view *view)
{
    static const char queue[] = "cloudauth_worker_queue";
    struct store_figures figures;
    struct health_disk disk;

    store_look(context->store, &figures);
    health_disk(context, &disk);

    gauge(text, "cloudauth_store_documents", "Documents on disk.", (int64_t)figures.documents);
    counter(text, "cloudauth_store_changes_total", "Files to be written or removed.",
            figures.writes);
    counter(text, "cloudauth_store_errors_total", "Files that could not be written or removed.",
            figures.errors);
    family(text, queue, "gauge", "Jobs that wait for a disk, or use it.");
    by(text, queue, "worker", "loader", (int64_t)disk.reads);
    by(text, queue, "worker", "store", (int64_t)disk.changes);
    by(text, queue, "worker", "snapshot", (int64_t)view->pending);
    gauge(text, "cloudauth_disk_wait_seconds",
          "For how long the oldest job of the loader or the store has waited for the disk.",
          disk.seconds);
}

static void write_credentials(struct cloud_text *text, const struct cloud_conf *conf,
                              const struct health_credentials *seen)
{
    static const char usable[] = "cloudauth_credential_usable";
    static const char end[] = "cloudauth_credential_expiry_timestamp_seconds";

    family(text, usable, "gauge",
           "Whether the file of a credential that is configured can be used.");
    for (int i = 0; i < CREDENTIALS; i++)
        if (seen->set[i])
            by(text, usable, "key", credential_file(conf, (enum credential_id)i).key,
               seen->usable[i]);
    family(text, end, "gauge",
           "When the client certificate, the first certificate of ca_file to do so, and "
           "the access token expire.");
    if (seen->client_cert != HEALTH_NO_TIME)
        by(text, end, "credential", "client_cert", seen->client_cert);
    if (seen->ca_file != HEALTH_NO_TIME)
        by(text, end, "credential", "ca_file", seen->ca_file);
    if (seen->token_end != HEALTH_NO_TIME)
        by(text, end, "credential", "access_token", seen->token_end);
}

static void write_denials(struct cloud_text *text, const struct context *context)
{
    static const char name[] = "cloudauth_denials";
    uint64_t kinds[DENIAL_KINDS];

    health_denials(context, kinds);
    family(text, name, "gauge", "Local denials that are in force.");
    for (int i = DENIAL_KEY; i < DENIAL_KINDS; i++)
        by(text, name, "kind", denials_kind((enum denial_kind)i), (int64_t)kinds[i]);
    gauge(text, "cloudauth_denials_damaged",
          "1: the list of denials is damaged, and every cloud account is refused.",
          denials_file_list(context->denials)->damaged);
}

static void write_program(struct cloud_text *text, const struct context *context, uint64_t scrapes)
{
    gauge(text, "cloudauth_helper_user",
          "0: there is no user cloudauth-keys, and no key is answered.",
          context->keys_uid != (uid_t)-1);
    counter(text, "cloudauth_log_lines_lost_total", "Log lines that the log daemon did not take.",
            log_lost());
    counter(text, "cloudauth_scrapes_total", "Times that the metrics were asked for.", scrapes);
    family(text, "cloudauth_build_info", "gauge", "1; the version is its label.");
    by(text, "cloudauth_build_info", "version", CLOUD_VERSION, 1);
    gauge(text, "cloudauth_start_time_seconds", "When the daemon was started.",
          (int64_t)time(NULL) - (cloud_clock_ms() - context->started) / 1000);
}

/* Counts an environment. Returns false, so that cache_walk goes on. */
static bool count_document(void *arg, const struct cache_view *view)
{
    health_count(arg, view);
    return false;
}

void metrics_answer(struct connection *connection)
{
    static char buffer[METRICS_TEXT_MAX];
    static uint64_t scrapes;
    const struct context *context = connection->context;
    struct cloud_answer answer = {.status = CLOUD_OK, .text = buffer};
    struct health_documents documents = {0};
    struct health_credentials credentials;
    struct publish_view view;
    struct cloud_text all, *text = &all;

    publish_look(context->publish, &view);
    cache_walk(context->cache, 0, count_document, &documents);
    health_credentials(context, &credentials);
    cloud_text_start(text, buffer, sizeof buffer);
    write_decisions(text);
    write_requests(text, context);
    write_feed(text, context);
    write_documents(text, &documents);
    write_questions(text, context);
    write_sessions(text, context);
    write_snapshot(text, &view);
    write_store(text, context, &view);
    write_credentials(text, &context->conf, &credentials);
    write_denials(text, context);
    write_program(text, context, ++scrapes);
    if (text->cut)
        answer = (struct cloud_answer){.status = CLOUD_UNAVAILABLE, .reason = "too-large"};
    server_answer(connection, &answer);
}
