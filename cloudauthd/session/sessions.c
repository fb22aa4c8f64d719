/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/session/sessions.h"

#include "access/bindings.h"
#include "access/denials.h"
#include "access/local_ids.h"
#include "access/messages.h"
#include "access/policy.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/table.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/session/terminate.h"
#include "cloudauthd/state/denials_file.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS       100
#define FULL_SWEEP_MS 5000 /* between two looks for ended ones where there is no room */
#define FLOOR_MS      1000 /* between two questions about one environment, as far as recheck allows */
#define RECHECK_LEAST 85   /* per cent of session_recheck: the next one is somewhere between */
#define RECHECK_MOST  95

/* Reasons that are not the policy's. */
#define REASON_CLOSED    "closed"
#define REASON_GONE      "gone"
#define REASON_OPERATOR  "ended-by-operator"
#define REASON_MAX_STALE "session-max-stale"

struct entry {
    struct table_node node; /* by its monitor's pid */
    struct session session;
    struct entry *older, *younger; /* of all */
    struct watch *watch;
    struct entry *before, *after; /* of the environment */
};

/* An environment with sessions. */
struct watch {
    struct table_node node;
    struct sessions *sessions;
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];
    struct entry *first;
    size_t used; /* entries */
    struct watch *before, *after;
    int64_t due;       /* cloud_clock_ms() */
    int64_t confirmed; /* cloud_clock_ms() of the last good answer */
    bool asking;
    struct cache_waiter waiter;
};

struct sessions {
    struct context *context;
    struct worker *worker;
    struct session_files *files;
    struct terminations *terminations;
    bool may_end;
    struct loop_timer timer;
    struct table table, monitors; /* of watches, of entries */
    struct watch *watch;
    struct entry *oldest, *youngest;
    size_t used;
    uint64_t last_id;
    int64_t full_logged, full_swept; /* cloud_clock_ms(): not earlier again */
    struct sessions_view view;
};

/* ---- The list ---- */

struct environment {
    const char *project, *environment;
};

static bool watch_equal(const struct table_node *node, const void *key)
{
    const struct watch *watch = TABLE_OWNER(node, struct watch, node);
    const struct environment *wanted = key;

    return strcmp(watch->project, wanted->project) == 0 &&
           strcmp(watch->environment, wanted->environment) == 0;
}

static uint64_t watch_hash(const struct sessions *sessions, const struct cloud_name *name)
{
    return table_hash_pair(&sessions->table, name->project, name->environment);
}

static struct watch *find_watch(const struct sessions *sessions, const struct cloud_name *name)
{
    const struct environment wanted = {name->project, name->environment};
    struct table_node *node =
        table_find(&sessions->table, watch_hash(sessions, name), watch_equal, &wanted);

    return node == NULL ? NULL : TABLE_OWNER(node, struct watch, node);
}

static struct watch *find_or_add_watch(struct sessions *sessions, const struct cloud_name *name)
{
    struct watch *watch = find_watch(sessions, name);

    if (watch != NULL)
        return watch;
    watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->sessions = sessions;
    strcpy(watch->project, name->project);
    strcpy(watch->environment, name->environment);
    watch->due = INT64_MAX;
    watch->after = sessions->watch;
    if (watch->after != NULL)
        watch->after->before = watch;
    sessions->watch = watch;
    table_insert(&sessions->table, &watch->node, watch_hash(sessions, name));
    return watch;
}

static void drop_watch(struct watch *watch)
{
    struct sessions *sessions = watch->sessions;

    if (watch->asking)
        cache_forget(&watch->waiter);
    *(watch->before == NULL ? &sessions->watch : &watch->before->after) = watch->after;
    if (watch->after != NULL)
        watch->after->before = watch->before;
    table_remove(&sessions->table, &watch->node);
    free(watch);
}

static bool monitor_equal(const struct table_node *node, const void *key)
{
    const struct process *own = &TABLE_OWNER(node, struct entry, node)->session.monitor;
    const struct process *wanted = key;

    return own->pid == wanted->pid && own->start == wanted->start;
}

static uint64_t monitor_hash(const struct sessions *sessions, const struct process *monitor)
{
    return table_hash(&sessions->monitors, &monitor->pid, sizeof monitor->pid);
}

