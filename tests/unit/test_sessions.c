/* SPDX-License-Identifier: Apache-2.0 */

/* The sessions against a cache, terminations, processes and a clock of the test's own. */
#include "cloudauthd/session/sessions.h"

#include "access/bindings.h"
#include "access/denials.h"
#include "access/document.h"
#include "access/keys.h"
#include "access/local_ids.h"
#include "base/log.h"
#include "cloudauthd/audit/audit.h"
#include "cloudauthd/cache/admission.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/session/terminate.h"
#include "common/text.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/sample_keys.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define RECHECK 60
#define BOOT    "11111111-2222-3333-4444-555555555555"

static struct cloud_conf conf;
static struct admission admission = {.conf = &conf};
static struct sessions *sessions;
static const char *boot = BOOT;

/* ---- Replacements of what the sessions use ---- */

static struct loop_timer *timers[2]; /* that are or were set */

void loop_timer_set(struct loop *loop, struct loop_timer *set, int64_t milliseconds)
{
    (void)loop;
    set->at = fake_ms + milliseconds;
    set->set = true;
    if (timers[0] != set && timers[0] != NULL)
        timers[1] = set;
    else
        timers[0] = set;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *set)
{
    (void)loop;
    set->set = false;
}

static struct loop_timer *next_timer(void)
{
    struct loop_timer *next = NULL;

    for (int i = 0; i < 2; i++)
        if (timers[i] != NULL && timers[i]->set && (next == NULL || timers[i]->at < next->at))
            next = timers[i];
    return next;
}

/* Lets the clock run on to a time, and the timers with it. */
static void run_to(int64_t ms)
{
    struct loop_timer *due;

    while ((due = next_timer()) != NULL && due->at <= ms) {
        if (fake_ms < due->at)
            fake_ms = due->at;
        due->set = false;
        due->due(due->arg);
    }
    fake_ms = ms;
}

static struct cache_waiter *waiter;        /* the question that is not answered yet */
static bool many;                          /* any number of questions is not answered */
static struct cache_waiter *asks_of[8000]; /* while many: each question's waiter */
static unsigned questions, forgotten;

void cache_ask(struct cache *cache, const char *project, const char *environment,
               enum cache_need need, struct cache_waiter *asks)
{
    (void)cache;
    assert_string_equal(project, "abcdefghij");
    assert_non_null(environment);
    assert_int_equal(need, CACHE_KEYS);
    assert_true(asks->trusted);
    assert_true(many || waiter == NULL);
    waiter = asks;
    if (many && questions < sizeof asks_of / sizeof asks_of[0])
        asks_of[questions] = asks;
    questions++;
}

void cache_forget(struct cache_waiter *asks)
{
    assert_true(many || waiter == asks);
    waiter = NULL;
    forgotten++;
}

static int64_t named_at, all_named_at; /* when the change feed named each environment; all */

struct policy_visit cache_visit(const struct cache *cache, const char *from)
{
    (void)cache;
    return (struct policy_visit){(int64_t)time(NULL), (int64_t)time(NULL), from, NULL};
}

int64_t cache_named_at(const struct cache *cache, const char *project, const char *environment)
{
    (void)cache;
    (void)project;
    (void)environment;
    return named_at;
}

int64_t cache_last_named_at(const struct cache *cache, const char *project, const char *environment)
{
    int64_t named = cache_named_at(cache, project, environment);

    return named > 0 && named > all_named_at ? named : all_named_at;
}

static struct denial_list none_denied;
static struct denials denials = {.list = &none_denied};

static bool no_files, full;

int __real_statefile_write(int directory, const char *name, const char *bytes, size_t n);
int __wrap_statefile_write(int directory, const char *name, const char *bytes, size_t n);
int __wrap_statefile_write(int directory, const char *name, const char *bytes, size_t n)
{
    return full ? ENOSPC : no_files ? 0 : __real_statefile_write(directory, name, bytes, n);
}

/* The worker does everything at once. */
struct worker *worker_new(struct loop *loop)
{
    (void)loop;
    return (struct worker *)&conf;
}

void worker_free(struct worker *worker)
{
    (void)worker;
}

void worker_add(struct worker *worker, struct work *work)
{
    (void)worker;
    work->run(work);
    work->finish(work);
}

/* Copies of the orders. */
static struct {
    struct terminate_order order;
    char message[256], id[TERMINATE_ID_SIZE];
} ordered[16];
static size_t orders;

struct terminations *terminate_new(struct loop *loop, struct worker *worker)
{
    (void)loop;
    (void)worker;
    return (struct terminations *)&conf;
}

void terminate_free(struct terminations *terminations)
{
    (void)terminations;
}

void terminate_begin(struct terminations *terminations, const struct terminate_order *order)
{
    (void)terminations;
    assert_true(orders < sizeof ordered / sizeof ordered[0]);
    ordered[orders].order = *order;
    snprintf(ordered[orders].message, sizeof ordered[0].message, "%s", order->message);
    snprintf(ordered[orders].id, sizeof ordered[0].id, "%s", order->id);
    orders++;
}

/* Reports that the termination is over. */
static void order_is_done(size_t i)
{
    ordered[i].order.done(ordered[i].order.arg, ordered[i].id, true);
}

/* Reports that processes of the session are left. */
static void order_fails(size_t i)
{
    ordered[i].order.done(ordered[i].order.arg, ordered[i].id, false);
}

/* Reports what a look at the terminals has found. */
static void look_is_done(size_t i, int64_t input)
{
    assert_non_null(ordered[i].order.looked);
    ordered[i].order.looked(ordered[i].order.arg, ordered[i].id, input);
}

static pid_t dead[8]; /* every other process lives */
static size_t deads;
static unsigned looks; /* at processes */

bool process_lives(const struct process *process)
{
    looks++;
    for (size_t i = 0; i < deads; i++)
        if (dead[i] == process->pid)
            return false;
    return true;
}

static struct process_met left; /* the process that goes on; pid 0: none */

bool process_visit(process_visitor *visit, void *arg)
{
    if (left.pid != 0)
        visit(arg, &left);
    return true;
}

bool process_look(pid_t pid, struct process_info *out)
{
    assert_int_equal(pid, left.pid);
    out->zombie = false;
    return true;
}

bool process_boot(char out[PROCESS_BOOT_SIZE])
{
    snprintf(out, PROCESS_BOOT_SIZE, "%s", boot);
    return true;
}

static char line[AUDIT_LINE_MAX]; /* the last audit line */
static unsigned lines;
static char message[512]; /* the last other line */

void log_at(int level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
}

void log_write(int priority, const char *text)
{
    if ((priority & LOG_FACMASK) != LOG_AUTHPRIV)
        return;
    snprintf(line, sizeof line, "%s", text);
    lines++;
}

bool local_ids_refresh(struct local_ids *db)
{
    (void)db;
    return true;
}

static const char *local_name = ""; /* of a local user */

bool local_ids_has_name(const struct local_ids *db, const char *name)
{
    (void)db;
    return strcmp(name, local_name) == 0;
}

static uint32_t local_uid, local_gid;

bool local_ids_has_uid(const struct local_ids *db, uint32_t uid)
{
    (void)db;
    return uid == local_uid;
}

bool local_ids_has_gid(const struct local_ids *db, uint32_t gid)
{
    (void)db;
    return gid == local_gid;
}

bool local_ids_is_subordinate(const struct local_ids *ids, uint32_t uid, uint32_t gid)
{
    (void)ids;
    (void)uid;
    (void)gid;
    return false;
}

/* ---- Words ---- */

static unsigned char alices[KEY_FINGERPRINT_SIZE], bobs[KEY_FINGERPRINT_SIZE];

static void take_print(const char *type, const char *base64, unsigned char *out)
{
    struct key key;
    const char *why;

    assert_true(keys_parse(key_bytes_of(type, strlen(type)), key_bytes_of(base64, strlen(base64)),
                           &key, &why));
    memcpy(out, key.fingerprint, KEY_FINGERPRINT_SIZE);
}

static void start(bool may_terminate)
{
    sessions = sessions_new(&(const struct sessions_setup){.conf = &conf,
                                                           .admission = &admission,
                                                           .denials = &denials,
                                                           .directory = directory_path(),
                                                           .former = in_directory("former"),
                                                           .may_terminate = may_terminate});
    assert_non_null(sessions);
}

static void allow(const char *pattern)
{
    memset(&conf.grammar.allow, 0, sizeof conf.grammar.allow);
    assert_true(cloud_words_add(&conf.grammar.allow, pattern, strlen(pattern)));
}

static void set_conf(void)
{
    cloud_conf_defaults(&conf);
    conf.session_recheck = RECHECK;
    conf.uid_min = 200000;
    conf.uid_max = 299999;
    allow("abcdefghij*");
    local_name = "";
    local_uid = local_gid = 0;
}

