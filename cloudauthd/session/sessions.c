/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/session/sessions.h"

#include "access/policy.h"
#include "base/fatal.h"
#include "base/log.h"
#include "base/table.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/cache/limits.h"
#include "cloudauthd/session/recheck.h"
#include "cloudauthd/session/survey.h"
#include "cloudauthd/session/terminate.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define TICK_MS        100
#define FULL_SWEEP_MS  5000  /* least time between two sweeps of a full list */
#define FULL_LOG_MS    60000 /* least time between two log lines about a full list */
#define FLOOR_MS       1000  /* least time to the next question about an environment (next_due) */
#define SURVEY_SOON_MS 250   /* between surveys until DETACHED_MS after sshd has closed a session */
#define DETACHED_MS    2000  /* a session with processes this long after its close is detached */
#define SURVEY_MS      10000 /* between surveys of detached sessions */
#define NAMED_RATE     200   /* the most questions a second that the change feed causes */
#define NAMED_BURST    400
/* A recheck is due RECHECK_LEAST to RECHECK_MOST per cent of session_recheck after the last answer,
 * at random. */
#define RECHECK_LEAST 85
#define RECHECK_MOST  95

/* Reasons in the audit line, besides those of policy_token and of recheck.c. */
#define REASON_CLOSED   "closed"
#define REASON_GONE     "gone"
#define REASON_OPERATOR "ended-by-operator"
#define REASON_LEFT     "processes-left"

/* An open session. */
struct entry {
    struct table_node node;   /* in the table `monitors`, by the pid of session.monitor */
    TAILQ_ENTRY(entry) all;   /* in sessions->entries, by id and so by opening */
    LIST_ENTRY(entry) beside; /* in watch->entries */
    struct watch *watch;
    int64_t left_at; /* cloud_clock_ms() when the daemon learned that sshd has closed the session,
                        or that its sshd process has ended, while processes of the session may be
                        left; 0: sshd still serves it */
    const char *left_by; /* the reason for the audit line that is written once no process is left */
    bool detached;  /* a survey found processes of the session DETACHED_MS or more after left_at */
    bool unwritten; /* its file could not be written: store tries again */
    bool looking;   /* its terminals are being looked at: on_looked will be called */
    struct recheck_use use;
    struct session session;
};

/* An environment with open sessions. */
struct watch {
    struct table_node node;
    TAILQ_ENTRY(watch) link; /* in `watches`; take_turn puts it at the end */
    struct sessions *sessions;
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];
    LIST_HEAD(, entry) entries;
    size_t used;       /* number of entries in the list */
    int64_t due;       /* cloud_clock_ms() of the next recheck */
    int64_t named;     /* cloud_clock_ms() of the next question because of the change feed
                          (ask_of_named), which takes a token; INT64_MAX: none is planned */
    int64_t limits;    /* cloud_clock_ms() of the next judge_limits */
    int64_t ends;      /* the first expiry of a key or certificate of its sessions, in seconds since
                          1970, which makes a recheck due; INT64_MAX: none expires */
    int64_t confirmed; /* cloud_clock_ms() of the last request that got a good answer, or that of
                          the first question if it is overdue (judge_unanswered); 0: none */
    int64_t confirmed_wall; /* time(2) of that */
    int64_t asked;     /* cloud_clock_ms() of the last question; sessions_open may set it back */
    bool asking;       /* `waiter` is waiting for the cache's answer */
    int64_t sent;      /* while asking: cloud_clock_ms() of the question */
    int64_t sent_wall; /* time(2) of that */
    int64_t overdue;   /* while asking: cloud_clock_ms() of the next judge_unanswered */
    struct cache_waiter waiter;
};

struct sessions {
    struct sessions_setup setup;
    struct worker *worker; /* runs surveys and terminations, which read /proc */
    struct session_files *files;
    struct terminations *terminations;
    struct loop_timer timer, survey_timer;
    struct bucket questions; /* limits the questions that the change feed causes (take_turn) */
    bool surveying, stopping;
    struct table table, monitors; /* watches by environment; entries by monitor */
    TAILQ_HEAD(watches, watch) watches;
    TAILQ_HEAD(, entry) entries;
    size_t used;
    int64_t ahead; /* wall clock less time since boot, in seconds, as note_clock has it */
    uint64_t last_id;
    /* cloud_clock_ms() before which a full list is not logged, or swept, again. */
    int64_t next_full_log, next_full_sweep;
    struct sessions_view view;
};

/* ---- The list ---- */

static bool watch_equal(const struct table_node *node, const void *key)
{
    const struct watch *watch = TABLE_OWNER(node, struct watch, node);
    const struct cloud_name *wanted = key;

    return strcmp(watch->project, wanted->project) == 0 &&
           strcmp(watch->environment, wanted->environment) == 0;
}