static struct entry *find_monitor(const struct sessions *sessions, const struct process *monitor)
{
    struct table_node *node =
        table_find(&sessions->monitors, monitor_hash(sessions, monitor), monitor_equal, monitor);

    return node == NULL ? NULL : TABLE_OWNER(node, struct entry, node);
}

static struct entry *add_entry(struct sessions *sessions, const struct session *session)
{
    struct entry *entry = calloc(1, sizeof *entry);
    struct watch *watch = entry == NULL ? NULL : find_or_add_watch(sessions, &session->name);

    if (watch == NULL) {
        free(entry);
        return NULL;
    }
    entry->session = *session;
    entry->older = sessions->youngest;
    *(entry->older == NULL ? &sessions->oldest : &entry->older->younger) = entry;
    sessions->youngest = entry;
    entry->watch = watch;
    entry->after = watch->first;
    if (entry->after != NULL)
        entry->after->before = entry;
    watch->first = entry;
    watch->used++;
    table_insert(&sessions->monitors, &entry->node, monitor_hash(sessions, &session->monitor));
    sessions->used++;
    return entry;
}

/* The last one of an environment takes its watch along. The file of one that is being ended stays
 * until that is done. */
static void drop_entry(struct sessions *sessions, struct entry *entry)
{
    struct watch *watch = entry->watch;

    if (!entry->session.ending)
        session_files_remove(sessions->files, entry->session.id);
    *(entry->older == NULL ? &sessions->oldest : &entry->older->younger) = entry->younger;
    *(entry->younger == NULL ? &sessions->youngest : &entry->younger->older) = entry->older;
    *(entry->before == NULL ? &watch->first : &entry->before->after) = entry->after;
    if (entry->after != NULL)
        entry->after->before = entry->before;
    table_remove(&sessions->monitors, &entry->node);
    watch->used--;
    sessions->used--;
    free(entry);
    if (watch->first == NULL)
        drop_watch(watch);
}

static struct entry *find_id(const struct sessions *sessions, const char *id)
{
    struct entry *entry = sessions->oldest;

    while (entry != NULL && strcmp(entry->session.id, id) != 0)
        entry = entry->younger;
    return entry;
}

/* ---- Audit ---- */

static void audit_session(const struct session *session, const char *event, const char *reason,
                          const struct cache_answer *answer)
{
    struct audit audit = {.event = event,
                          .account = session->account,
                          .kind = policy_kind_word(session->name.kind),
                          .project = session->name.project,
                          .environment = session->name.environment,
                          .app = session->name.app,
                          .worker = session->name.worker,
                          .user = session->user,
                          .role = session->role,
                          .key = session->fingerprint,
                          .from = session->from,
                          .service = session->service,
                          .reason = reason,
                          .source = "none",
                          .age = AUDIT_NO_AGE,
                          .session = session->id};

    /* The server lets nobody else ask for that. */
    if (strcmp(reason, REASON_OPERATOR) == 0)
        audit.detail = "root ended it with cloudauthctl";
    if (answer != NULL && answer->result != CACHE_UNAVAILABLE) {
        audit.source = answer->stale ? "cache" : "api";
        audit.age = answer->age;
    }
    audit_write(&audit);
}

/* It is over; of one that was ended, the line is written. */
static void close_entry(struct sessions *sessions, struct entry *entry, const char *reason)
{
    if (!entry->session.ending)
        audit_session(&entry->session, "close", reason, NULL);
    if (entry->session.ending)
        sessions->view.ended++;
    else if (strcmp(reason, REASON_CLOSED) == 0)
        sessions->view.closed++;
    else
        sessions->view.gone++;
    drop_entry(sessions, entry);
}

/* Drops those of an environment whose sshd is gone. False: then the environment has none left, and
 * watch is no more. */
static bool sweep(struct watch *watch)
{
    struct sessions *sessions = watch->sessions;
    bool left = false;

    for (struct entry *entry = watch->first, *after; entry != NULL; entry = after) {
        after = entry->after;
        if (process_lives(&entry->session.monitor))
            left = true;
        else
            close_entry(sessions, entry, REASON_GONE);
    }
    return left;
}