static int setup(void **state)
{
    (void)state;
    take_print(ED25519_TYPE, ED25519_BASE64, alices);
    take_print(ED25519_SECOND_TYPE, ED25519_SECOND_BASE64, bobs);
    enter_directory();
    set_conf();
    admission.bindings = bindings_new();
    fake_ms = 1000000;
    fake_time = 1800000000;
    named_at = 0;
    all_named_at = INT64_MIN;
    questions = forgotten = lines = 0;
    orders = deads = 0;
    waiter = NULL;
    many = false;
    memset(timers, 0, sizeof timers);
    boot = BOOT;
    no_files = full = false;
    start(true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sessions_free(sessions);
    bindings_free(admission.bindings);
    leave_directory();
    return 0;
}

static void restart(void)
{
    sessions_free(sessions);
    memset(timers, 0, sizeof timers);
    waiter = NULL;
    start(true);
}

static struct session session_of(const char *user, pid_t pid, const char *environment)
{
    struct session session = {.name = {.kind = CLOUD_SHELL, .project = "abcdefghij"},
                              .account = "abcdefghij_stg",
                              .mail = "x@example.com",
                              .role = "contributor",
                              .from = "192.0.2.7",
                              .service = "sshd",
                              .monitor = {pid, 77},
                              .audit = PROCESS_NO_AUDIT,
                              .uid = 200002};

    strcpy(session.name.environment, environment);
    strcpy(session.user, user);
    snprintf(session.user_id, sizeof session.user_id, "id-%s", user);
    memcpy(session.offered.fingerprint, strcmp(user, "alice") == 0 ? alices : bobs,
           KEY_FINGERPRINT_SIZE);
    return session;
}

static void open_of(const char *user, pid_t pid)
{
    struct session session = session_of(user, pid, "staging");

    assert_true(sessions_open(sessions, &session, fake_ms, fake_time, false));
}

static bool add_session(void *arg, const struct session *session, const char *session_state)
{
    struct cloud_text *text = arg;
    char key[KEY_FINGERPRINT_TEXT], audit[16], rest[256];

    keys_fingerprint_text(session->offered.fingerprint, key);
    snprintf(audit, sizeof audit, "%u", session->audit);
    snprintf(rest, sizeof rest, " since=%lld service=%s pid=%d state=%s\n",
             (long long)session->since, session->service, (int)session->monitor.pid, session_state);
    cloud_text_add_all(text, "session=", session->id, " account=", session->account,
                       " project=", session->name.project,
                       " environment=", session->name.environment, " app=", session->name.app,
                       " user=", session->user, " user_id=", session->user_id,
                       " mail=", session->mail, " role=", session->role, " key=", key,
                       " audit=", audit, " from=", session->from, rest);
    return true;
}

static const char *list(void)
{
    static char out[65536];
    struct cloud_text text;

    cloud_text_start(&text, out, sizeof out);
    sessions_each(sessions, "", add_session, &text);
    assert_false(text.cut);
    return out;
}

static bool lists(const char *text)
{
    return strstr(list(), text) != NULL;
}

/* Runs until the cache is asked, which must be within session_recheck of `since`. */
static void await_question(int64_t since)
{
    unsigned before = questions;

    run_to(since + (int64_t)1000 * RECHECK * 85 / 100 - 1);
    assert_int_equal(questions, before);
    run_to(since + (int64_t)1000 * RECHECK);
    assert_int_equal(questions, before + 1);
    assert_non_null(waiter);
}

#define ALICE                                                                                      \
    "{\"id\":\"id-alice\",\"username\":\"alice\",\"role\":\"contributor\",\"ssh_keys\":"           \
    "[{\"value\":\"" ED25519_TYPE " " ED25519_BASE64 "\"}]}"
#define BOB                                                                                        \
    "{\"id\":\"id-bob\",\"username\":\"bob\",\"role\":\"contributor\",\"ssh_keys\":"               \
    "[{\"value\":\"" ED25519_SECOND_TYPE " " ED25519_SECOND_BASE64 "\"}]}"

static struct document *make_document(const char *status, const char *users, const char *extra)
{
    struct document_problem problem = {""};
    struct document *document;
    char body[4096];

    snprintf(body, sizeof body,
             "{\"version\":1,\"project\":\"abcdefghij\",\"environment\":{\"name\":\"staging\","
             "\"status\":\"%s\"},\"account\":{\"uid\":200002,\"gid\":200002,\"home\":\"/app/x\","
             "\"shell\":\"/bin/bash\"},\"users\":[%s]%s}",
             status, users, extra);
    document = document_parse(body, strlen(body), "abcdefghij", "staging", &problem);
    if (document == NULL)
        fail_msg("%s", problem.text);
    return document;
}

static void answer(const struct cache_answer *answer)
{
    struct cache_waiter *asks = waiter;
    struct cache_answer known = *answer;

    assert_non_null(asks);
    waiter = NULL;
    if (known.asked_wall == 0)
        known.asked_wall = fake_time;
    asks->answered(asks->arg, &known);
}

static void answer_document(const char *status, const char *users, const char *extra, bool stale)
{
    struct document *document = make_document(status, users, extra);
    const struct cache_answer known = {.result = CACHE_DOCUMENT,
                                       .document = document,
                                       .stale = stale,
                                       .asked = stale ? 0 : fake_ms};

    answer(&known);
    document_free(document);
}

/* ---- The list ---- */

static void test_open_and_close(void **state)
{
    const struct process monitor = {100, 77}, other = {100, 78};

    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    assert_int_equal(sessions_count(sessions), 2);
    assert_true(lists(" account=abcdefghij_stg project=abcdefghij environment=staging "
                      "app= user=alice user_id=id-alice mail=x@example.com role=contributor "
                      "key=" ED25519_PRINT
                      " audit=4294967295 from=192.0.2.7 since=1800000000 service=sshd pid=100 "
                      "state=open\n"));
    assert_true(strstr(list(), "user=alice") < strstr(list(), "user=bob"));
    sessions_close(sessions, &other, "abcdefghij_stg");
    sessions_close(sessions, &monitor, "abcdefghij");
    assert_int_equal(sessions_count(sessions), 2);
    lines = 0;
    sessions_close(sessions, &monitor, "abcdefghij_stg");
    assert_int_equal(sessions_count(sessions), 1);
    assert_int_equal(lines, 1);
    assert_memory_equal(line, "close account=abcdefghij_stg ", 29);
    assert_non_null(strstr(line, " user=alice role=contributor key=" ED25519_PRINT));
    assert_non_null(strstr(line, " reason=closed source=none age= pid=100 session=0"));
    assert_false(lists("user=alice"));
}

/* A closed session whose processes go on stays until they end, across restarts, and is ended like
 * any other. */
static void test_detached(void **state)
{
    struct session a = session_of("alice", 100, "staging");
    char id[SESSION_ID_SIZE];

    (void)state;
    a.audit = 9;
    left = (struct process_met){.pid = 7, .ids = {{200002, 200002, 200002, 200002}, 9}};
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    snprintf(id, sizeof id, "%.16s", list() + strlen("session="));
    lines = 0;
    sessions_close(sessions, &a.monitor, a.account);
    dead[deads++] = 100;
    run_to(fake_ms + 1500);
    assert_int_equal(lines, 0);
    run_to(fake_ms + 1000);
    assert_int_equal(lines, 1);
    assert_memory_equal(line, "detach account=abcdefghij_stg ", 30);
    assert_true(lists(" user=alice ") && lists(" audit=9 ") && lists("state=detached"));
    restart();
    run_to(fake_ms + 5000);
    assert_true(lists("state=detached"));
    run_to(fake_ms + (int64_t)1000 * RECHECK);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
    assert_int_equal(ordered[0].order.audit, 9);
    assert_string_equal(ordered[0].id, id);
    order_is_done(0);
    assert_int_equal(sessions_count(sessions), 0);
    left.pid = 0;
}

/* A detached session whose processes could not be ended stays, across restarts, and the next
 * recheck tries again; if they end by themselves, it is over. */
static void test_detached_stays(void **state)
{
    struct session a = session_of("alice", 100, "staging");

    (void)state;
    a.audit = 9;
    left = (struct process_met){.pid = 7, .ids = {{200002, 200002, 200002, 200002}, 9}};
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    sessions_close(sessions, &a.monitor, a.account);
    dead[deads++] = 100;
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
    order_fails(0);
    assert_true(lists("state=detached"));
    restart();
    assert_int_equal(orders, 1);
    run_to(fake_ms + (int64_t)1000 * RECHECK);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 2);
    order_fails(1);
    assert_true(lists("state=detached"));
    left.pid = 0;
    run_to(fake_ms + 20000);
    assert_int_equal(sessions_count(sessions), 0);
}

/* So does one whose sshd process has ended while the others go on. */
static void test_detached_by_end(void **state)
{
    struct session a = session_of("alice", 100, "staging");

    (void)state;
    a.audit = 9;
    left = (struct process_met){.pid = 7, .ids = {{200002, 200002, 200002, 200002}, 9}};
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
    dead[deads++] = 100;
    order_fails(0);
    assert_true(lists("state=detached"));
    left.pid = 0;
    run_to(fake_ms + 20000);
    assert_int_equal(sessions_count(sessions), 0);
}

/* By an operator, and one whose processes end by themselves; root's process is none of them. */
static void test_detached_ends(void **state)
{
    struct session a = session_of("alice", 100, "staging"), b = session_of("bob", 101, "staging");
    char id[SESSION_ID_SIZE];

    (void)state;
    a.audit = 9;
    b.audit = 10;
    left = (struct process_met){.pid = 7, .ids = {{200002, 200002, 200002, 200002}, 9}};
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    assert_true(sessions_open(sessions, &b, fake_ms, fake_time, false));
    snprintf(id, sizeof id, "%.16s", list() + strlen("session="));
    sessions_close(sessions, &a.monitor, a.account);
    sessions_close(sessions, &b.monitor, b.account);
    run_to(fake_ms + 1000);
    assert_int_equal(sessions_count(sessions), 1);
    assert_non_null(strstr(line, "close "));
    assert_non_null(strstr(line, " user=bob "));
    assert_int_equal(sessions_end(sessions, id), SESSIONS_END_BEGUN);
    order_is_done(0);
    assert_int_equal(sessions_count(sessions), 0);
    left.ids = (struct process_ids){{0, 0, 0, 0}, 9};
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    sessions_close(sessions, &a.monitor, a.account);
    run_to(fake_ms + 1000);
    assert_int_equal(sessions_count(sessions), 0);
    left.pid = 0;
}