static uint64_t watch_hash(const struct sessions *sessions, const struct cloud_name *name)
{
    return table_hash_pair(&sessions->table, name->project, name->environment);
}

static struct watch *find_watch(const struct sessions *sessions, const struct cloud_name *name)
{
    struct table_node *node =
        table_find(&sessions->table, watch_hash(sessions, name), watch_equal, name);

    return node == NULL ? NULL : TABLE_OWNER(node, struct watch, node);
}

static struct watch *find_or_add_watch(struct sessions *sessions, const struct cloud_name *name)
{
    struct watch *watch = find_watch(sessions, name);

    if (watch != NULL)
        return watch;
    watch = xcalloc(1, sizeof *watch);
    watch->sessions = sessions;
    strcpy(watch->project, name->project);
    strcpy(watch->environment, name->environment);
    watch->due = watch->named = watch->ends = INT64_MAX; /* `limits` is 0: due at once */
    TAILQ_INSERT_TAIL(&sessions->watches, watch, link);
    table_insert(&sessions->table, &watch->node, watch_hash(sessions, name));
    return watch;
}

static void drop_watch(struct watch *watch)
{
    if (watch->asking)
        cache_forget(&watch->waiter);
    TAILQ_REMOVE(&watch->sessions->watches, watch, link);
    table_remove(&watch->sessions->table, &watch->node);
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

static struct entry *find_id(const struct sessions *sessions, const char *id)
{
    struct entry *entry;

    TAILQ_FOREACH(entry, &sessions->entries, all)
        if (strcmp(entry->session.id, id) == 0)
            break;
    return entry;
}

static struct entry *add_entry(struct sessions *sessions, const struct session *session)
{
    struct entry *entry = xcalloc(1, sizeof *entry);
    struct watch *watch = find_or_add_watch(sessions, &session->name);

    entry->session = *session;
    entry->use.active_at = session->opened;
    entry->watch = watch;
    watch->limits = 0;
    TAILQ_INSERT_TAIL(&sessions->entries, entry, all);
    LIST_INSERT_HEAD(&watch->entries, entry, beside);
    watch->used++;
    table_insert(&sessions->monitors, &entry->node, monitor_hash(sessions, &session->monitor));
    sessions->used++;
    return entry;
}

/* Removes an entry, and with the last entry of an environment its watch. The file of a session that
 * is being terminated stays until the termination is over. */
static void drop_entry(struct sessions *sessions, struct entry *entry)
{
    struct watch *watch = entry->watch;

    if (!entry->session.ending)
        session_files_remove(sessions->files, entry->session.id);
    TAILQ_REMOVE(&sessions->entries, entry, all);
    LIST_REMOVE(entry, beside);
    table_remove(&sessions->monitors, &entry->node);
    watch->used--;
    sessions->used--;
    free(entry);
    if (LIST_EMPTY(&watch->entries))
        drop_watch(watch);
}

/* Writes the file of a session that is on the list. If that fails, as while /run is full, the next
 * recheck tries again. */
static void store(struct sessions *sessions, struct entry *entry)
{
    entry->unwritten = !session_files_write(sessions->files, &entry->session);
    sessions->view.unwritable = entry->unwritten;
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
                          .offered = &session->offered,
                          .from = session->from,
                          .service = session->service,
                          .reason = reason,
                          .source = "none",
                          .age = AUDIT_NO_AGE,
                          .pid = session->monitor.pid,
                          .session = session->id};

    /* Only root may ask to end a session (requests.c). */
    if (strcmp(reason, REASON_OPERATOR) == 0)
        audit.detail = "root ended it with cloudauthctl";
    if (answer != NULL && answer->result != CACHE_UNAVAILABLE) {
        audit.source = answer->stale ? "cache" : "api";
        audit.age = answer->age;
    }
    audit_write(&audit);
}

/* Counts a session that is over, and drops its entry. Writes its audit line, unless it was
 * terminated: end_entry has then written one. */
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

/* Returns the audit session id by which the session's processes are found. PROCESS_NO_AUDIT if
 * another session that goes on has the same id, as when a person has started an sshd by hand within
 * a session: the processes of the two cannot be told apart. */
static uint32_t own_audit(const struct sessions *sessions, const struct session *session)
{
    const struct entry *entry;

    TAILQ_FOREACH(entry, &sessions->entries, all)
        if (&entry->session != session && entry->session.audit == session->audit &&
            !entry->session.ending)
            return PROCESS_NO_AUDIT;
    return session->audit;
}

/* ---- Processes that leave their session ---- */

static void on_survey(void *arg);

static void set_survey(struct sessions *sessions, int64_t milliseconds)
{
    struct loop_timer *timer = &sessions->survey_timer;

    if (sessions->surveying || (timer->set && timer->at <= cloud_clock_ms() + milliseconds))
        return;
    timer->due = on_survey;
    timer->arg = sessions;
    loop_timer_set(sessions->setup.loop, timer, milliseconds);
}