static void sweep_all(struct sessions *sessions)
{
    for (struct entry *entry = sessions->oldest, *younger; entry != NULL; entry = younger) {
        younger = entry->younger;
        if (!process_lives(&entry->session.monitor))
            close_entry(sessions, entry, REASON_GONE);
    }
}

/* ---- The end of a session ---- */

static void on_ended(void *arg, const char *id)
{
    struct sessions *sessions = arg;
    struct entry *entry = find_id(sessions, id);

    if (entry == NULL) { /* sshd has said so itself */
        session_files_remove(sessions->files, id);
        return;
    }
    entry->session.ending = false;
    if (!process_lives(&entry->session.monitor)) {
        drop_entry(sessions, entry);
        return;
    }
    log_error("session %s of %s as %s could not be ended: sshd process %d is still there",
              entry->session.id, entry->session.user, entry->session.account,
              (int)entry->session.monitor.pid);
    session_files_keep(sessions->files, &entry->session); /* it is tried again */
}

/* An audit session id that another session here has as well is nobody's alone: an sshd that was
 * started by hand, say, with the id of who started it. */
static uint32_t own_audit(const struct sessions *sessions, const struct session *session)
{
    for (const struct entry *entry = sessions->oldest; entry != NULL; entry = entry->younger)
        if (&entry->session != session && entry->session.audit == session->audit)
            return PROCESS_NO_AUDIT;
    return session->audit;
}

static bool end_entry(struct sessions *sessions, struct entry *entry, const char *reason,
                      const char *why, const struct cache_answer *answer)
{
    const struct session *session = &entry->session;
    char message[512];
    const struct terminate_order order = {.monitor = session->monitor,
                                          .audit = own_audit(sessions, session),
                                          .uid = session->uid,
                                          .message = message,
                                          .id = session->id,
                                          .done = on_ended,
                                          .arg = sessions};

    if (entry->session.ending)
        return true;
    /* The range may have been set anew since. */
    if (!cloud_conf_id_ours(&sessions->context->conf, session->uid)) {
        log_error("session %s of %s as %s is to end (%s), but uid %u is out of the range now",
                  session->id, session->user, session->account, reason, session->uid);
        return false;
    }
    snprintf(message, sizeof message, "cloudauth ends this session: %s", why);
    if (!terminate_begin(sessions->terminations, &order))
        return false;
    entry->session.ending = true;
    entry->session.ending_audit = order.audit;
    session_files_keep(sessions->files, session);
    audit_session(session, "end", reason, answer);
    return true;
}

/* The audit session id that was its alone when its end was begun, unless another one that is open
 * has it by now. */
static uint32_t still_own_audit(const struct sessions *sessions, const struct session *session)
{
    for (const struct entry *entry = sessions->oldest; entry != NULL; entry = entry->younger)
        if (!entry->session.ending && entry->session.audit == session->ending_audit)
            return PROCESS_NO_AUDIT;
    return session->ending_audit;
}

/* What the daemon before this one had begun to end. */
static bool go_on_ending(struct sessions *sessions, const struct session *session)
{
    const struct terminate_order order = {.monitor = session->monitor,
                                          .audit = still_own_audit(sessions, session),
                                          .uid = session->uid,
                                          .message = "cloudauth ends this session",
                                          .id = session->id,
                                          .done = on_ended,
                                          .arg = sessions};

    if (!sessions->may_end || !cloud_conf_id_ours(&sessions->context->conf, session->uid) ||
        !terminate_begin(sessions->terminations, &order)) {
        log_warning("session %s of %s as %s: its end cannot go on", session->id, session->user,
                    session->account);
        return false;
    }
    log_info("session %s of %s as %s: its end goes on", session->id, session->user,
             session->account);
    return true;
}

/* What is not ended here, and has no sshd process that could be listed, is left to a daemon that
 * may: its file stays. */
static void go_on_ending_all(struct sessions *sessions)
{
    for (struct entry *entry = sessions->oldest, *younger; entry != NULL; entry = younger) {
        bool lives;

        younger = entry->younger;
        if (!entry->session.ending)
            continue;
        lives = process_lives(&entry->session.monitor);
        entry->session.ending = go_on_ending(sessions, &entry->session) || !lives;
        if (!lives)
            drop_entry(sessions, entry);
    }
}