/* A monitor whose first session was not closed has one session. */
static void test_opened_again(void **state)
{
    (void)state;
    open_of("alice", 100);
    open_of("alice", 100);
    assert_int_equal(sessions_count(sessions), 1);
}

static unsigned walked;

static bool take_three(void *arg, const struct session *session, const char *session_state)
{
    const struct session **last = arg;

    assert_string_equal(session_state, "open");
    assert_int_equal(session->monitor.pid, 100 + walked);
    *last = session;
    return ++walked % 3 != 0;
}

static void test_pages(void **state)
{
    const struct session *last = NULL;

    (void)state;
    for (pid_t pid = 100; pid < 140; pid++)
        open_of("alice", pid);
    for (walked = 0; walked < 40;)
        sessions_each(sessions, last == NULL ? "" : last->id, take_three, &last);
    sessions_each(sessions, last->id, take_three, &last);
    assert_int_equal(walked, 40);
}

static void test_gone(void **state)
{
    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    dead[deads++] = 100;
    assert_false(lists("user=alice"));
    assert_non_null(strstr(line, " reason=gone "));
    assert_int_equal(sessions_count(sessions), 1);
}

/* Opens sessions of an environment up to the limit. */
static size_t fill(const char *environment, pid_t pid)
{
    struct session session = session_of("alice", pid, environment);
    size_t before = sessions_count(sessions);

    while (sessions_open(sessions, &session, fake_ms, fake_time, false))
        session.monitor.pid++;
    return sessions_count(sessions) - before;
}

/* One environment cannot use up the limit. */
static void test_share(void **state)
{
    struct session session = session_of("alice", 1, "staging");

    (void)state;
    no_files = true;
    assert_int_equal(fill("staging", 1000), SESSIONS_MAX / 2);
    assert_int_equal(fill("production", 100000), SESSIONS_MAX / 4);
    dead[deads++] = 1500;
    assert_false(sessions_open(sessions, &session, fake_ms, fake_time,
                               false)); /* it has swept a moment ago */
    fake_ms += 5000;
    assert_false(sessions_open(sessions, &session, fake_ms, fake_time,
                               false)); /* it has 9999, and 5001 are free */
    strcpy(session.name.environment, "main-bvxea6i");
    assert_true(sessions_open(sessions, &session, fake_ms, fake_time, false));
}

static void test_full(void **state)
{
    char environment[16] = "e0";
    struct session session = session_of("alice", 1, "e0");
    size_t before = 1;

    (void)state;
    no_files = true;
    for (int i = 1; sessions_count(sessions) < SESSIONS_MAX; i++) {
        assert_int_not_equal(sessions_count(sessions), before);
        before = sessions_count(sessions);
        fill(environment, 100000 * i);
        snprintf(environment, sizeof environment, "e%d", i);
    }
    strcpy(session.name.environment, environment);
    assert_false(sessions_open(sessions, &session, fake_ms, fake_time, false));
    dead[deads++] = 100500;
    assert_false(sessions_open(sessions, &session, fake_ms, fake_time,
                               false)); /* it has swept a moment ago */
    fake_ms += 5000;
    assert_true(sessions_open(sessions, &session, fake_ms, fake_time, false));
    assert_int_equal(sessions_count(sessions), SESSIONS_MAX);
}

/* ---- On disk ---- */

static void test_restart(void **state)
{
    char *before;

    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    open_of("alice", 102);
    before = strdup(list());
    assert_non_null(before);
    restart();
    assert_string_equal(list(), before);
    free(before);
    dead[deads++] = 101;
    restart();
    assert_int_equal(sessions_count(sessions), 2);
    assert_false(lists("user=bob"));
    assert_non_null(strstr(line, "close "));
    assert_non_null(strstr(line, " user=bob "));
    assert_non_null(strstr(line, " reason=gone "));
    open_of("bob", 103);
    assert_true(strstr(list(), "pid=102") < strstr(list(), "pid=103"));
    deads = 0;
    restart();
    assert_int_equal(sessions_count(sessions), 3);
    boot = "99999999-2222-3333-4444-555555555555";
    restart();
    assert_int_equal(sessions_count(sessions), 0);
    assert_non_null(strstr(line, " user=bob "));
    assert_non_null(strstr(line, " reason=gone "));
    boot = BOOT;
    line[0] = '\0';
    restart();
    assert_string_equal(line, "");
    assert_int_equal(sessions_count(sessions), 0);
}

static void test_closed_is_removed(void **state)
{
    const struct process monitor = {100, 77};

    (void)state;
    open_of("alice", 100);
    sessions_close(sessions, &monitor, "abcdefghij_stg");
    restart();
    assert_int_equal(sessions_count(sessions), 0);
}

/* An operator ends the first of the list. */
static void end_first(char id[SESSION_ID_SIZE])
{
    snprintf(id, SESSION_ID_SIZE, "%.16s", list() + strlen("session="));
    assert_int_equal(sessions_end(sessions, id), SESSIONS_END_BEGUN);
}

/* A daemon that is killed after any change has a successor that knows it. */
static void test_killed(void **state)
{
    struct sessions *killed = sessions;
    char id[SESSION_ID_SIZE];

    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    end_first(id);
    start(true);
    assert_int_equal(sessions_count(sessions), 2);
    assert_true(lists("pid=100 state=ending") && lists("pid=101 state=open"));
    assert_int_equal(orders, 2);
    assert_string_equal(ordered[1].id, id);
    sessions_free(killed);
}

/* A session whose file cannot be written is not opened, and leaves nothing. The log names the
 * account and the file. */
static void test_not_written(void **state)
{
    struct session session = session_of("alice", 100, "staging");
    char start[256];

    (void)state;
    full = true;
    assert_false(sessions_open(sessions, &session, fake_ms, fake_time, false));
    full = false;
    snprintf(start, sizeof start, "account %s: %s/sessions/", session.account, directory_path());
    assert_memory_equal(message, start, strlen(start));
    assert_non_null(strstr(message, " cannot be written: No space left on device"));
    assert_int_equal(sessions_count(sessions), 0);
    assert_true(sessions_open(sessions, &session, fake_ms, fake_time, false));
    restart();
    assert_int_equal(sessions_count(sessions), 1);
}

/* Sessions that version 0.1.1 has left in the state directory are taken over; a file of this
 * version stays as it is. */