/* Closes each session that is over: its sshd process had closed it or ended before the survey
 * began, and the survey found no process of it. Marks a session as detached if processes are left
 * after DETACHED_MS. */
static void on_surveyed(void *arg, const struct survey *survey)
{
    struct sessions *sessions = arg;
    struct entry *entry, *next;
    bool left = false, soon = false;
    size_t i = 0;

    sessions->surveying = false;
    for (entry = TAILQ_FIRST(&sessions->entries); entry != NULL && !sessions->stopping;
         entry = next) {
        next = TAILQ_NEXT(entry, all);
        while (i < survey->n && strcmp(survey->item[i].id, entry->session.id) < 0)
            i++;
        if (entry->left_at == 0 || entry->session.ending)
            continue;
        if (i < survey->n && strcmp(survey->item[i].id, entry->session.id) == 0) {
            if (!survey->item[i].lives) {
                close_entry(sessions, entry, entry->left_by);
                continue;
            }
            if (!entry->detached && cloud_clock_ms() - entry->left_at >= DETACHED_MS) {
                entry->detached = true;
                audit_session(&entry->session, "detach", REASON_LEFT, NULL);
            }
        }
        left = true;
        soon |= !entry->detached;
    }
    if (left)
        set_survey(sessions, soon ? SURVEY_SOON_MS : SURVEY_MS);
}

static void on_survey(void *arg)
{
    struct sessions *sessions = arg;
    const struct entry *entry;
    struct survey *survey;
    size_t n = 0;

    TAILQ_FOREACH(entry, &sessions->entries, all)
        n += entry->left_at != 0;
    if (n == 0)
        return;
    survey = survey_new(n);
    survey->n = 0;
    TAILQ_FOREACH(entry, &sessions->entries, all)
        if (entry->left_at != 0) {
            struct survey_item *item = &survey->item[survey->n++];
            *item = (struct survey_item){.audit = entry->session.audit, .uid = entry->session.uid};
            memcpy(item->id, entry->session.id, sizeof item->id);
        }
    survey->done = on_surveyed;
    survey->arg = sessions;
    sessions->surveying = true;
    survey_begin(survey, sessions->worker);
}

/* Notes that the sshd process of the session has closed it or has ended. If the session's processes
 * can be found by an audit session id, returns true: the next survey, or its termination, decides
 * whether the session is over. Otherwise closes it and returns false: the entry has been freed. */
static bool leave_entry(struct sessions *sessions, struct entry *entry, const char *reason)
{
    if (entry->left_at != 0)
        return true;
    if (own_audit(sessions, &entry->session) == PROCESS_NO_AUDIT) {
        close_entry(sessions, entry, reason);
        return false;
    }
    entry->left_at = cloud_clock_ms();
    entry->left_by = reason;
    if (!entry->session.ending)
        set_survey(sessions, SURVEY_SOON_MS);
    return true;
}

/* Returns whether the session goes on. Calls leave_entry if its sshd process has ended. If the
 * result is false, the entry has been freed. */
static bool goes_on(struct sessions *sessions, struct entry *entry)
{
    return entry->left_at != 0 || process_lives(&entry->session.monitor) ||
           leave_entry(sessions, entry, REASON_GONE);
}

/* Drops the sessions of the environment that do not go on. False if none is left: watch has then
 * been freed. */
static bool sweep(struct watch *watch)
{
    struct sessions *sessions = watch->sessions;
    struct entry *entry, *next;
    bool left = false;

    for (entry = LIST_FIRST(&watch->entries); entry != NULL; entry = next) {
        next = LIST_NEXT(entry, beside);
        left |= goes_on(sessions, entry);
    }
    return left;
}

static void sweep_all(struct sessions *sessions)
{
    struct entry *entry, *next;

    for (entry = TAILQ_FIRST(&sessions->entries); entry != NULL; entry = next) {
        next = TAILQ_NEXT(entry, all);
        (void)goes_on(sessions, entry);
    }
}

/* ---- Terminating ---- */

static int64_t recheck_ms(const struct sessions *sessions)
{
    return (int64_t)1000 * sessions->setup.conf->session_recheck;
}

/* The session is open again, or detached. The next recheck tries again, and judge_limits by then.
 */
static void keep_unended(struct sessions *sessions, struct entry *entry)
{
    struct watch *watch = entry->watch;
    int64_t again = cloud_clock_ms() + recheck_ms(sessions);

    log_error(
        "session %s of %s as %s could not be terminated: processes of it may still be running, "
        "its sshd process was %d",
        entry->session.id, entry->session.user, entry->session.account,
        (int)entry->session.monitor.pid);
    if (again < watch->limits)
        watch->limits = again;
    store(sessions, entry);
    set_survey(sessions, SURVEY_SOON_MS);
}