/* ---- Living revocation ---- */

static int64_t recheck_ms(const struct sessions *sessions)
{
    return (int64_t)1000 * sessions->context->conf.session_recheck;
}

static bool rechecks(const struct sessions *sessions)
{
    return sessions->may_end && recheck_ms(sessions) > 0;
}

/* When to ask again of what was asked at that time: within session_recheck, not all at once. */
static int64_t next_due(const struct sessions *sessions, int64_t asked)
{
    int64_t recheck = recheck_ms(sessions), now = cloud_clock_ms(), floor = recheck / 2;
    int64_t due =
        asked + recheck * (RECHECK_LEAST + arc4random_uniform(RECHECK_MOST - RECHECK_LEAST)) / 100;

    if (floor > FLOOR_MS)
        floor = FLOOR_MS;
    return due < now + floor ? now + floor : due;
}

/* Whether a document came that this host may use. */
static bool usable(const struct sessions *sessions, const struct cache_answer *answer)
{
    const struct context *context = sessions->context;
    char why[256];

    return answer->result == CACHE_DOCUMENT && local_ids_refresh(context->local_ids) &&
           policy_usable(
               &(const struct policy_host){&context->conf, context->local_ids, context->bindings},
               answer->document, why, sizeof why);
}

/* For the time when no document may be used any more. */
static void keep_expiry(struct sessions *sessions, struct entry *entry, int64_t expires)
{
    if (entry->session.key_expires == expires)
        return;
    entry->session.key_expires = expires;
    session_files_keep(sessions->files, &entry->session);
}

/* What a document that may be used says of the session. */
static void judge(struct sessions *sessions, struct entry *entry, const struct cache_answer *answer)
{
    const struct session *session = &entry->session;
    const struct document *document = answer->document;
    struct policy_verdict verdict = {POLICY_NOT_THIS_HOST, NULL};
    char why[384] = "your key may not enter here any more";

    if (policy_for_host(&sessions->context->conf, document))
        verdict = policy_person(document, &session->name, session->fingerprint, session->user_id,
                                (int64_t)time(NULL));
    if (verdict.reason == POLICY_GRANTED) {
        keep_expiry(sessions, entry, policy_key_expires(verdict.key));
        return;
    }
    if (verdict.key != NULL)
        messages_for_client(&(const struct message){verdict.reason, document, &session->name,
                                                    session->account, verdict.key},
                            why, sizeof why);
    end_entry(sessions, entry, policy_token(verdict.reason), why, answer);
}

/* What this host refuses by itself needs no document, in whatever outage. */
static bool is_denied(const struct sessions *sessions, const struct session *session)
{
    const struct denial_match match = {.project = session->name.project,
                                       .environment = session->name.environment,
                                       .user_id = session->user_id,
                                       .username = session->user,
                                       .fingerprint = session->fingerprint};

    return sessions->context->denials != NULL &&
           denials_match(denials_file_list(sessions->context->denials), &match,
                         (int64_t)time(NULL));
}

static bool has_expired(const struct session *session)
{
    return session->key_expires != 0 && session->key_expires <= (int64_t)time(NULL);
}

/* Whether the last good answer is older than session_max_stale allows. */
static bool too_stale(const struct watch *watch, const struct session *session)
{
    uint32_t most = watch->sessions->context->conf.session_max_stale;
    int64_t now = cloud_clock_ms();

    if (most == 0)
        return false;
    if (watch->confirmed == 0) /* before this start; nobody knows but that it was at its opening */
        return (int64_t)time(NULL) - session->since > most;
    return now - watch->confirmed > (int64_t)1000 * most;
}