static void test_moved(void **state)
{
    char path[64];
    int fd;

    (void)state;
    open_of("alice", 100);
    assert_int_equal(mkdir(in_directory("former"), 0700), 0);
    assert_int_equal(rename(in_directory("sessions"), in_directory("former/sessions")), 0);
    restart();
    assert_true(lists("user=alice"));
    assert_int_equal(access(in_directory("former"), F_OK), 0);
    assert_int_equal(access(in_directory("former/sessions"), F_OK), -1);
    assert_int_equal(rmdir(in_directory("former")), 0);
    restart();
    assert_true(lists("user=alice"));
    assert_int_equal(mkdir(in_directory("former"), 0700), 0);
    assert_int_equal(mkdir(in_directory("former/sessions"), 0700), 0);
    snprintf(path, sizeof path, "former/sessions/%.16s", list() + strlen("session="));
    fd = open(in_directory(path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && close(fd) == 0);
    restart();
    assert_true(lists("user=alice"));
    assert_int_equal(access(in_directory("former/sessions"), F_OK), -1);
    assert_int_equal(rmdir(in_directory("former")), 0);
}

/* A file with any byte changed is refused. */
static void test_file(void **state)
{
    struct session session = session_of("alice", 100, "staging"), back;
    char file[SESSION_FILE_SIZE], other[PROCESS_BOOT_SIZE];
    size_t n;

    (void)state;
    strcpy(session.id, "0123456789abcdef");
    session.since = 1800000000;
    session.audit = 5;
    n = session_files_format(&session, BOOT, file);
    assert_true(n > 200);
    assert_true(session_files_parse(file, n, &back, other));
    assert_memory_equal(&back, &session, sizeof back);
    assert_string_equal(other, BOOT);
    for (size_t i = 0; i < n; i++) {
        assert_false(session_files_parse(file, i, &back, other));
        file[i] ^= 1;
        assert_false(session_files_parse(file, n, &back, other));
        file[i] ^= 1;
    }
    file[n] = '\n';
    assert_false(session_files_parse(file, n + 1, &back, other));
    assert_true(session_files_parse(file, n, &back, other));
    session.key_expires = 1800000060;
    n = session_files_format(&session, BOOT, file);
    assert_true(session_files_parse(file, n, &back, other));
    assert_memory_equal(&back, &session, sizeof back);
    session.ending = true;
    n = session_files_format(&session, BOOT, file);
    assert_true(session_files_parse(file, n, &back, other));
    assert_memory_equal(&back, &session, sizeof back);
    session.key_expires = 0;
    n = session_files_format(&session, BOOT, file);
    assert_true(session_files_parse(file, n, &back, other));
    assert_memory_equal(&back, &session, sizeof back);
}

/* A file of version 0.1.0 is read, and the same bytes are written. */
static void test_file_format(void **state)
{
    static const char old[] =
        "cloudauth session 1 397 bf89dbb505a0ee3f84c49c33ad686460f0904c22ac0909fb59416df1a35383a8\n"
        "id 0123456789abcdef\n"
        "account abcdefghij_stg\n"
        "project abcdefghij\n"
        "environment staging\n"
        "app mymagento\n"
        "worker queue\n"
        "user alice\n"
        "user_id id-alice\n"
        "mail x@example.com\n"
        "role contributor\n"
        "key 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
        "from 192.0.2.7\n"
        "service sshd\n"
        "since 1800000000\n"
        "boot 11111111-2222-3333-4444-555555555555\n"
        "pid 100\n"
        "start 77\n"
        "audit 9\n"
        "uid 200002\n"
        "key_expires 1800000060\n"
        "ending 9\n";
    char file[SESSION_FILE_SIZE], other[PROCESS_BOOT_SIZE];
    struct session session = session_of("alice", 100, "staging"), back;

    (void)state;
    assert_true(session_files_parse(old, sizeof old - 1, &back, other));
    assert_string_equal(other, BOOT);
    strcpy(session.id, "0123456789abcdef");
    strcpy(session.name.app, "mymagento");
    strcpy(session.name.worker, "queue");
    for (unsigned char i = 0; i < KEY_FINGERPRINT_SIZE; i++)
        session.offered.fingerprint[i] = i;
    session.since = 1800000000;
    session.key_expires = 1800000060;
    session.ending = true;
    session.audit = 9;
    assert_memory_equal(&back, &session, sizeof back);
    assert_int_equal(session_files_format(&session, BOOT, file), sizeof old - 1);
    assert_memory_equal(file, old, sizeof old - 1);
}

/* Of a certificate the file has its name and its end. */
static void test_file_of_certificate(void **state)
{
    char file[SESSION_FILE_SIZE + 1], other[PROCESS_BOOT_SIZE];
    struct session session = session_of("alice", 100, "staging"), back;
    size_t n;

    (void)state;
    strcpy(session.id, "0123456789abcdef");
    session.offered.certified = true;
    session.offered.serial = UINT64_MAX;
    session.offered.ca[0] = 1;
    session.offered.valid_before = 1800000060;
    n = session_files_format(&session, BOOT, file);
    assert_true(n > 0);
    file[n] = '\0';
    assert_non_null(strstr(file, "\ncertificate 18446744073709551615@SHA256:AQAA"));
    assert_non_null(strstr(file, "\ncertificate_ends 1800000060\n"));
    assert_true(session_files_parse(file, n, &back, other));
    assert_memory_equal(&back, &session, sizeof back);
}

/* The next daemon continues a termination, also if the sshd process has ended. */
static void test_end_goes_on(void **state)
{
    struct session a = session_of("alice", 100, "staging");
    char id[SESSION_ID_SIZE];

    (void)state;
    a.audit = 9;
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    open_of("bob", 101);
    end_first(id);
    restart();
    assert_int_equal(orders, 2);
    assert_memory_equal(&ordered[1].order.monitor, &ordered[0].order.monitor,
                        sizeof ordered[0].order.monitor);
    assert_int_equal(ordered[1].order.audit, ordered[0].order.audit);
    assert_int_equal(ordered[1].order.uid, ordered[0].order.uid);
    assert_int_equal(ordered[1].order.audit, 9);
    assert_string_equal(ordered[1].id, id);
    assert_true(lists("state=ending"));
    sessions_close(sessions, &a.monitor, a.account);
    dead[deads++] = 100;
    assert_int_equal(sessions_count(sessions), 2);
    restart();
    assert_int_equal(orders, 3);
    assert_int_equal(ordered[2].order.audit, 9);
    assert_int_equal(sessions_count(sessions), 2);
    order_is_done(2);
    assert_int_equal(sessions_count(sessions), 1);
    assert_true(lists("user=bob"));
    restart();
    assert_int_equal(orders, 3);
}

/* An audit session id that another session has by now is not used. */
static void test_end_goes_on_beside(void **state)
{
    struct session a = session_of("alice", 100, "staging");
    struct session b = session_of("alice", 101, "staging");
    char id[SESSION_ID_SIZE];

    (void)state;
    a.audit = b.audit = 9;
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    end_first(id);
    assert_int_equal(ordered[0].order.audit, 9);
    assert_true(sessions_open(sessions, &b, fake_ms, fake_time, false));
    restart();
    assert_int_equal(orders, 2);
    assert_string_equal(ordered[1].id, id);
    assert_int_equal(ordered[1].order.audit, PROCESS_NO_AUDIT);
}

/* Two sessions that are being terminated may share an id. */
static void test_ends_go_on(void **state)
{
    struct session a = session_of("alice", 100, "staging");
    struct session b = session_of("alice", 101, "staging");

    (void)state;
    a.audit = b.audit = 9;
    for (int i = 0; i < 2; i++) {
        char id[SESSION_ID_SIZE];
        assert_true(sessions_open(sessions, i == 0 ? &a : &b, fake_ms, fake_time, false));
        snprintf(id, sizeof id, "%.16s",
                 (i == 0 ? list() : strchr(list(), '\n') + 1) + strlen("session="));
        assert_int_equal(sessions_end(sessions, id), SESSIONS_END_BEGUN);
        dead[deads++] = 100 + i;
        assert_false(lists("state=open"));
    }
    restart();
    assert_int_equal(orders, 4);
    assert_int_equal(ordered[2].order.audit, 9);
    assert_int_equal(ordered[3].order.audit, 9);
}

/* A daemon that may not terminate leaves the session to one that may. */
static void test_end_is_left(void **state)
{
    struct session a = session_of("alice", 100, "staging");
    char id[SESSION_ID_SIZE];

    (void)state;
    a.audit = 9;
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    end_first(id);
    dead[deads++] = 100;
    sessions_free(sessions);
    start(false);
    assert_int_equal(orders, 1);
    assert_true(lists("state=detached"));
    restart();
    assert_int_equal(orders, 2);
    assert_string_equal(ordered[1].id, id);
    order_is_done(1);
    restart();
    assert_int_equal(orders, 2);
}

/* A session that sshd has closed while it was terminated, and of which processes are left, stays on
 * the list: it can be terminated again, and is by the next daemon. Without an audit session id none
 * of its processes is known, and it is over. */
static void test_end_fails_after_close(void **state)
{
    struct session a = session_of("alice", 100, "staging");
    char id[SESSION_ID_SIZE];

    (void)state;
    a.audit = 9;
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    end_first(id);
    sessions_close(sessions, &a.monitor, a.account);
    dead[deads++] = 100;
    assert_true(lists("state=ending"));
    order_fails(0);
    assert_true(lists("state=detached"));
    end_first(id);
    assert_int_equal(orders, 2);
    restart();
    assert_int_equal(orders, 3);
    assert_string_equal(ordered[2].id, id);
    assert_true(lists("state=ending"));
    order_is_done(2);
    assert_int_equal(sessions_count(sessions), 0);
}

/* A session that could not be terminated is open again, also for the next daemon. */
static void test_end_fails(void **state)
{
    char id[SESSION_ID_SIZE];

    (void)state;
    open_of("alice", 100);
    end_first(id);
    order_fails(0);
    assert_true(lists("state=open"));
    restart();
    assert_int_equal(orders, 1);
    assert_true(lists("state=open"));
}

static bool see_session(void *arg, const struct session *session, bool this_boot)
{
    (void)arg;
    (void)session;
    (void)this_boot;
    return true;
}

/* The daemon ends if it has no descriptor to list the files: sessions may be open. */
static void test_unread(void **state)
{
    int status, next;
    pid_t child;

    (void)state;
    open_of("alice", 100);
    child = fork();
    if (child == 0) {
        struct session_files *files = session_files_new(directory_path(), BOOT);
        next = dup(0);
        close(next);
        (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)next, (rlim_t)next});
        session_files_load(files, see_session, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    restart();
    assert_true(lists("user=alice"));
}

/* A damaged file costs that session alone, and is set aside. */
static void test_damaged(void **state)
{
    char path[128], id[SESSION_ID_SIZE];
    FILE *file;

    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    snprintf(id, sizeof id, "%.16s", list() + strlen("session="));
    snprintf(path, sizeof path, "%s/sessions/%s", directory_path(), id);
    file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 100, SEEK_SET), 0);
    assert_int_equal(fputc('\0', file), '\0');
    assert_int_equal(fclose(file), 0);
    restart();
    assert_int_equal(sessions_count(sessions), 1);
    assert_true(lists("user=bob"));
    assert_int_equal(access(path, F_OK), -1);
    strcat(path, ".damaged");
    assert_int_equal(access(path, F_OK), 0);
}

/* ---- Rechecks ---- */

/* One question for an environment, however many sessions it has, and each next one within
 * session_recheck of the last answer's request. */
static void test_one_question(void **state)
{
    struct session production = session_of("alice", 105, "production");
    int64_t since = fake_ms;

    (void)state;
    for (pid_t pid = 100; pid < 105; pid++)
        open_of(pid % 2 == 0 ? "alice" : "bob", pid);
    await_question(since);
    since = fake_ms;
    answer_document("active", ALICE "," BOB, "", false);
    await_question(since);
    assert_int_equal(questions, 2);
    /* There is no second question while one is under way. */
    run_to(fake_ms + (int64_t)5000 * RECHECK);
    assert_int_equal(questions, 2);
    answer_document("active", ALICE "," BOB, "", false);
    assert_int_equal(orders, 0);
    production.uid = 200001;
    assert_true(sessions_open(sessions, &production, fake_ms, fake_time, false));
}