static void on_terminated(void *arg, const char *id, bool over)
{
    struct sessions *sessions = arg;
    struct entry *entry = find_id(sessions, id);

    if (entry == NULL) { /* sshd has closed the session, which has no audit session id */
        if (over)
            session_files_remove(sessions->files, id);
        return; /* the file of a session that is not over has the next daemon try again */
    }
    entry->session.ending = false;
    if (over || (!process_lives(&entry->session.monitor) &&
                 own_audit(sessions, &entry->session) == PROCESS_NO_AUDIT)) {
        sessions->view.ended++;
        drop_entry(sessions, entry);
        return;
    }
    if (goes_on(sessions, entry))
        keep_unended(sessions, entry);
}

/* Begins to terminate the session (terminate.h). */
static void begin_termination(struct sessions *sessions, const struct session *session,
                              const char *message)
{
    const struct terminate_order order = {.monitor = session->monitor,
                                          .audit = own_audit(sessions, session),
                                          .uid = session->uid,
                                          .message = message,
                                          .id = session->id,
                                          .done = on_terminated,
                                          .arg = sessions};

    terminate_begin(sessions->terminations, &order);
}

/* Begins to terminate a session, unless that has begun already. `reason` goes into the audit
 * line, `why` is shown on the session's terminals. `answer` is the cache's answer that led to the
 * termination; NULL: none did. */
static void end_entry(struct sessions *sessions, struct entry *entry, const char *reason,
                      const char *why, const struct cache_answer *answer)
{
    const struct session *session = &entry->session;
    char message[512];

    if (entry->session.ending)
        return;
    snprintf(message, sizeof message, "cloudauth ends this session: %s", why);
    begin_termination(sessions, session, message);
    entry->session.ending = true;
    store(sessions, entry);
    audit_session(session, "end", reason, answer);
}

/* Continues a termination that an earlier daemon had begun. False, with a line in the log, if this
 * daemon may not terminate sessions. */
static bool continue_termination(struct sessions *sessions, const struct session *session)
{
    if (!sessions->setup.may_terminate) {
        log_warning("session %s of %s as %s: cannot continue to terminate it", session->id,
                    session->user, session->account);
        return false;
    }
    begin_termination(sessions, session, "cloudauth ends this session");
    log_info("session %s of %s as %s: continuing to terminate it", session->id, session->user,
             session->account);
    return true;
}

/* Continues the terminations that an earlier daemon had begun. */
static void continue_terminations(struct sessions *sessions)
{
    struct entry *entry, *next;

    for (entry = TAILQ_FIRST(&sessions->entries); entry != NULL; entry = next) {
        next = TAILQ_NEXT(entry, all);
        if (!entry->session.ending)
            continue;
        entry->session.ending = continue_termination(sessions, &entry->session);
        (void)goes_on(sessions, entry);
    }
}

/* ---- Rechecks ---- */

static bool rechecks(const struct sessions *sessions)
{
    return sessions->setup.may_terminate && recheck_ms(sessions) > 0;
}

/* Returns the cloud_clock_ms() of the next recheck after an answer that was true at the time
 * `asked`: at a random moment shortly before session_recheck has passed, so that the rechecks of
 * several environments spread, but not within `floor` from now. */
static int64_t next_due(const struct sessions *sessions, int64_t asked)
{
    int64_t recheck = recheck_ms(sessions), now = cloud_clock_ms(), floor = recheck / 2;
    int64_t due =
        asked + recheck * (RECHECK_LEAST + arc4random_uniform(RECHECK_MOST - RECHECK_LEAST)) / 100;

    if (floor > FLOOR_MS)
        floor = FLOOR_MS;
    return due < now + floor ? now + floor : due;
}

/* Notes a request that got a good answer. */
static void confirm(struct watch *watch, int64_t asked, int64_t asked_wall)
{
    if (asked <= watch->confirmed)
        return;
    watch->confirmed = asked;
    watch->confirmed_wall = asked_wall;
}

static void set_due(struct watch *watch, int64_t due)
{
    if (due < watch->due)
        watch->due = due;
}

/* Lowers watch->ends to the expiry of the session's key or certificate, if that is sooner. An
 * expiry that has passed is left out, because it would make a recheck due all the time; each
 * recheck judges it anyway. */
static void set_ends(struct watch *watch, const struct session *session, int64_t now)
{
    if (session->key_expires > now && session->key_expires < watch->ends)
        watch->ends = session->key_expires;
}

/* Copies the verdict's bounds to the session, and stores them if they have changed: they still
 * apply after a restart, and while no document may be used. */