static void on_answer(void *arg, const struct cache_answer *answer)
{
    struct watch *watch = arg;
    struct sessions *sessions = watch->sessions;
    bool good = usable(sessions, answer);
    bool known = good || answer->result == CACHE_UNAVAILABLE;

    watch->asking = false;
    /* `asked` is of the last good answer also where this is none. */
    if (known && answer->asked > watch->confirmed)
        watch->confirmed = answer->asked;
    watch->due = next_due(sessions, good && !answer->stale ? answer->asked : cloud_clock_ms());
    for (struct entry *entry = watch->first; entry != NULL; entry = entry->after) {
        if (entry->session.ending)
            continue;
        if (answer->result == CACHE_ABSENT)
            end_entry(sessions, entry, policy_token(POLICY_ABSENT),
                      "there is no such environment any more", answer);
        else if (good)
            judge(sessions, entry, answer);
        else if (is_denied(sessions, &entry->session))
            end_entry(sessions, entry, policy_token(POLICY_DENIED),
                      "access is denied by the operator of this host", answer);
        else if (has_expired(&entry->session))
            end_entry(sessions, entry, policy_token(POLICY_KEY_EXPIRED), "your key has expired",
                      answer);
        if (!entry->session.ending && (!good || answer->stale) && answer->result != CACHE_ABSENT &&
            too_stale(watch, &entry->session))
            end_entry(sessions, entry, REASON_MAX_STALE,
                      "who may be here cannot be checked any more", answer);
    }
}

static void recheck(struct watch *watch)
{
    struct sessions *sessions = watch->sessions;

    if (!sweep(watch))
        return;
    watch->asking = true;
    watch->waiter = (struct cache_waiter){.answered = on_answer, .arg = watch, .trusted = true};
    cache_ask(sessions->context->cache, watch->project, watch->environment, CACHE_KEYS,
              &watch->waiter);
}

static void on_tick(void *arg);

/* Ticks only while there is something to look after. */
static void set_timer(struct sessions *sessions)
{
    if (sessions->watch == NULL || !rechecks(sessions) || sessions->timer.set)
        return;
    sessions->timer.due = on_tick;
    sessions->timer.arg = sessions;
    if (!loop_timer_set(sessions->context->loop, &sessions->timer, TICK_MS))
        log_error("sessions: there is no place for their timer");
}

static void on_tick(void *arg)
{
    struct sessions *sessions = arg;
    int64_t now = cloud_clock_ms();

    if (!rechecks(sessions))
        return;
    for (struct watch *watch = sessions->watch, *after; watch != NULL; watch = after) {
        after = watch->after;
        if (!watch->asking && watch->due <= now)
            recheck(watch);
    }
    set_timer(sessions);
}

void sessions_configure(struct sessions *sessions)
{
    for (struct watch *watch = sessions->watch; watch != NULL; watch = watch->after) {
        int64_t now = cloud_clock_ms(), due = next_due(sessions, now);
        if (due < watch->due || watch->due <= now) /* overdue: they were not looked after */
            watch->due = due;
    }
    set_timer(sessions);
}

/* ---- Open, close, list, end ---- */

/* Ids grow, so that the list is in the order of opening. */
static void make_id(struct sessions *sessions, char out[SESSION_ID_SIZE])
{
    struct timespec now = {0};
    uint64_t id;

    clock_gettime(CLOCK_REALTIME, &now);
    id = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (id <= sessions->last_id)
        id = sessions->last_id + 1;
    sessions->last_id = id;
    snprintf(out, SESSION_ID_SIZE, "%016llx", (unsigned long long)id);
}

/* An environment may have as many as there is room left: so however many one has, there is some
 * left for the others. */
static bool fits(const struct sessions *sessions, const struct cloud_name *name)
{
    const struct watch *watch = find_watch(sessions, name);

    return (watch == NULL ? 0 : watch->used) < SESSIONS_MAX - sessions->used;
}

static bool has_room(struct sessions *sessions, const struct cloud_name *name)
{
    /* It reads /proc for each of them: not once for every one who tries. */
    if (!fits(sessions, name) && cloud_clock_ms() >= sessions->full_swept) {
        sessions->full_swept = cloud_clock_ms() + FULL_SWEEP_MS;
        sweep_all(sessions);
    }
    if (fits(sessions, name))
        return true;
    if (cloud_clock_ms() >= sessions->full_logged) {
        sessions->full_logged = cloud_clock_ms() + 60000;
        log_error("%zu sessions are open, of %d that can be watched over: %s of %s gets no more",
                  sessions->used, SESSIONS_MAX, name->environment, name->project);
    }
    return false;
}