/* After an older answer the next question comes earlier by its age. */
static void test_old_answer(void **state)
{
    struct document *document = make_document("active", ALICE, "");
    int64_t asked = fake_ms + 57000;
    const struct cache_answer known = {
        .result = CACHE_DOCUMENT, .document = document, .asked = asked - 3000};

    (void)state;
    open_of("alice", 100);
    run_to(asked);
    assert_int_equal(questions, 1);
    answer(&known);
    run_to(asked - 3000 + (int64_t)1000 * RECHECK);
    assert_int_equal(questions, 2);
    document_free(document);
}

static void test_revoked(void **state)
{
    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    await_question(fake_ms);
    lines = 0;
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
    assert_int_equal(ordered[0].order.monitor.pid, 100);
    assert_int_equal(ordered[0].order.monitor.start, 77);
    assert_int_equal(ordered[0].order.uid, 200002);
    assert_string_equal(ordered[0].message,
                        "cloudauth ends this session: your key no longer opens this account");
    assert_int_equal(lines, 1);
    assert_memory_equal(line, "end account=abcdefghij_stg ", 27);
    assert_non_null(strstr(line, " user=alice "));
    assert_non_null(strstr(line, " reason=key-unknown source=api age=0 pid=100 session=0"));
    assert_true(lists("pid=100 state=ending\n"));
    assert_true(lists("pid=101 state=open\n"));
    /* Once. */
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
    assert_int_equal(lines, 1);
    dead[deads++] = 100;
    order_is_done(0);
    assert_int_equal(sessions_count(sessions), 1);
    assert_int_equal(lines, 1);
}

/* If a session could not be terminated, that is tried again. */
static void test_not_ended(void **state)
{
    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
    order_fails(0);
    assert_true(lists("state=open"));
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 2);
}

/* Which documents terminate the session of alice, and for which reason. */
static void test_judgement(void **state)
{
    static const struct {
        const char *status, *users, *extra, *reason; /* NULL: it stays open */
        bool stale;
    } rows[] = {
        {"active", ALICE, "", NULL, false},
        {"dirty", ALICE, "", NULL, false},
        {"active", ALICE, "", NULL, true},
        {"paused", ALICE, "", "environment-paused", false},
        {"inactive", ALICE, "", "environment-inactive", false},
        {"deleting", ALICE, "", "environment-deleting", false},
        {"moving", ALICE, "", "environment-status-unknown", false},
        {"active", BOB, "", "key-unknown", false},
        /* By the last good document, in an outage. */
        {"active", BOB, "", "key-unknown", true},
        {"active", ALICE, ",\"access\":{\"ssh\":\"admin\"}", "role-too-low", false},
        {"active", ALICE, ",\"access\":{\"ssh\":\"none\"}", "access-off", false},
        {"active", ALICE, ",\"hosts\":[\"elsewhere\"]", "not-this-host", false},
        /* Her key belongs to another person now. */
        {"active",
         "{\"id\":\"id-eve\",\"username\":\"eve\",\"role\":\"admin\",\"ssh_keys\":"
         "[{\"value\":\"" ED25519_TYPE " " ED25519_BASE64 "\"}]}",
         "", "key-unknown", false},
        /* It belongs to her and another person. */
        {"active",
         "{\"id\":\"id-eve\",\"username\":\"eve\",\"role\":\"admin\",\"ssh_keys\":"
         "[{\"value\":\"" ED25519_TYPE " " ED25519_BASE64 "\"}]}," ALICE,
         "", NULL, false},
    };

    (void)state;
    strcpy(conf.host_id, "here");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct process monitor = {100, 77};
        open_of("alice", 100);
        await_question(fake_ms);
        orders = 0;
        line[0] = '\0';
        answer_document(rows[i].status, rows[i].users, rows[i].extra, rows[i].stale);
        assert_int_equal(orders, rows[i].reason == NULL ? 0 : 1);
        if (rows[i].reason != NULL) {
            char wanted[64];
            snprintf(wanted, sizeof wanted, " reason=%s source=%s ", rows[i].reason,
                     rows[i].stale ? "cache" : "api");
            assert_non_null(strstr(line, wanted));
        }
        sessions_close(sessions, &monitor, "abcdefghij_stg");
    }
}

/* An application that no longer exists. */
static void test_app(void **state)
{
    struct session session = session_of("alice", 100, "staging");

    (void)state;
    strcpy(session.name.app, "shop");
    assert_true(sessions_open(sessions, &session, fake_ms, fake_time, false));
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"apps\":{\"shop\":{}}", false);
    assert_int_equal(orders, 0);
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"apps\":{\"other\":{}}", false);
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " reason=app-unknown "));
}

static void test_absent(void **state)
{
    const struct cache_answer absent = {.result = CACHE_ABSENT};

    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    await_question(fake_ms);
    answer(&absent);
    assert_int_equal(orders, 2);
    assert_non_null(strstr(line, " reason=environment-absent source=api "));
}

/* Neither a missing answer nor a document that may not be used here terminates a session. */
static void test_outage(void **state)
{
    const struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};
    const struct binding other = {"abcdefghij", "production", 200002, 200002};

    (void)state;
    open_of("alice", 100);
    for (int i = 0; i < 100; i++) {
        await_question(fake_ms);
        answer(&nothing);
    }
    bindings_claim(admission.bindings, &other);
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 0);
    assert_true(bindings_forget(admission.bindings, other.project, other.environment));
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
}

/* A denial needs no document: it terminates the sessions that it matches, also in an outage. */
/* A denial ends sessions without a question. While their processes hang, /proc is read for them at
 * rechecks alone, also where a right has ended. */
static void test_denied(void **state)
{
    static const char alice[] = "user\talice\t0\t1\t";
    struct denial_list *list = calloc(1, sizeof *list + sizeof list->denial[0]);
    struct session session = session_of("alice", 100, "staging");
    const char *why;

    (void)state;
    assert_non_null(list);
    session.key_expires = fake_time + 5;
    assert_true(sessions_open(sessions, &session, fake_ms, fake_time, false));
    sessions_judge_by_host(sessions);
    assert_int_equal(orders, 0);
    list->n = 1;
    assert_true(denials_parse(alice, strlen(alice), &list->denial[0], &why));
    denials.list = list;
    sessions_judge_by_host(sessions);
    assert_int_equal(orders, 1);
    assert_string_equal(ordered[0].message, "cloudauth ends this session: access is denied by the "
                                            "operator of this host");
    assert_non_null(strstr(line, " reason=denied source=none "));
    fake_time += 10;
    looks = 0;
    run_to(fake_ms + (int64_t)2000 * RECHECK);
    assert_int_equal(questions, 0);
    assert_in_range(looks, 1, 4);
    denials.list = &none_denied;
    free(list);
}

static void test_denied_in_outage(void **state)
{
    static const char *const those[] = {
        "user\talice\t0\t1\t",
        "user\tid-alice\t0\t1\t",
        "environment\tabcdefghij/staging\t0\t1\t",
    };
    static const char bob[] = "user\tbob\t0\t1\t";
    const struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};
    struct denial_list *list = calloc(1, sizeof *list + sizeof list->denial[0]);
    const char *why;

    (void)state;
    assert_non_null(list);
    open_of("alice", 100);
    list->n = 1;
    assert_true(denials_parse(bob, strlen(bob), &list->denial[0], &why));
    denials.list = list;
    await_question(fake_ms);
    answer(&nothing);
    assert_int_equal(orders, 0);
    for (size_t i = 0; i < sizeof those / sizeof those[0]; i++) {
        assert_true(denials_parse(those[i], strlen(those[i]), &list->denial[0], &why));
        run_to(fake_ms + (int64_t)1000 * RECHECK);
        assert_int_equal(questions, 1);
        assert_int_equal(orders, i + 1);
        assert_non_null(strstr(line, " reason=denied "));
        order_fails(i); /* her sshd process is still running */
    }
    denials.list = &none_denied;
    free(list);
}

#define UNTIL(time)                                                                                \
    "{\"id\":\"id-alice\",\"username\":\"alice\",\"role\":\"admin\",\"ssh_keys\":"                 \
    "[{\"value\":\"" ED25519_TYPE " " ED25519_BASE64 "\",\"expires_at\":\"" time "\"}]}"

/* A key expires in an outage as the last document said, also after a restart. */
static void test_expired_in_outage(void **state)
{
    const struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};

    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", UNTIL("2027-01-15T09:00:00Z"), "", false);
    await_question(fake_ms);
    answer_document("active", UNTIL("2027-01-15T08:01:00Z"), "", false);
    fake_time = 1800000059;
    await_question(fake_ms);
    answer(&nothing);
    assert_int_equal(orders, 0);
    restart();
    run_to(fake_ms + (int64_t)1000 * RECHECK);
    answer(&nothing);
    assert_int_equal(orders, 0);
    fake_time = 1800000060;
    run_to(fake_ms + 200);
    answer(&nothing);
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " reason=key-expired source=none "));
}

/* So it does while a question gets no answer at all, as when the disk hangs; what is answered at
 * last counts. */
static void test_expired_unanswered(void **state)
{
    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    await_question(fake_ms);
    answer_document("active", UNTIL("2027-01-15T08:01:00Z") "," BOB, "", false);
    fake_time = 1800000059;
    await_question(fake_ms);
    run_to(fake_ms + (int64_t)3000 * RECHECK);
    assert_int_equal(orders, 0);
    fake_time = 1800000060;
    run_to(fake_ms + (int64_t)1100 * RECHECK);
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " user=alice "));
    assert_non_null(strstr(line, " reason=key-expired source=none "));
    assert_int_equal(questions, 2);
    answer_document("active", ALICE, "", false);
    assert_int_equal(orders, 2);
    assert_non_null(strstr(line, " user=bob "));
}