static void keep_bounds(struct sessions *sessions, struct entry *entry,
                        const struct recheck_verdict *verdict)
{
    struct session *session = &entry->session;

    if (session->key_expires == verdict->key_expires &&
        session->max_seconds == verdict->max_seconds &&
        session->idle_seconds == verdict->idle_seconds)
        return;
    session->key_expires = verdict->key_expires;
    session->max_seconds = verdict->max_seconds;
    session->idle_seconds = verdict->idle_seconds;
    entry->watch->limits = 0;
    store(sessions, entry);
}

/* Whether the change feed has named the environment, its project or all environments at `time`
 * (cloud_clock_ms()) or later. */
static bool is_named_since(const struct watch *watch, int64_t time)
{
    return cache_last_named_at(watch->sessions->setup.cache, watch->project, watch->environment) >=
           time;
}

/* Plans another question (watch->named) if the answer that was requested at `asked` may not show
 * all that the change feed has named: soon, if the feed has named the environment since; at the end
 * of CACHE_SETTLE_MS, if the request was sent within that time after the naming. While the API
 * fails, the questions go on, but the cache's back-off limits the requests. */
static void ask_of_named(struct watch *watch, int64_t asked)
{
    struct cache *cache = watch->sessions->setup.cache;
    int64_t named = cache_named_at(cache, watch->project, watch->environment);
    int64_t soon = cloud_clock_ms() + FLOOR_MS, settled = named + CACHE_SETTLE_MS;

    if (is_named_since(watch, asked))
        watch->named = soon;
    else if (named > 0 && asked < settled)
        watch->named = soon > settled ? soon : settled;
}

/* Judges the sessions of the environment by the cache's answer. */
static void judge(struct watch *watch, const struct cache_answer *answer,
                  enum policy_reason admitted)
{
    struct sessions *sessions = watch->sessions;
    const struct recheck recheck = {.conf = sessions->setup.conf,
                                    .answer = answer,
                                    .visit = cache_visit(sessions->setup.cache, NULL),
                                    .admitted = admitted,
                                    .confirmed = watch->confirmed,
                                    .confirmed_wall = watch->confirmed_wall};
    struct recheck_verdict verdict;
    struct entry *entry;

    watch->ends = INT64_MAX;
    LIST_FOREACH(entry, &watch->entries, beside) {
        if (entry->unwritten)
            store(sessions, entry);
        if (entry->session.ending)
            continue;
        recheck_judge(&recheck, &entry->session, &verdict);
        keep_bounds(sessions, entry, &verdict);
        set_ends(watch, &entry->session, recheck.visit.now);
        if (verdict.terminate)
            end_entry(sessions, entry, verdict.reason, verdict.message, answer);
    }
}

static void on_answer(void *arg, const struct cache_answer *answer)
{
    struct watch *watch = arg;
    struct sessions *sessions = watch->sessions;
    enum policy_reason admitted = admission_of(sessions->setup.admission, answer, NULL, false);
    bool may_use = recheck_may_use(admitted), from_asked;

    watch->asking = false;
    /* `asked` is when the last good answer was requested, even if the result is
     * CACHE_UNAVAILABLE. */
    if (may_use || answer->result == CACHE_UNAVAILABLE)
        confirm(watch, answer->asked, answer->asked_wall);
    /* A current answer (cache_answer) holds now, however long ago it was requested. */
    from_asked = may_use && !answer->stale && !answer->current;
    watch->due = next_due(sessions, from_asked ? answer->asked : cloud_clock_ms());
    ask_of_named(watch, answer->asked);
    judge(watch, answer, admitted);
}

/* Judges the sessions as in an outage, while a question has had no answer for session_recheck:
 * where the disk hangs, a document that has to be written first has none for as long as that lasts.
 * After a restart session_max_stale counts from the question: until then, the API may have
 * confirmed the document. */
static void judge_unanswered(struct watch *watch, int64_t now)
{
    static const struct cache_answer none = {.result = CACHE_UNAVAILABLE, .detail = "no answer"};

    if (!watch->asking || now < watch->overdue)
        return;
    watch->overdue = now + recheck_ms(watch->sessions);
    if (watch->confirmed == 0)
        confirm(watch, watch->sent, watch->sent_wall);
    judge(watch, &none, POLICY_UNAVAILABLE);
}

/* Terminates the sessions of the environment that recheck_judge_by_host rejects. Returns whether
 * any other session is left; if not, the API must not be asked, because the settings may no longer
 * allow a question about the environment. */
static bool end_by_host(struct watch *watch)
{
    struct sessions *sessions = watch->sessions;
    struct recheck_verdict verdict;
    struct entry *entry;
    bool others = false;

    LIST_FOREACH(entry, &watch->entries, beside) {
        if (entry->session.ending)
            continue;
        recheck_judge_by_host(sessions->setup.admission, sessions->setup.denials, &entry->session,
                              &verdict);
        if (verdict.terminate)
            end_entry(sessions, entry, verdict.reason, verdict.message, NULL);
        else
            others = true;
    }
    return others;
}

