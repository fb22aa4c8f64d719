/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/control/control.h"

#include "base/log.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/audit/ring.h"
#include "cloudauthd/metrics/health.h"
#include "cloudauthd/session/sessions.h"
#include "cloudauthd/state/denials_file.h"
#include "cloudauthd/state/store.h"

#include "access/bindings.h"
#include "access/local_ids.h"
#include "cloudauthd/accounts/publish.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/requests.h"
#include "common/clock.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROOM    (CLOUD_WIRE_ANSWER_MAX - 64) /* of a packet's text */
#define RESERVE 32768                        /* left for the rows of one bucket, or of one key */

/* The answer that is being made: one at a time, in the loop's one thread. */
static char room[ROOM];
static struct cloud_text text;

static void start_text(void)
{
    cloud_text_start(&text, room, sizeof room);
}

static void put_row(const char *const *field, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            cloud_text_add_char(&text, '\t');
        for (const char *at = field[i]; *at != '\0'; at++) {
            bool control = (unsigned char)*at < ' ' || *at == 0x7f;
            cloud_text_add_bytes(&text, control ? "?" : at, 1);
        }
    }
    cloud_text_add_char(&text, '\n');
}

/* A row of fields. */
#define ROW(...)                                                                                   \
    put_row((const char *const[]){__VA_ARGS__},                                                    \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void number_row(const char *name, int64_t number)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%lld", (long long)number);
    ROW(name, digits);
}

static bool text_full(void *arg)
{
    (void)arg;
    return text.used > sizeof room - RESERVE;
}

static void send_text(struct connection *connection, uint32_t page)
{
    struct cloud_answer answer = {.status = CLOUD_OK, .text = room, .page = page};

    server_answer(connection, &answer);
}

static void send_refusal(struct connection *connection, enum cloud_status status,
                         const char *reason, const char *message)
{
    struct cloud_answer answer = {.status = status, .reason = reason, .message = message};

    server_answer(connection, &answer);
}

/* ---- STATUS and DOCUMENTS ---- */

static bool never_full(void *arg)
{
    (void)arg;
    return false;
}

/* A time where there is one. */
static void time_row(const char *name, int64_t seconds)
{
    if (seconds != HEALTH_NO_TIME)
        number_row(name, seconds);
}