/* And so does session_max_stale. */
static void test_max_stale_unanswered(void **state)
{
    (void)state;
    conf.session_max_stale = 300;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", ALICE, "", false);
    await_question(fake_ms);
    run_to(fake_ms + 200000);
    assert_int_equal(orders, 0);
    run_to(fake_ms + 200000);
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " reason=session-max-stale "));
}

/* After a restart it counts from the question, because the API may have confirmed the document
 * until then. */
static void test_max_stale_unanswered_restart(void **state)
{
    struct session session = session_of("bob", 101, "staging");

    (void)state;
    conf.session_max_stale = 300;
    open_of("alice", 100);
    fake_ms += 600000;
    fake_time += 600;
    restart();
    run_to(fake_ms + (int64_t)1000 * RECHECK);
    assert_non_null(waiter);
    run_to(fake_ms + 100000);
    /* A session whose login was decided by an earlier answer changes nothing. */
    assert_true(sessions_open(sessions, &session, -600000, fake_time - 1600, true));
    run_to(fake_ms + 140000);
    assert_int_equal(orders, 0);
    run_to(fake_ms + 140000);
    assert_int_equal(orders, 2);
    assert_non_null(strstr(line, " reason=session-max-stale "));
}

#define WITHOUT_KEYS                                                                               \
    "{\"id\":\"id-alice\",\"username\":\"alice\",\"role\":\"admin\",\"ssh_keys\":[]}"
#define AUTHORITIES                                                                                \
    ",\"certificate_authorities\":[{\"value\":\"" ED25519_SECOND_TYPE " " ED25519_SECOND_BASE64    \
    "\"}]"

/* Opens a session of alice by a certificate that ends at 1800000060. */
static void open_certified(void)
{
    struct session session = session_of("alice", 100, "staging");

    session.offered.certified = true;
    session.offered.valid_after = 1800000000;
    session.offered.valid_before = 1800000060;
    assert_true(keys_fingerprint_read(ED25519_SECOND_PRINT, session.offered.ca));
    assert_true(sessions_open(sessions, &session, fake_ms, fake_time, false));
    await_question(fake_ms);
    answer_document("active", WITHOUT_KEYS, AUTHORITIES, false);
}

/* The session of a certificate outlives it, but not its authority in the document. */
static void test_certified(void **state)
{
    (void)state;
    open_certified();
    fake_time = 1800000060;
    await_question(fake_ms);
    answer_document("active", WITHOUT_KEYS, AUTHORITIES, false);
    fake_time = 1799999999; /* the clock is set back */
    await_question(fake_ms);
    answer_document("active", WITHOUT_KEYS, AUTHORITIES, false);
    assert_int_equal(orders, 0);
    await_question(fake_ms);
    answer_document("active", WITHOUT_KEYS, "", false);
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " reason=authority-unknown source=api "));
}

/* It does not outlive the certificate where the host's settings say so, in an outage as well. */
static void test_certificate_ends(void **state)
{
    const struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};

    (void)state;
    conf.session_outlives_certificate = false;
    open_certified();
    restart();
    run_to(fake_ms + (int64_t)1000 * RECHECK);
    answer_document("active", WITHOUT_KEYS, AUTHORITIES, false);
    fake_time = 1800000059;
    await_question(fake_ms);
    answer(&nothing);
    assert_int_equal(orders, 0);
    fake_time = 1800000060;
    run_to(fake_ms + 200);
    answer(&nothing);
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " reason=certificate-expired source=none "));
}

/* The end of a right is a time to ask, and not only the next recheck; after a restart, too. */
static void test_right_ends(void **state)
{
    unsigned before;

    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", UNTIL("2027-01-15T08:01:00Z"), "", false);
    restart();
    run_to(fake_ms + (int64_t)1000 * RECHECK);
    answer_document("active", UNTIL("2027-01-15T08:01:00Z"), "", false);
    before = questions;
    fake_time = 1800000059;
    run_to(fake_ms + 1000);
    assert_int_equal(questions, before);
    fake_time = 1800000060;
    run_to(fake_ms + 200);
    assert_int_equal(questions, before + 1);
    answer_document("active", UNTIL("2027-01-15T08:01:00Z"), "", false);
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " reason=key-expired source=api "));
}

/* A session ends when it has lasted max_seconds, after a warning, on whichever clock; the API is
 * not asked for that, and a restart changes nothing. */
static void test_max(void **state)
{
    int64_t begin;

    (void)state;
    open_of("alice", 100);
    begin = fake_ms;
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"session\":{\"max_seconds\":3600}", false);
    restart();
    many = true;
    fake_time -= 86400;
    run_to(begin + 3539000);
    assert_int_equal(orders, 0);
    run_to(begin + 3542000);
    assert_int_equal(orders, 1);
    assert_non_null(
        strstr(ordered[0].message, "in a minute: a session here may last 3600 seconds"));
    look_is_done(0, 0);
    run_to(begin + 3599000);
    assert_int_equal(orders, 1);
    run_to(begin + 3602000);
    assert_int_equal(orders, 2);
    assert_null(ordered[1].order.looked);
    assert_non_null(strstr(line, "end account="));
    assert_non_null(strstr(line, " reason=session-max source=none "));
    many = false;
}

/* A session that a limit could not end is tried again as by a recheck, and not all the time. */
static void test_max_again(void **state)
{
    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"session\":{\"max_seconds\":60}", false);
    many = true;
    run_to(fake_ms + 70000);
    if (ordered[0].order.looked != NULL)
        look_is_done(0, 0);
    run_to(fake_ms + 2000);
    assert_null(ordered[orders - 1].order.looked);
    for (size_t before = orders, i = 0; i < 3; i++) {
        order_fails(orders - 1);
        run_to(fake_ms + (int64_t)900 * RECHECK);
        assert_int_equal(orders, before + i);
        run_to(fake_ms + (int64_t)100 * RECHECK + 1100);
        assert_int_equal(orders, before + i + 1);
    }
    many = false;
}

/* A virtual machine was paused: the wall clock alone knows. */
static void test_max_by_wall(void **state)
{
    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"session\":{\"max_seconds\":3600}", false);
    many = true;
    fake_time += 3600;
    run_to(fake_ms + 4000000);
    assert_int_equal(orders, 1);
    assert_null(ordered[0].order.looked);
    many = false;
}

/* A virtual machine was paused at minute 10: the session ends as soon as it runs again. */
static void test_max_by_pause(void **state)
{
    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"session\":{\"max_seconds\":3600}", false);
    many = true;
    for (int i = 0; i < 540; i++) {
        fake_time++;
        run_to(fake_ms + 1000);
    }
    assert_int_equal(orders, 0);
    fake_time += 10800;
    run_to(fake_ms + 100);
    assert_int_equal(orders, 1);
    assert_null(ordered[0].order.looked);
    assert_non_null(strstr(line, " reason=session-max "));
    many = false;
}

/* So does one that the pause ends while the clock of the time before is still being corrected. */
static void test_max_by_pause_after_step(void **state)
{
    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"session\":{\"max_seconds\":3600}", false);
    many = true;
    fake_time -= 600;
    run_to(fake_ms + 1000);
    fake_time += 3600 + 599;
    run_to(fake_ms + 1000);
    assert_int_equal(orders, 1);
    assert_non_null(ordered[0].order.looked); /* a second before the end: the warning */
    many = false;
}

/* Nothing is ended for want of input that the terminals have not just confirmed. */
static void test_idle(void **state)
{
    int64_t begin, wall;

    (void)state;
    open_of("alice", 100);
    begin = fake_ms;
    wall = fake_time;
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"session\":{\"idle_seconds\":600}", false);
    many = true;
    run_to(begin + 547000);
    assert_int_equal(orders, 0);
    run_to(begin + 550000);
    assert_int_equal(orders, 1);
    assert_string_equal(ordered[0].message, "");
    fake_time = wall + 550;
    look_is_done(0, wall + 500); /* a key was pressed at 500 s */
    run_to(begin + 1046000);
    assert_int_equal(orders, 1);
    run_to(begin + 1050000);
    assert_int_equal(orders, 2);
    fake_time = wall - 7200; /* set back: what was not typed stays so */
    look_is_done(1, wall + 500);
    run_to(begin + 1052000);
    assert_int_equal(orders, 3);
    assert_non_null(strstr(ordered[2].message, "in a minute: nothing was typed for 600 seconds"));
    look_is_done(2, wall + 500);
    run_to(begin + 1105000);
    assert_int_equal(orders, 3);
    run_to(begin + 1111000);
    assert_int_equal(orders, 4);
    look_is_done(3, wall + 500);
    run_to(begin + 1114000);
    assert_int_equal(orders, 5);
    assert_null(ordered[4].order.looked);
    assert_non_null(strstr(line, " reason=session-idle source=none "));
    many = false;
}

/* A session without a terminal is never idle. */
static void test_idle_without_terminal(void **state)
{
    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", ALICE, ",\"session\":{\"idle_seconds\":600}", false);
    many = true;
    for (size_t i = 0; i < 5; i++) {
        run_to(fake_ms + 610000);
        assert_int_equal(orders, i + 1);
        assert_string_equal(ordered[i].message, "");
        look_is_done(i, 0);
    }
    many = false;
}