static void ask(struct watch *watch)
{
    if (!sweep(watch))
        return;
    watch->named = watch->ends = INT64_MAX;
    watch->asked = cloud_clock_ms();
    watch->due = next_due(watch->sessions, watch->asked);
    if (!end_by_host(watch))
        return;
    watch->asking = true;
    watch->sent = watch->asked;
    watch->sent_wall = (int64_t)time(NULL);
    watch->overdue = watch->asked + recheck_ms(watch->sessions);
    watch->waiter = (struct cache_waiter){.answered = on_answer, .arg = watch, .trusted = true};
    cache_ask(watch->sessions->setup.cache, watch->project, watch->environment, CACHE_KEYS,
              &watch->waiter);
}

/* Returns whether to ask about the environment now, because a recheck is due, a key or certificate
 * has expired, or the change feed has named the environment. In the last case, takes a token and
 * moves the watch behind all others, so that each gets its turn even if the feed names all
 * environments again and again. now: cloud_clock_ms(); wall: seconds since 1970. */
static bool take_turn(struct watch *watch, int64_t now, int64_t wall)
{
    struct sessions *sessions = watch->sessions;

    if (watch->asking || watch->due <= now || watch->ends <= wall)
        return !watch->asking;
    if ((watch->named > now && !is_named_since(watch, watch->asked)) ||
        !limits_take_token(&sessions->questions, NAMED_RATE, NAMED_BURST, now))
        return false;
    TAILQ_REMOVE(&sessions->watches, watch, link);
    TAILQ_INSERT_TAIL(&sessions->watches, watch, link);
    return true;
}

static void on_looked(void *arg, const char *id, int64_t input)
{
    struct sessions *sessions = arg;
    struct entry *entry = find_id(sessions, id);

    if (entry == NULL)
        return;
    entry->looking = false;
    recheck_looked(&entry->session, input, &entry->use);
    entry->watch->limits = 0;
}

static void look(struct sessions *sessions, struct entry *entry, const char *message)
{
    const struct session *session = &entry->session;
    const struct terminate_order order = {.monitor = session->monitor,
                                          .audit = own_audit(sessions, session),
                                          .uid = session->uid,
                                          .message = message,
                                          .id = session->id,
                                          .looked = on_looked,
                                          .arg = sessions};

    entry->looking = true;
    terminate_begin(sessions->terminations, &order);
}

/* Warns the sessions of the environment whose limits are near, and terminates those whose limits
 * are reached. */
static void judge_limits(struct watch *watch)
{
    struct sessions *sessions = watch->sessions;
    int64_t now = cache_visit(sessions->setup.cache, NULL).now;
    struct recheck_limit limit;
    struct entry *entry;

    watch->limits = INT64_MAX;
    LIST_FOREACH(entry, &watch->entries, beside) {
        if (entry->session.ending || entry->looking)
            continue;
        recheck_limits(&entry->session, now, &entry->use, &limit);
        if (limit.step == RECHECK_END)
            end_entry(sessions, entry, limit.reason, limit.message, NULL);
        if (limit.step == RECHECK_LOOK)
            look(sessions, entry, limit.message);
        if (limit.due < watch->limits)
            watch->limits = limit.due;
    }
    if (watch->limits < cloud_clock_ms() + FLOOR_MS)
        watch->limits = cloud_clock_ms() + FLOOR_MS;
}

/* Has the limits of all sessions judged now if the wall clock (seconds) has advanced more than the
 * time since boot (milliseconds), as when a virtual machine was paused: watch->limits is a time
 * since boot. The two are read in turn and rounded, so a second more means nothing. */
static void note_clock(struct sessions *sessions, int64_t now, int64_t wall)
{
    int64_t ahead = wall - now / 1000;
    struct watch *watch;

    if (ahead >= sessions->ahead && ahead - sessions->ahead <= 1)
        return;
    if (ahead > sessions->ahead)
        TAILQ_FOREACH(watch, &sessions->watches, link)
            watch->limits = 0;
    sessions->ahead = ahead;
}

static void on_tick(void *arg);

/* Sets the timer, which runs only while there are sessions to recheck. */
static void set_timer(struct sessions *sessions)
{
    if (TAILQ_EMPTY(&sessions->watches) || !rechecks(sessions) || sessions->timer.set)
        return;
    sessions->timer.due = on_tick;
    sessions->timer.arg = sessions;
    loop_timer_set(sessions->setup.loop, &sessions->timer, TICK_MS);
}