static void status_of_documents(const struct context *context)
{
    struct health_documents seen = {0};

    cache_walk(context->cache, 0, health_count, never_full, &seen);
    number_row("documents", (int64_t)seen.known);
    number_row("fresh", (int64_t)seen.fresh);
    number_row("failing", (int64_t)seen.failing);
    number_row("unusable", (int64_t)seen.unusable);
    number_row("absent", (int64_t)seen.absent);
    number_row("oldest_age", seen.oldest);
    number_row("freshest_age", seen.freshest);
    ROW("error", seen.error);
    ROW("absences", cache_guarded(context->cache) ? "not-believed" : "believed");
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

static void status_of_snapshot(const struct context *context)
{
    struct publish_view seen;
    int64_t age;

    publish_look(context->publish, &seen);
    age = (int64_t)time(NULL) - seen.created;
    ROW("snapshot", seen.live ? "live" : seen.there ? "retired" : "missing");
    ROW("snapshot_file", seen.failed ? "unwritable" : "written");
    number_row("snapshot_accounts", (int64_t)seen.accounts);
    if (seen.there)
        number_row("snapshot_age", age < 0 ? 0 : age);
}

static void answer_status(struct connection *connection)
{
    const struct context *context = connection->context;
    const struct denials *list = denials_file_list(context->denials);
    uint64_t denials[DENIAL_ENVIRONMENT + 1];
    int64_t ahead = 0;

    health_denials(context, denials);
    start_text();
    ROW("version", CLOUD_VERSION);
    number_row("uptime", (cloud_clock_ms() - context->started) / 1000);
    ROW("host_id", context->conf.host_id);
    ROW("access_url", context->conf.access_url);
    status_of_documents(context);
    status_of_credentials(context);
    status_of_snapshot(context);
    number_row("open_sessions", (int64_t)sessions_count(context->sessions));
    number_row("denials",
               (int64_t)(denials[DENIAL_KEY] + denials[DENIAL_USER] + denials[DENIAL_ENVIRONMENT]));
    if (api_clock(context->api, &ahead))
        number_row("clock_offset", ahead);
    else
        ROW("clock_offset", "");
    ROW("denials_file", list->damaged ? "damaged" : "whole");
    ROW("helper_user", context->keys_uid == (uid_t)-1 ? "missing" : "present");
    send_text(connection, 0);
}

static const char *state_word(const struct cache_view *view)
{
    if (view->document == NULL)
        return view->failing ? "unknown" : view->absent ? "absent" : "asked";
    if (!view->usable)
        return "unusable";
    return view->failing ? "failing" : view->fresh ? "fresh" : "aged";
}

static void list_document(void *arg, const struct cache_view *view)
{
    const struct context *context = arg;
    char plain[CLOUD_NAME_MAX + 1] = "", age[16] = "";

    cloud_name_plain(&context->conf.grammar, view->project, view->environment, plain);
    if (view->document != NULL)
        snprintf(age, sizeof age, "%u", view->age);
    ROW(view->project, view->environment, plain, state_word(view), age,
        view->document != NULL ? view->document->status_text : "", view->detail);
}

static void answer_documents(struct connection *connection)
{
    size_t next;

    start_text();
    next = cache_walk(connection->context->cache, connection->question.page, list_document,
                      text_full, connection->context);
    send_text(connection, (uint32_t)next);
}

/* ---- EXPLAIN ---- */

static void fact(const char *name, const char *value)
{
    ROW("fact", name, value);
}

static void rule(const char *name, enum policy_reason reason, const char *detail)
{
    ROW("rule", name, reason == POLICY_GRANTED ? "yes" : "no", detail);
}

/* "" or why it is not a login name of this host. */
static const char *name_detail(const struct connection *connection, enum policy_reason reason)
{
    static struct cloud_grammar any;

    if (reason == POLICY_LOCAL)
        return "the host has such a user or group itself";
    if (reason == POLICY_UNAVAILABLE)
        return "/etc/passwd or /etc/group cannot be read";
    if (reason != POLICY_NOT_OURS)
        return "";
    any = connection->context->conf.grammar;
    cloud_words_any(&any.allow);
    return cloud_name_parse(&any, connection->question.account, NULL)
               ? "it fits the grammar, but no pattern of `allow` matches it"
               : "it does not fit the grammar of login names, or is reserved";
}

/* The rules that stand before the document: the name's. */
static void explain_name(const struct connection *connection, enum policy_reason reason)
{
    const struct cloud_name *name = &connection->name;

    start_text();
    fact("account", connection->question.account);
    if (reason == POLICY_NOT_OURS) {
        rule("name", reason, name_detail(connection, reason));
        return;
    }
    fact("kind", policy_kind_word(name->kind));
    fact("project", name->project);
    fact("environment", name->environment);
    fact("app", name->app);
    rule("name", POLICY_GRANTED, "");
    rule("not-local", reason, name_detail(connection, reason));
}

static void explain_source(const struct cache_answer *known)
{
    char age[32];

    snprintf(age, sizeof age, "%u", known->age);
    fact("source", known->stale ? "cache" : "api");
    fact("age", age);
}

static void decide(struct connection *connection, enum policy_reason reason, const char *message)
{
    ROW("decision", policy_token(reason), message);
    send_text(connection, 0);
}

/* The question's key or fingerprint. */
static bool find_fingerprint(const struct cloud_question *question, unsigned char *out,
                             const char **why)
{
    struct denial denial;
    char line[DENIAL_LINE_SIZE];
    struct key key;

    *why = "not a fingerprint";
    if (question->key_type[0] != '\0') {
        if (!key_parse(question->key_type, strlen(question->key_type), question->key,
                       strlen(question->key), &key, why))
            return false;
        memcpy(out, key.fingerprint, KEY_FINGERPRINT_SIZE);
        return true;
    }
    snprintf(line, sizeof line, "key\t%s\t0\t0\t", question->key);
    if (!denial_parse(line, strlen(line), &denial, why))
        return false;
    memcpy(out, denial.fingerprint, KEY_FINGERPRINT_SIZE);
    return true;
}

static void explain_key(const struct document *document, const struct cloud_name *name,
                        const struct document_key *key, int64_t now)
{
    struct policy_rule_verdict rules[POLICY_RULES];

    fact("user", key->user->username);
    fact("role", key->user->role_text);
    fact("key", key->title);
    policy_rules(document, name, key, now, rules);
    for (size_t i = 0; i < POLICY_RULES; i++)
        rule(rules[i].rule, rules[i].reason,
             rules[i].reason == POLICY_GRANTED ? "" : policy_token(rules[i].reason));
}

/* What an sFTP login would see, for root to look whether it is there (PAM_ACCOUNT's answer). */
static void explain_folders(const struct document *document, const struct cloud_name *name)
{
    char mounts[CLOUD_WIRE_MOUNTS_SIZE], uid[16], gid[16], *at = mounts, *line;

    if (name->kind != CLOUD_SFTP || !policy_mounts(document, name, mounts, sizeof mounts))
        return;
    snprintf(uid, sizeof uid, "%u", document->uid);
    snprintf(gid, sizeof gid, "%u", document->gid);
    ROW("folders", document->home, uid, gid);
    while ((line = strsep(&at, "\n")) != NULL && line[0] != '\0')
        ROW("folder", line);
}

static void answer_explain(struct connection *connection, const struct cache_answer *known)
{
    const struct cloud_question *question = &connection->question;
    const struct document *document = known->document;
    const struct cloud_name *name = &connection->name;
    int64_t now = (int64_t)time(NULL);
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
    struct policy_verdict verdict = {POLICY_KEY_UNUSABLE, NULL};
    char message[2048];
    const char *why;

    explain_name(connection, POLICY_GRANTED);
    explain_source(known);
    rule("document", POLICY_GRANTED, known->stale ? known->detail : "");
    rule("hosts", POLICY_GRANTED, "");
    rule("app", policy_app_exists(document, name) ? POLICY_GRANTED : POLICY_APP_UNKNOWN, name->app);
    if (!find_fingerprint(question, fingerprint, &why)) {
        rule("key", POLICY_KEY_UNUSABLE, why);
        decide(connection, POLICY_KEY_UNUSABLE, "");
        return;
    }
    verdict = policy_login(document, name, fingerprint, now);
    rule("key",
         document_find_key(document, fingerprint) != NULL ? POLICY_GRANTED : POLICY_KEY_UNKNOWN,
         "");
    if (verdict.key != NULL)
        explain_key(document, name, verdict.key, now);
    message[0] = '\0';
    if (verdict.reason != POLICY_GRANTED && policy_gets_line(document, name, &verdict, now))
        policy_message(verdict.reason, document, name, question->account, verdict.key, message,
                       sizeof message);
    if (verdict.reason == POLICY_GRANTED)
        explain_folders(document, name);
    decide(connection, verdict.reason, message);
}

static void refuse_explain(struct connection *connection, enum policy_reason reason,
                           const struct cache_answer *known)
{
    const struct context *context = connection->context;
    char why[256] = "";

    explain_name(connection, POLICY_GRANTED);
    if (reason == POLICY_UNUSABLE) {
        policy_usable(&context->conf, context->local_ids, context->bindings, known->document, why,
                      sizeof why);
    } else if (reason == POLICY_UNAVAILABLE) {
        snprintf(why, sizeof why, "%s", known->detail == NULL ? "" : known->detail);
    }
    if (reason == POLICY_NOT_THIS_HOST) {
        explain_source(known);
        rule("document", POLICY_GRANTED, "");
        snprintf(why, sizeof why, "host_id is %.200s", context->conf.host_id);
    }
    rule(reason == POLICY_NOT_THIS_HOST ? "hosts" : "document", reason,
         reason == POLICY_ABSENT ? "the project API has no such environment" : why);
    decide(connection, reason, "");
}

/* ---- PEOPLE ---- */

static void list_key(const struct document *document, const struct cloud_name *name,
                     const struct document_key *key, int64_t now)
{
    struct policy_rule_verdict rules[POLICY_RULES];
    enum policy_reason reason =
        policy_app_exists(document, name) ? POLICY_GRANTED : POLICY_APP_UNKNOWN;
    char fingerprint[KEY_FINGERPRINT_TEXT], expires[32] = "";

    policy_rules(document, name, key, now, rules);
    for (size_t i = 0; i < POLICY_RULES && reason == POLICY_GRANTED; i++)
        reason = rules[i].reason;
    key_fingerprint_text(key->fingerprint, fingerprint);
    if (key->expires_at != DOCUMENT_NO_TIME)
        snprintf(expires, sizeof expires, "%lld", (long long)key->expires_at);
    ROW("key", key->user->username, key->user->id, key->user->role_text, fingerprint, key->type,
        key->title, expires, policy_token(reason));
}

static void answer_people(struct connection *connection, const struct cache_answer *known)
{
    const struct document *document = known->document;
    int64_t now = (int64_t)time(NULL);
    size_t i = connection->question.page;

    start_text();
    for (size_t w = 0; i == 0 && w < document->warnings && w < DOCUMENT_WARNINGS_MAX; w++)
        ROW("warning", document->warning[w]);
    for (; i < document->keys && !text_full(NULL); i++)
        list_key(document, &connection->name, &document->key[i], now);
    send_text(connection, i < document->keys ? (uint32_t)i : 0);
}

/* ---- REFRESH ---- */

static void send_refresh(struct connection *connection, const char *result,
                         enum policy_reason reason, const struct cache_answer *known)
{
    start_text();
    ROW("result", result);
    ROW("reason", policy_token(reason));
    if (known != NULL && known->document != NULL) {
        ROW("status", known->document->status_text);
        number_row("age", known->age);
        ROW("source", known->stale ? "cache" : "api");
    }
    ROW("detail", known == NULL || known->detail == NULL ? "" : known->detail);
    send_text(connection, 0);
}

/* Of a document that is the one of before, too, the ids are bound again, if an operator has taken
 * them back. */
static void answer_refresh(struct connection *connection, const struct cache_answer *known)
{
    char why[256];

    if (!known->stale && !admission_accept(connection->context, known->document, why, sizeof why))
        log_warning("document %s/%s: %s", known->document->project, known->document->environment,
                    why);
    send_refresh(connection, "document", POLICY_GRANTED, known);
}

static void refuse_refresh(struct connection *connection, enum policy_reason reason,
                           const struct cache_answer *known)
{
    const char *result = "refused";

    if (reason == POLICY_ABSENT)
        result = "absent";
    else if (reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE)
        result = "unavailable";
    send_refresh(connection, result, reason, known);
}

/* "project/environment", as DOCUMENTS lists them. */
static bool split_environment(const char *subject, struct cloud_name *name)
{
    struct denial denial;
    char line[DENIAL_LINE_SIZE];
    const char *why, *slash;

    snprintf(line, sizeof line, "environment\t%.300s\t0\t0\t", subject);
    if (!denial_parse(line, strlen(line), &denial, &why))
        return false;
    slash = strchr(denial.subject, '/');
    memset(name, 0, sizeof *name);
    memcpy(name->project, denial.subject, (size_t)(slash - denial.subject));
    snprintf(name->environment, sizeof name->environment, "%s", slash + 1);
    return true;
}

/* ---- DENY, UNDENY, DENIALS ---- */

/* Who is answered when the list is on the disk; connection: a NULL is put there when he has gone.
 */
struct change {
    void *connection;
    struct context *context;
    bool of_environment;
};

static void on_written(void *arg, const char *problem)
{
    struct change *change = arg;
    struct connection *connection = change->connection;

    if (change->of_environment)
        cache_tell_changed(change->context->cache);
    free(change);
    if (connection == NULL)
        return;
    connection->pending = NULL;
    start_text();
    if (problem == NULL)
        send_text(connection, 0);
    else
        send_refusal(connection, CLOUD_REFUSED, "not-kept", problem);
}

static void change_denials(struct connection *connection)
{
    struct context *context = connection->context;
    const char *line = connection->question.text, *why = "out of memory";
    bool add = connection->question.op == CLOUD_OP_DENY, all = !add && strcmp(line, "all") == 0;
    struct denial denial = {0};
    struct change *change = NULL;

    if (denials_file_busy(context->denials)) {
        send_refusal(connection, CLOUD_UNAVAILABLE, "busy", NULL);
        return;
    }
    if ((!all && !denial_parse(line, strlen(line), &denial, &why)) ||
        (change = calloc(1, sizeof *change)) == NULL) {
        send_refusal(connection, CLOUD_REFUSED, "malformed", why);
        return;
    }
    denial.since = (int64_t)time(NULL);
    *change = (struct change){connection, context, all || denial.kind == DENIAL_ENVIRONMENT};
    if (add ? !denials_file_add(context->denials, &denial, on_written, change, &why)
            : !denials_file_remove(context->denials, all ? NULL : &denial, on_written, change,
                                   &why)) {
        free(change);
        send_refusal(connection, CLOUD_REFUSED, "not-done", why);
        return;
    }
    connection->pending = &change->connection;
    log_warning("operator: %s %s", add ? "deny" : "undeny", all ? "all" : denial.subject);
}

static void answer_denials(struct connection *connection)
{
    const struct denials *list = denials_file_list(connection->context->denials);
    const struct denial *denial;
    size_t i = connection->question.page;
    int64_t now = (int64_t)time(NULL);
    char line[DENIAL_LINE_SIZE];

    start_text();
    for (; (denial = denials_at(list, i)) != NULL && !text_full(NULL); i++) {
        if (!denial_in_force(denial, now))
            continue;
        denial_format(denial, line);
        cloud_text_add(&text, line);
        cloud_text_add_char(&text, '\n');
    }
    send_text(connection, denial == NULL ? 0 : (uint32_t)i);
}

/* ---- NAMED ---- */

#define NAMED_USERS 20000 /* who are looked at for one page */

struct naming {
    struct denial denial;
    size_t looked, found;
};

static bool names(const struct document *document, const struct denial *denial)
{
    char environment[DENIAL_SUBJECT_SIZE];

    if (denial->kind == DENIAL_KEY)
        return document_find_key(document, denial->fingerprint) != NULL;
    if (denial->kind == DENIAL_ENVIRONMENT) {
        snprintf(environment, sizeof environment, "%s/%s", document->project,
                 document->environment);
        return strcmp(environment, denial->subject) == 0;
    }
    for (size_t i = 0; i < document->users; i++)
        if (strcmp(document->user[i].username, denial->subject) == 0 ||
            strcmp(document->user[i].id, denial->subject) == 0)
            return true;
    return false;
}

static void look_for_name(void *arg, const struct cache_view *view)
{
    struct naming *naming = arg;

    if (view->document == NULL)
        return;
    naming->looked += 1 + view->document->users;
    naming->found += names(view->document, &naming->denial);
}

static bool looked_enough(void *arg)
{
    return ((const struct naming *)arg)->looked >= NAMED_USERS;
}

static void answer_named(struct connection *connection)
{
    const struct cloud_question *question = &connection->question;
    struct naming naming = {0};
    const char *why;
    size_t next;

    if (!denial_parse(question->text, strlen(question->text), &naming.denial, &why)) {
        send_refusal(connection, CLOUD_REFUSED, "malformed", why);
        return;
    }
    next = cache_walk(connection->context->cache, question->page, look_for_name, looked_enough,
                      &naming);
    start_text();
    number_row("documents", (int64_t)naming.found);
    send_text(connection, (uint32_t)next);
}

/* ---- DECISIONS ---- */

static void answer_decisions(struct connection *connection)
{
    char next[RECENT_PLACE_SIZE];

    /* Filled to the end, it is still a string that fits a packet. */
    _Static_assert(sizeof room - 1024 <= CLOUD_WIRE_STRING_MAX, "a page of decisions");
    cloud_text_start(&text, room, sizeof room - 1024);
    uint32_t missed = recent_list(connection->question.session, &text, next);
    struct cloud_answer answer = {
        .status = CLOUD_OK, .session = next, .page = missed, .text = room};
    server_answer(connection, &answer);
}

/* ---- REBIND ---- */

/* The binding that is being taken back: one at a time. */
static struct {
    bool busy;
    void *connection; /* who waits for it; NULL when he has gone */
    struct context *context;
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
} release;

static void put_binding(const struct context *context, const struct binding *owner, size_t sessions)
{
    char plain[CLOUD_NAME_MAX + 1] = "";

    cloud_name_plain(&context->conf.grammar, owner->project, owner->environment, plain);
    start_text();
    ROW("project", owner->project);
    ROW("environment", owner->environment);
    ROW("account", plain);
    number_row("uid", owner->uid);
    number_row("gid", owner->gid);
    number_row("sessions", (int64_t)sessions);
}

static void on_released(void *arg, bool ok)
{
    struct connection *connection = release.connection;
    struct context *context = release.context;
    struct binding owner;

    (void)arg;
    release.busy = false;
    if (connection != NULL)
        connection->pending = NULL;
    if (ok && bindings_by_name(context->bindings, release.project, release.environment, &owner)) {
        put_binding(context, &owner, 0);
        log_warning("operator: uid %u and gid %u are not %s/%s's any more", owner.uid, owner.gid,
                    release.project, release.environment);
        (void)bindings_forget(context->bindings, release.project, release.environment);
        if (connection != NULL)
            send_text(connection, 0);
    } else if (connection != NULL) {
        send_refusal(connection, CLOUD_REFUSED, "not-kept",
                     "the disk refuses it; the log says why");
    }
}

static void rebind(struct connection *connection)
{
    struct context *context = connection->context;
    const struct cloud_name *name = &connection->name;
    struct binding owner;

    if (!bindings_by_name(context->bindings, name->project, name->environment, &owner)) {
        send_refusal(connection, CLOUD_REFUSED, "not-bound",
                     "no uid is bound to that environment on this host");
        return;
    }
    size_t sessions =
        sessions_using(context->sessions, owner.project, owner.environment, owner.uid);
    put_binding(context, &owner, sessions);
    if (connection->question.page == CLOUD_REBIND_LOOK) {
        send_text(connection, 0);
    } else if (connection->question.page != CLOUD_REBIND_FORCE && sessions > 0) {
        send_refusal(connection, CLOUD_REFUSED, "in-use", "it has open sessions");
    } else if (release.busy || context->store == NULL) {
        send_refusal(connection, CLOUD_UNAVAILABLE, "busy", NULL);
    } else {
        release.busy = true;
        release.context = context;
        release.connection = connection;
        connection->pending = &release.connection;
        snprintf(release.project, sizeof release.project, "%s", owner.project);
        snprintf(release.environment, sizeof release.environment, "%s", owner.environment);
        store_release_binding(context->store, release.project, release.environment, on_released,
                              NULL);
    }
}

/* ---- The fronts ---- */

/* Of those that name an account: whether its document is needed. */
static bool start_account(struct connection *connection, enum policy_reason reason)
{
    const struct cloud_question *question = &connection->question;

    if ((question->op == CLOUD_OP_REFRESH || question->op == CLOUD_OP_REBIND) &&
        strchr(question->account, '/') != NULL)
        reason = split_environment(question->account, &connection->name) ? POLICY_GRANTED
                                                                         : POLICY_NOT_OURS;
    if (reason == POLICY_GRANTED && question->op == CLOUD_OP_REBIND) {
        rebind(connection);
        return false;
    }
    if (reason == POLICY_GRANTED)
        return true;
    if (question->op == CLOUD_OP_EXPLAIN) {
        explain_name(connection, reason);
        decide(connection, reason, "");
    } else if (question->op == CLOUD_OP_REFRESH) {
        refuse_refresh(connection, reason, NULL);
    } else {
        send_refusal(connection, CLOUD_REFUSED, policy_token(reason),
                     name_detail(connection, reason));
    }
    return false;
}

bool control_start(struct connection *connection, enum policy_reason name)
{
    switch (connection->question.op) {
    case CLOUD_OP_STATUS:
        answer_status(connection);
        return false;
    case CLOUD_OP_DOCUMENTS:
        answer_documents(connection);
        return false;
    case CLOUD_OP_DENIALS:
        answer_denials(connection);
        return false;
    case CLOUD_OP_NAMED:
        answer_named(connection);
        return false;
    case CLOUD_OP_DECISIONS:
        answer_decisions(connection);
        return false;
    case CLOUD_OP_DENY:
    case CLOUD_OP_UNDENY:
        change_denials(connection);
        return false;
    default:
        return start_account(connection, name);
    }
}

void control_answer(struct connection *connection, const struct cache_answer *known)
{
    if (connection->question.op == CLOUD_OP_EXPLAIN)
        answer_explain(connection, known);
    else if (connection->question.op == CLOUD_OP_PEOPLE)
        answer_people(connection, known);
    else
        answer_refresh(connection, known);
}

void control_refuse(struct connection *connection, enum policy_reason reason,
                    const struct cache_answer *known)
{
    bool unknown = reason == POLICY_UNAVAILABLE || reason == POLICY_UNUSABLE;

    if (connection->question.op == CLOUD_OP_EXPLAIN)
        refuse_explain(connection, reason, known);
    else if (connection->question.op == CLOUD_OP_REFRESH)
        refuse_refresh(connection, reason, known);
    else if (reason == POLICY_ABSENT || unknown)
        send_refusal(connection, unknown ? CLOUD_UNAVAILABLE : CLOUD_ABSENT, policy_token(reason),
                     NULL);
    else
        send_refusal(connection, CLOUD_REFUSED, policy_token(reason), "");
}