/* A session from elsewhere ends as soon as the document says from where it may be. */
static void test_from(void **state)
{
    static const char *const from[] = {"192.0.2.0/24", "198.51.100.0/24"};
    char users[1024];

    (void)state;
    open_of("alice", 100);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(
            users, sizeof users,
            "{\"id\":\"id-alice\",\"username\":\"alice\",\"role\":\"admin\",\"from\":[\"%s\"],"
            "\"ssh_keys\":[{\"value\":\"" ED25519_TYPE " " ED25519_BASE64 "\"}]}",
            from[i]);
        await_question(fake_ms);
        answer_document("active", users, "", false);
        assert_int_equal(orders, i);
    }
    assert_non_null(strstr(line, " reason=from-elsewhere source=api "));
}

/* What could not be written of a session is written at the next recheck. */
static void test_written_later(void **state)
{
    const struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};

    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    full = true;
    answer_document("active", UNTIL("2027-01-15T08:01:00Z"), "", false);
    full = false;
    await_question(fake_ms);
    answer_document("active", UNTIL("2027-01-15T08:01:00Z"), "", false);
    restart();
    fake_time = 1800000060;
    run_to(fake_ms + (int64_t)1000 * RECHECK);
    answer(&nothing);
    assert_int_equal(orders, 1);
}

/* The last document counts: it may have prolonged a key. */
static void test_prolonged(void **state)
{
    const struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};

    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", UNTIL("2027-01-15T08:01:00Z"), "", false);
    await_question(fake_ms);
    answer_document("active", ALICE, "", false);
    fake_time = 1800000060;
    await_question(fake_ms);
    answer(&nothing);
    assert_int_equal(orders, 0);
}

static void test_max_stale(void **state)
{
    int64_t good;
    struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};

    (void)state;
    conf.session_max_stale = 300;
    open_of("alice", 100);
    await_question(fake_ms);
    good = fake_ms;
    answer_document("active", ALICE, "", false);
    while (fake_ms - good <= 300000) {
        await_question(fake_ms);
        assert_int_equal(orders, 0);
        if (fake_ms - good < 150000)
            answer_document("active", ALICE, "", true);
        else
            answer(&nothing);
    }
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " reason=session-max-stale "));
}

/* The time for which a virtual machine was paused counts, from the request of the last good answer
 * or of the one that granted the login. */
static void test_max_stale_paused(void **state)
{
    const struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};
    const struct process monitor = {101, 77};
    struct session late = session_of("bob", 101, "staging");

    (void)state;
    conf.session_max_stale = 3600;
    open_of("alice", 100);
    await_question(fake_ms);
    answer_document("active", ALICE, "", false);
    fake_time += 3599;
    await_question(fake_ms);
    answer(&nothing);
    assert_int_equal(orders, 0);
    fake_time += 2;
    await_question(fake_ms);
    answer(&nothing);
    assert_int_equal(orders, 1);
    dead[deads++] = 100;
    order_is_done(0);
    assert_true(sessions_open(sessions, &late, fake_ms - 1000, fake_time - 3601, true));
    run_to(fake_ms + 2000);
    answer(&nothing);
    assert_int_equal(orders, 2);
    sessions_close(sessions, &monitor, late.account);
}

/* After a restart session_max_stale counts from when the session was opened. */
static void test_max_stale_restart(void **state)
{
    const struct cache_answer nothing = {.result = CACHE_UNAVAILABLE, .detail = "refused"};

    (void)state;
    conf.session_max_stale = 300;
    open_of("alice", 100);
    restart();
    fake_time += 299;
    run_to(fake_ms + (int64_t)1000 * RECHECK);
    answer(&nothing);
    assert_int_equal(orders, 0);
    fake_time += 2;
    await_question(fake_ms);
    answer(&nothing);
    assert_int_equal(orders, 1);
}

static void test_off(void **state)
{
    (void)state;
    conf.session_recheck = 0;
    open_of("alice", 100);
    assert_null(next_timer());
    conf.session_recheck = RECHECK;
    sessions_configure(sessions);
    await_question(fake_ms);
}

static void test_may_not_end(void **state)
{
    char id[SESSION_ID_SIZE];

    (void)state;
    sessions_free(sessions);
    start(false);
    open_of("alice", 100);
    assert_null(next_timer());
    snprintf(id, sizeof id, "%.16s", list() + strlen("session="));
    assert_int_equal(sessions_end(sessions, id), SESSIONS_END_CANNOT);
    assert_int_equal(orders, 0);
}

/* A session without its sshd process is dropped before the question; the last one stops the timer.
 */
static void test_swept(void **state)
{
    (void)state;
    open_of("alice", 100);
    dead[deads++] = 100;
    run_to(fake_ms + (int64_t)3000 * RECHECK);
    assert_int_equal(questions, 0);
    assert_int_equal(sessions_count(sessions), 0);
    assert_null(next_timer());
}

/* The environment's last session is closed while the question is under way. */
static void test_closed_while_asking(void **state)
{
    const struct process monitor = {100, 77};

    (void)state;
    open_of("alice", 100);
    await_question(fake_ms);
    sessions_close(sessions, &monitor, "abcdefghij_stg");
    assert_null(waiter);
    assert_int_equal(forgotten, 1);
}

static void test_operator(void **state)
{
    char id[SESSION_ID_SIZE];

    (void)state;
    open_of("alice", 100);
    open_of("bob", 101);
    snprintf(id, sizeof id, "%.16s", list() + strlen("session="));
    assert_int_equal(sessions_end(sessions, "0000000000000000"), SESSIONS_END_UNKNOWN);
    assert_int_equal(sessions_end(sessions, ""), SESSIONS_END_UNKNOWN);
    assert_int_equal(sessions_end(sessions, id), SESSIONS_END_BEGUN);
    assert_int_equal(orders, 1);
    assert_int_equal(ordered[0].order.monitor.pid, 100);
    assert_non_null(strstr(line, " reason=ended-by-operator source=none "));
    dead[deads++] = 100;
    assert_int_equal(sessions_end(sessions, id), SESSIONS_END_UNKNOWN);
}

/* An audit session id that two sessions share is not used. */
static void test_shared_audit(void **state)
{
    struct session a = session_of("alice", 100, "staging"), b = session_of("bob", 101, "staging");

    (void)state;
    a.audit = b.audit = 9;
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(ordered[0].order.audit, 9);
    assert_true(sessions_open(sessions, &a, fake_ms, fake_time, false));
    assert_true(sessions_open(sessions, &b, fake_ms, fake_time, false));
    await_question(fake_ms);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 2);
    assert_int_equal(ordered[1].order.audit, PROCESS_NO_AUDIT);
    /* What both have left behind ends with the last of them. */
    await_question(fake_ms);
    answer_document("active", "", "", false);
    assert_int_equal(orders, 3);
    assert_int_equal(ordered[2].order.audit, 9);
}

/* What a host's settings and local accounts no longer leave to a session: it ends at the reload,
 * and nothing is asked about an environment that is not the host's. */
static void test_not_ours(void **state)
{
    static const struct {
        const char *local_name, *allow, *reserved, *reason; /* NULL: it stays open */
        uint32_t local_uid, local_gid, uid_min;
    } rows[] = {
        {"", "abcdefghij*", NULL, NULL, 0, 0, 200000},
        {"", "abcdefghij", NULL, "not-ours", 0, 0, 200000},
        {"", "abcdefghij*", "abcdefghij_stg", "not-ours", 0, 0, 200000},
        {"", "abcdefghij*", NULL, "not-ours", 0, 0, 250000},
        {"abcdefghij_stg", "abcdefghij*", NULL, "local-user", 0, 0, 200000},
        {"", "abcdefghij*", NULL, "local-user", 200002, 0, 200000},
        {"", "abcdefghij*", NULL, "local-user", 0, 200003, 200000},
    };
    const struct binding bound = {"abcdefghij", "staging", 200002, 200003};

    (void)state;
    bindings_claim(admission.bindings, &bound);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct process monitor = {100, 77};
        orders = 0;
        questions = 0;
        set_conf();
        open_of("alice", 100);
        allow(rows[i].allow);
        if (rows[i].reserved != NULL)
            assert_true(cloud_words_add(&conf.grammar.reserved, rows[i].reserved,
                                        strlen(rows[i].reserved)));
        conf.uid_min = rows[i].uid_min;
        local_name = rows[i].local_name;
        local_uid = rows[i].local_uid;
        local_gid = rows[i].local_gid;
        sessions_configure(sessions);
        assert_int_equal(orders, rows[i].reason == NULL ? 0 : 1);
        run_to(fake_ms + (int64_t)1000 * RECHECK);
        assert_int_equal(questions, rows[i].reason == NULL ? 1 : 0);
        if (rows[i].reason != NULL) {
            char wanted[64];
            snprintf(wanted, sizeof wanted, " reason=%s source=none ", rows[i].reason);
            assert_non_null(strstr(line, wanted));
        }
        sessions_close(sessions, &monitor, "abcdefghij_stg");
    }
}

/* The settings have other suffixes: the name is another environment's. */
static void test_other_environment(void **state)
{
    (void)state;
    open_of("alice", 100);
    strcpy(conf.grammar.suffix[0].environment, "stage");
    sessions_configure(sessions);
    assert_int_equal(orders, 1);
    assert_non_null(strstr(line, " reason=not-ours "));
}

/* What the change feed names is asked at once, again if it is named while it is asked, each second
 * until the API answers, and once more where that was so soon that it may not show the change. */