static void on_tick(void *arg)
{
    struct sessions *sessions = arg;
    struct watch *watch, *next;
    const struct watch *last = TAILQ_LAST(&sessions->watches, watches);
    int64_t now = cloud_clock_ms(), wall = cache_visit(sessions->setup.cache, NULL).now;

    if (!rechecks(sessions))
        return;
    note_clock(sessions, now, wall);
    for (watch = TAILQ_FIRST(&sessions->watches); watch != NULL; watch = next) {
        /* take_turn may move watch to the end: the walk stops at the former last one. */
        next = watch == last ? NULL : TAILQ_NEXT(watch, link);
        if (watch->limits <= now)
            judge_limits(watch);
        judge_unanswered(watch, now);
        if (take_turn(watch, now, wall))
            ask(watch);
    }
    set_timer(sessions);
}

void sessions_check(struct sessions *sessions)
{
    struct watch *watch;

    TAILQ_FOREACH(watch, &sessions->watches, link)
        watch->due = cloud_clock_ms();
}

void sessions_each_environment(const struct sessions *sessions,
                               void (*visit)(void *arg, const char *project,
                                             const char *environment),
                               void *arg)
{
    const struct watch *watch;

    TAILQ_FOREACH(watch, &sessions->watches, link)
        visit(arg, watch->project, watch->environment);
}

void sessions_judge_by_host(struct sessions *sessions)
{
    struct watch *watch;

    if (!rechecks(sessions))
        return;
    TAILQ_FOREACH(watch, &sessions->watches, link)
        (void)end_by_host(watch);
}

void sessions_configure(struct sessions *sessions)
{
    struct watch *watch;

    TAILQ_FOREACH(watch, &sessions->watches, link) {
        int64_t now = cloud_clock_ms(), due = next_due(sessions, now);
        if (due < watch->due || watch->due <= now) /* overdue: rechecks were off */
            watch->due = due;
    }
    sessions_judge_by_host(sessions);
    set_timer(sessions);
}

/* ---- Open, close, list, end ---- */

/* Makes the id of a session from the time in microseconds. Each id is greater than the one before,
 * so that the list is in the order in which sessions were opened. */
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

/* Whether the environment may have one more session: it must have fewer than the list has free
 * places, so that one environment never takes all of them. */
static bool fits(const struct sessions *sessions, const struct cloud_name *name)
{
    const struct watch *watch = find_watch(sessions, name);

    return (watch == NULL ? 0 : watch->used) < SESSIONS_MAX - sessions->used;
}

/* Drops the sessions that are over, at most every FULL_SWEEP_MS, because it reads /proc for each
 * session. */
static void sweep_full(struct sessions *sessions)
{
    int64_t now = cloud_clock_ms();

    if (now < sessions->next_full_sweep)
        return;
    sessions->next_full_sweep = now + FULL_SWEEP_MS;
    sweep_all(sessions);
}

static void log_full(struct sessions *sessions, const struct cloud_name *name)
{
    int64_t now = cloud_clock_ms();

    if (now < sessions->next_full_log)
        return;
    sessions->next_full_log = now + FULL_LOG_MS;
    log_error("%zu of at most %d sessions are open: environment %s of project %s can open no more",
              sessions->used, SESSIONS_MAX, name->environment, name->project);
}

bool sessions_is_denied(const struct sessions *sessions, const struct session *session)
{
    return recheck_is_denied(sessions->setup.denials, session);
}

bool sessions_open(struct sessions *sessions, const struct session *session, int64_t asked,
                   int64_t asked_wall, bool stale)
{
    struct entry *entry = find_monitor(sessions, &session->monitor);
    struct session opened = *session;

    if (entry != NULL)
        close_entry(sessions, entry, REASON_CLOSED);
    if (!fits(sessions, &session->name))
        sweep_full(sessions);
    if (!fits(sessions, &session->name)) {
        log_full(sessions, &session->name);
        return false;
    }
    make_id(sessions, opened.id);
    opened.opened = cloud_clock_ms();
    opened.since = cache_visit(sessions->setup.cache, NULL).now;
    if (!session_files_write(sessions->files, &opened)) {
        session_files_remove(sessions->files, opened.id);
        sessions->view.unwritable = true;
        return false;
    }
    sessions->view.unwritable = false;
    entry = add_entry(sessions, &opened);
    set_due(entry->watch, next_due(sessions, stale ? opened.opened - recheck_ms(sessions) : asked));
    set_ends(entry->watch, &opened, 0);
    /* If the change feed has named the environment since `asked`, the question that followed has
     * rechecked only the sessions that were open then. Setting watch->asked back makes take_turn
     * ask again, for this session. */
    if (asked < entry->watch->asked)
        entry->watch->asked = asked;
    confirm(entry->watch, asked, asked_wall);
    set_timer(sessions);
    sessions->view.opened++;
    return true;
}

void sessions_close(struct sessions *sessions, const struct process *monitor, const char *account)
{
    struct entry *entry = find_monitor(sessions, monitor);

    if (entry != NULL && strcmp(entry->session.account, account) == 0)
        (void)leave_entry(sessions, entry, REASON_CLOSED);
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->used;
}