bool sessions_open(struct sessions *sessions, const struct session *session, int64_t asked)
{
    struct entry *entry = find_monitor(sessions, &session->monitor);
    struct session opened = *session;
    int64_t due;

    if (entry != NULL)
        close_entry(sessions, entry, REASON_CLOSED);
    if (!has_room(sessions, &session->name))
        return false;
    make_id(sessions, opened.id);
    opened.since = (int64_t)time(NULL);
    entry = add_entry(sessions, &opened);
    if (entry == NULL) {
        log_error("session of %s as %s: out of memory", session->user, session->account);
        return false;
    }
    due = next_due(sessions, asked);
    if (due < entry->watch->due)
        entry->watch->due = due;
    if (asked > entry->watch->confirmed)
        entry->watch->confirmed = asked;
    session_files_keep(sessions->files, &opened);
    set_timer(sessions);
    sessions->view.opened++;
    return true;
}

void sessions_close(struct sessions *sessions, const struct process *monitor, const char *account)
{
    struct entry *entry = find_monitor(sessions, monitor);

    if (entry != NULL && strcmp(entry->session.account, account) == 0)
        close_entry(sessions, entry, REASON_CLOSED);
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->used;
}

void sessions_look(const struct sessions *sessions, struct sessions_view *out)
{
    *out = sessions->view;
}

size_t sessions_using(struct sessions *sessions, const char *project, const char *environment,
                      uint32_t uid)
{
    size_t n = 0;

    sweep_all(sessions);
    for (const struct entry *entry = sessions->oldest; entry != NULL; entry = entry->younger)
        n += entry->session.uid == uid ||
             (strcmp(entry->session.name.project, project) == 0 &&
              strcmp(entry->session.name.environment, environment) == 0);
    return n;
}

static void add_line(struct cloud_text *text, const struct entry *entry)
{
    const struct session *session = &entry->session;
    char key[KEY_FINGERPRINT_TEXT], app[2 * CLOUD_NAME_MAX + 3], number[32];

    keys_fingerprint_text(session->fingerprint, key);
    snprintf(app, sizeof app, "%s%s%s", session->name.app,
             session->name.worker[0] == '\0' ? "" : "--", session->name.worker);
    cloud_text_add(text, "session=");
    cloud_text_add(text, session->id);
    cloud_text_add_pair(text, "account", session->account);
    cloud_text_add_pair(text, "kind", policy_kind_word(session->name.kind));
    cloud_text_add_pair(text, "project", session->name.project);
    cloud_text_add_pair(text, "environment", session->name.environment);
    cloud_text_add_pair(text, "app", app);
    cloud_text_add_pair(text, "user", session->user);
    cloud_text_add_pair(text, "user_id", session->user_id);
    cloud_text_add_pair(text, "mail", session->mail);
    cloud_text_add_pair(text, "role", session->role);
    cloud_text_add_pair(text, "key", key);
    cloud_text_add_pair(text, "from", session->from);
    snprintf(number, sizeof number, "%lld", (long long)session->since);
    cloud_text_add_pair(text, "since", number);
    cloud_text_add_pair(text, "service", session->service);
    snprintf(number, sizeof number, "%d", (int)session->monitor.pid);
    cloud_text_add_pair(text, "pid", number);
    cloud_text_add_pair(text, "state", entry->session.ending ? "ending" : "open");
    cloud_text_add_char(text, '\n');
}

void sessions_list(struct sessions *sessions, const char *after, struct cloud_text *out,
                   char next[SESSION_ID_SIZE])
{
    struct entry *entry = sessions->oldest, *younger;
    char last[SESSION_ID_SIZE] = "";

    next[0] = '\0';
    while (entry != NULL && strcmp(entry->session.id, after) <= 0)
        entry = entry->younger;
    for (; entry != NULL; entry = younger) {
        struct cloud_text before = *out;
        younger = entry->younger;
        if (!process_lives(&entry->session.monitor)) {
            close_entry(sessions, entry, REASON_GONE);
            continue;
        }
        add_line(out, entry);
        if (out->cut) {
            *out = before;
            out->at[out->used] = '\0';
            memcpy(next, last, sizeof last);
            return;
        }
        memcpy(last, entry->session.id, sizeof last);
    }
}