static void test_named(void **state)
{
    (void)state;
    open_of("alice", 100);
    run_to(fake_ms + 5000);
    assert_int_equal(questions, 0);
    named_at = fake_ms;
    run_to(fake_ms + 100);
    assert_int_equal(questions, 1);
    named_at = fake_ms + 100;
    run_to(fake_ms + 5000);
    answer_document("active", ALICE, "", true);
    assert_int_equal(questions, 1);
    run_to(fake_ms + 100);
    assert_int_equal(questions, 2);
    answer_document("active", ALICE, "", true);
    run_to(fake_ms + 900);
    assert_int_equal(questions, 2);
    run_to(fake_ms + 200);
    assert_int_equal(questions, 3);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
    run_to(fake_ms + 3000);
    assert_int_equal(questions, 3);
}

static void test_named_too_early(void **state)
{
    int64_t named;

    (void)state;
    open_of("alice", 100);
    run_to(fake_ms + 5000);
    named_at = named = fake_ms;
    run_to(fake_ms + 100);
    answer_document("active", ALICE, "", false);
    assert_int_equal(questions, 1);
    run_to(named + CACHE_SETTLE_MS - 100);
    assert_int_equal(questions, 1);
    run_to(named + CACHE_SETTLE_MS + 100);
    assert_int_equal(questions, 2);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
    run_to(fake_ms + 20000);
    assert_int_equal(questions, 2);
}

/* While the API fails, an answer from memory is no reason to ask at each tick. */
static void test_named_then_outage(void **state)
{
    struct document *document = make_document("active", ALICE, "");
    struct cache_answer given = {.result = CACHE_DOCUMENT, .document = document};

    (void)state;
    open_of("alice", 100);
    run_to(fake_ms + 5000);
    named_at = fake_ms;
    run_to(fake_ms + 100);
    given.asked = fake_ms;
    answer(&given);
    run_to(named_at + CACHE_SETTLE_MS + 100);
    assert_int_equal(questions, 2);
    given.stale = given.at_once = true;
    for (int i = 0; i < 50; i++) { /* 5 seconds */
        if (waiter != NULL)
            answer(&given);
        run_to(fake_ms + 100);
    }
    assert_in_range(questions, 5, 7);
    document_free(document);
}

/* So is it when the feed names all; then no change in particular is under way. */
static void test_all_named(void **state)
{
    int64_t named;

    (void)state;
    open_of("alice", 100);
    run_to(fake_ms + 5000);
    all_named_at = named = fake_ms;
    run_to(fake_ms + 100);
    assert_int_equal(questions, 1);
    answer_document("active", ALICE, "", true);
    run_to(fake_ms + 1000);
    assert_int_equal(questions, 2);
    answer_document("active", ALICE, "", false);
    run_to(named + CACHE_SETTLE_MS + 2000);
    assert_int_equal(questions, 2);
}

/* The next question after an answer that the feed keeps current is a recheck later, not at once. */
static void test_current(void **state)
{
    struct document *document = make_document("active", ALICE, "");
    const struct cache_answer current = {.result = CACHE_DOCUMENT,
                                         .document = document,
                                         .current = true,
                                         .at_once = true,
                                         .asked = fake_ms - 1000000};

    (void)state;
    open_of("alice", 100);
    for (unsigned n = 1; n <= 10; n++) {
        await_question(fake_ms);
        assert_int_equal(questions, n);
        answer(&current);
    }
    document_free(document);
}

/* A session that opens by what the API said before the environment was named is judged as well, if
 * the others have been already. */
static void test_opened_after_naming(void **state)
{
    struct session late = session_of("bob", 101, "staging");
    int64_t before;

    (void)state;
    open_of("alice", 100);
    run_to(fake_ms + 5000);
    before = fake_ms;
    run_to(fake_ms + 10);
    named_at = fake_ms;
    run_to(fake_ms + 100);
    answer_document("active", ALICE, "", false);
    assert_int_equal(questions, 1);
    run_to(fake_ms + 500);
    assert_true(sessions_open(sessions, &late, before, fake_time, false));
    run_to(fake_ms + 100);
    assert_int_equal(questions, 2);
}

/* Opens sessions in a thousand environments. */
static void open_many(void)
{
    struct session session;
    char name[32];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "env-%07x", (unsigned)i);
        session = session_of("alice", 100 + i, name);
        assert_true(cloud_name_plain(&conf.grammar, "abcdefghij", name, session.account));
        assert_true(sessions_open(sessions, &session, fake_ms, fake_time, false));
    }
    many = true;
}

/* A thousand environments that are named at once are asked at a bounded rate. */
static void test_named_many(void **state)
{
    (void)state;
    open_many();
    all_named_at = fake_ms;
    run_to(fake_ms + 100);
    assert_int_equal(questions, 400);
    run_to(fake_ms + 1000);
    assert_in_range(questions, 580, 620);
    run_to(fake_ms + 2000);
    assert_int_equal(questions, 1000);
}

/* So are they if they are named again and again, and each has its turn. */
static void test_named_again(void **state)
{
    struct document *document = make_document("active", ALICE, "");
    struct cache_answer given = {.result = CACHE_DOCUMENT, .document = document};
    unsigned answered = 0, sent[3] = {0}; /* until 0.3 seconds ago */

    (void)state;
    open_many();
    for (int tenths = 0; tenths < 200; tenths++) {
        if (tenths % 2 == 0)
            all_named_at = fake_ms;
        given.asked = fake_ms - 300;
        for (; answered < sent[tenths % 3]; answered++)
            asks_of[answered]->answered(asks_of[answered]->arg, &given);
        sent[tenths % 3] = questions;
        run_to(fake_ms + 100);
    }
    assert_in_range(questions, 4300, 4420);
    for (unsigned i = 0; i + 1000 < questions; i++)
        assert_ptr_equal(asks_of[i], asks_of[i + 1000]);
    document_free(document);
}

/* What was asked too soon is asked at that rate as well. */
static void test_named_many_too_early(void **state)
{
    struct document *document = make_document("active", ALICE, "");
    const struct cache_answer given = {
        .result = CACHE_DOCUMENT, .document = document, .asked = fake_ms + 1};

    (void)state;
    open_many();
    named_at = fake_ms;
    run_to(fake_ms + 4000);
    assert_int_equal(questions, 1000);
    for (unsigned i = 0; i < 1000; i++)
        asks_of[i]->answered(asks_of[i]->arg, &given);
    run_to(named_at + CACHE_SETTLE_MS + 100);
    assert_in_range(questions, 1400, 1440);
    run_to(fake_ms + 3000);
    assert_int_equal(questions, 2000);
    document_free(document);
}

/* A session that the last good document let in is rechecked soon, on a host that has just booted as
 * well. */
static void test_hurried(void **state)
{
    struct session session = session_of("alice", 100, "staging");

    (void)state;
    fake_ms = 20000;
    assert_true(sessions_open(sessions, &session, fake_ms, fake_time, true));
    run_to(fake_ms + 1100);
    assert_int_equal(questions, 1);
    answer_document("active", BOB, "", false);
    assert_int_equal(orders, 1);
}

static void test_check(void **state)
{
    (void)state;
    open_of("alice", 100);
    run_to(fake_ms + 5000);
    sessions_check(sessions);
    run_to(fake_ms + 100);
    assert_int_equal(questions, 1);
}

static const struct CMUnitTest tests[] = {
    TEST(test_open_and_close),
    TEST(test_detached),
    TEST(test_detached_stays),
    TEST(test_detached_by_end),
    TEST(test_detached_ends),
    TEST(test_opened_again),
    TEST(test_pages),
    TEST(test_gone),
    TEST(test_share),
    TEST(test_full),
    TEST(test_restart),
    TEST(test_closed_is_removed),
    TEST(test_killed),
    TEST(test_not_written),
    TEST(test_written_later),
    TEST(test_moved),
    TEST(test_file),
    TEST(test_file_format),
    TEST(test_file_of_certificate),
    TEST(test_end_goes_on),
    TEST(test_end_goes_on_beside),
    TEST(test_ends_go_on),
    TEST(test_end_is_left),
    TEST(test_end_fails),
    TEST(test_end_fails_after_close),
    TEST(test_unread),
    TEST(test_damaged),
    TEST(test_one_question),
    TEST(test_old_answer),
    TEST(test_revoked),
    TEST(test_not_ended),
    TEST(test_judgement),
    TEST(test_app),
    TEST(test_absent),
    TEST(test_outage),
    TEST(test_denied),
    TEST(test_denied_in_outage),
    TEST(test_expired_in_outage),
    TEST(test_expired_unanswered),
    TEST(test_max_stale_unanswered),
    TEST(test_max_stale_unanswered_restart),
    TEST(test_prolonged),
    TEST(test_certified),
    TEST(test_certificate_ends),
    TEST(test_right_ends),
    TEST(test_max),
    TEST(test_max_again),
    TEST(test_max_by_wall),
    TEST(test_max_by_pause),
    TEST(test_max_by_pause_after_step),
    TEST(test_idle),
    TEST(test_idle_without_terminal),
    TEST(test_from),
    TEST(test_max_stale),
    TEST(test_max_stale_paused),
    TEST(test_max_stale_restart),
    TEST(test_off),
    TEST(test_may_not_end),
    TEST(test_swept),
    TEST(test_closed_while_asking),
    TEST(test_operator),
    TEST(test_shared_audit),
    TEST(test_not_ours),
    TEST(test_other_environment),
    TEST(test_named),
    TEST(test_named_too_early),
    TEST(test_named_then_outage),
    TEST(test_all_named),
    TEST(test_current),
    TEST(test_opened_after_naming),
    TEST(test_named_many),
    TEST(test_named_again),
    TEST(test_named_many_too_early),
    TEST(test_hurried),
    TEST(test_check),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