void sessions_look(const struct sessions *sessions, struct sessions_view *out)
{
    *out = sessions->view;
    out->open = sessions->used;
}

size_t sessions_using(struct sessions *sessions, const char *project, const char *environment,
                      uint32_t uid)
{
    const struct entry *entry;
    size_t n = 0;

    sweep_all(sessions);
    TAILQ_FOREACH(entry, &sessions->entries, all)
        n += entry->session.uid == uid ||
             (strcmp(entry->session.name.project, project) == 0 &&
              strcmp(entry->session.name.environment, environment) == 0);
    return n;
}

void sessions_each(struct sessions *sessions, const char *after, sessions_visit *visit, void *arg)
{
    struct entry *entry = TAILQ_FIRST(&sessions->entries), *younger;
    bool more = true;

    for (; entry != NULL && more; entry = younger) {
        younger = TAILQ_NEXT(entry, all);
        if (strcmp(entry->session.id, after) <= 0)
            continue;
        if (goes_on(sessions, entry))
            more = visit(arg, &entry->session,
                         entry->session.ending ? "ending"
                         : entry->left_at != 0 ? "detached"
                                               : "open");
    }
}

enum sessions_end sessions_end(struct sessions *sessions, const char *id)
{
    struct entry *entry = find_id(sessions, id);

    if (entry != NULL && !goes_on(sessions, entry))
        entry = NULL;
    if (entry == NULL)
        return SESSIONS_END_UNKNOWN;
    if (!sessions->setup.may_terminate)
        return SESSIONS_END_CANNOT;
    end_entry(sessions, entry, REASON_OPERATOR, "an operator of this host requests it", NULL);
    return SESSIONS_END_BEGUN;
}

/* ---- Start and stop ---- */

/* Implements session_files_each: adds a stored session to the list. If the session ended while no
 * daemon ran, as in a reboot, writes its audit line instead. Returns false to have its file
 * removed. */
static bool load(void *arg, const struct session *session, bool this_boot)
{
    struct sessions *sessions = arg;
    uint64_t id = strtoull(session->id, NULL, 16);
    bool lives = this_boot && process_lives(&session->monitor);
    struct entry *entry;

    if (!session->ending && !lives && (!this_boot || session->audit == PROCESS_NO_AUDIT)) {
        audit_session(session, "close", REASON_GONE, NULL);
        sessions->view.gone++;
        return false;
    }
    if (!this_boot || sessions->used >= SESSIONS_MAX)
        return false;
    entry = add_entry(sessions, session);
    set_due(entry->watch, cloud_clock_ms() + (int64_t)arc4random_uniform(
                                                 (uint32_t)(recheck_ms(sessions) / 2 + 1)));
    set_ends(entry->watch, session, 0);
    if (id > sessions->last_id)
        sessions->last_id = id;
    if (!lives && !session->ending)
        (void)leave_entry(sessions, entry, REASON_GONE);
    return true;
}

struct sessions *sessions_new(const struct sessions_setup *setup)
{
    struct sessions *sessions = xcalloc(1, sizeof *sessions);
    char boot[PROCESS_BOOT_SIZE];

    if (!process_boot(boot))
        fatal("cannot read /proc/sys/kernel/random/boot_id");
    sessions->setup = *setup;
    TAILQ_INIT(&sessions->watches);
    TAILQ_INIT(&sessions->entries);
    table_start(&sessions->table);
    table_start(&sessions->monitors);
    sessions->worker = worker_new(setup->loop);
    sessions->files = session_files_new(setup->directory, boot);
    sessions->terminations = terminate_new(setup->loop, sessions->worker);
    session_files_move(sessions->files, setup->former);
    session_files_load(sessions->files, load, sessions);
    continue_terminations(sessions);
    set_timer(sessions);
    return sessions;
}

void sessions_free(struct sessions *sessions)
{
    struct watch *watch;
    struct entry *entry;

    /* The worker is freed first, because its work refers to everything that is freed below. The
     * sessions' files stay. */
    sessions->stopping = true;
    worker_free(sessions->worker);
    loop_timer_clear(sessions->setup.loop, &sessions->survey_timer);
    terminate_free(sessions->terminations);
    loop_timer_clear(sessions->setup.loop, &sessions->timer);
    while ((watch = TAILQ_FIRST(&sessions->watches)) != NULL) {
        TAILQ_REMOVE(&sessions->watches, watch, link);
        if (watch->asking)
            cache_forget(&watch->waiter);
        free(watch);
    }
    while ((entry = TAILQ_FIRST(&sessions->entries)) != NULL) {
        TAILQ_REMOVE(&sessions->entries, entry, all);
        free(entry);
    }
    session_files_free(sessions->files);
    table_end(&sessions->table);
    table_end(&sessions->monitors);
    free(sessions);
}