enum sessions_end sessions_end(struct sessions *sessions, const char *id)
{
    struct entry *entry = find_id(sessions, id);

    if (entry != NULL && !process_lives(&entry->session.monitor)) {
        close_entry(sessions, entry, REASON_GONE);
        entry = NULL;
    }
    if (entry == NULL)
        return SESSIONS_END_UNKNOWN;
    if (!sessions->may_end ||
        !end_entry(sessions, entry, REASON_OPERATOR, "an operator has ended it", NULL))
        return SESSIONS_END_CANNOT;
    return SESSIONS_END_BEGUN;
}

/* ---- Start and end ---- */

static bool load(void *arg, const struct session *session)
{
    struct sessions *sessions = arg;
    uint64_t id = strtoull(session->id, NULL, 16);
    struct entry *entry;
    int64_t due;

    if ((!process_lives(&session->monitor) && !session->ending) || sessions->used >= SESSIONS_MAX)
        return false;
    entry = add_entry(sessions, session);
    if (entry == NULL)
        return true;
    due = cloud_clock_ms() + (int64_t)arc4random_uniform((uint32_t)(recheck_ms(sessions) / 2 + 1));
    if (due < entry->watch->due)
        entry->watch->due = due;
    if (id > sessions->last_id)
        sessions->last_id = id;
    return true;
}

/* The folder gives them in no order: the list is put into that of their ids. */
static int by_id(const void *a, const void *b)
{
    struct entry *const *left = a, *const *right = b;

    return strcmp((*left)->session.id, (*right)->session.id);
}

static bool sort(struct sessions *sessions)
{
    struct entry **all = calloc(sessions->used + 1, sizeof(struct entry *));
    size_t n = 0;

    if (all == NULL)
        return false;
    for (struct entry *entry = sessions->oldest; entry != NULL; entry = entry->younger)
        all[n++] = entry;
    qsort(all, n, sizeof(struct entry *), by_id);
    for (size_t i = 0; i < n; i++) {
        all[i]->older = i == 0 ? NULL : all[i - 1];
        all[i]->younger = all[i + 1]; /* the last is NULL */
    }
    sessions->oldest = all[0];
    sessions->youngest = n == 0 ? NULL : all[n - 1];
    free(all);
    return true;
}

struct sessions *sessions_new(struct context *context, const char *folder, bool may_end)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);
    char boot[PROCESS_BOOT_SIZE];

    if (sessions == NULL)
        return NULL;
    sessions->context = context;
    sessions->may_end = may_end;
    if (!process_boot(boot)) {
        log_error("/proc/sys/kernel/random/boot_id cannot be read");
        free(sessions);
        return NULL;
    }
    if (table_start(&sessions->table) && table_start(&sessions->monitors))
        sessions->worker = worker_new(context->loop);
    if (sessions->worker != NULL)
        sessions->files = session_files_new(sessions->worker, folder, boot);
    if (sessions->files != NULL)
        sessions->terminations = terminate_new(context->loop, sessions->worker);
    if (sessions->terminations == NULL) {
        sessions_free(sessions);
        return NULL;
    }
    session_files_load(sessions->files, load, sessions);
    if (!sort(sessions)) {
        log_error("sessions: out of memory");
        sessions_free(sessions);
        return NULL;
    }
    go_on_ending_all(sessions);
    set_timer(sessions);
    return sessions;
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    /* First what may still be under way for the rest. The files stay. */
    worker_free(sessions->worker);
    terminate_free(sessions->terminations);
    loop_timer_clear(sessions->context->loop, &sessions->timer);
    for (struct watch *watch = sessions->watch, *after; watch != NULL; watch = after) {
        after = watch->after;
        if (watch->asking)
            cache_forget(&watch->waiter);
        free(watch);
    }
    for (struct entry *entry = sessions->oldest, *younger; entry != NULL; entry = younger) {
        younger = entry->younger;
        free(entry);
    }
    session_files_free(sessions->files);
    table_end(&sessions->table);
    table_end(&sessions->monitors);
    free(sessions);
}
