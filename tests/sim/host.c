/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/host.h"

#include "base/foreign.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/privileges.h"
#include "base/process.h"
#include "base/worker.h"
#include "cloudauthd/daemon.h"
#include "cloudauthd/server/server.h"
#include "cloudauthd/session/terminate.h"
#include "common/clock.h"
#include "common/snapshot.h"
#include "tests/unit/here.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct world *world;
struct sim_key sim_keys[KEYS];

/* ---- Chance ---- */

/* xorshift64* */
static uint64_t next_random(void)
{
    uint64_t x = world->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    world->random = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

uint32_t below(uint32_t n)
{
    return (uint32_t)((next_random() >> 32) % n);
}

bool one_in(uint32_t n)
{
    return below(n) == 0;
}

ssize_t getrandom(void *out, size_t size, unsigned flags)
{
    unsigned char *bytes = out;

    (void)flags;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)below(256);
    return (ssize_t)size;
}

uint32_t arc4random_uniform(uint32_t n)
{
    return below(n);
}

/* ---- Trace, and the end of a daemon ---- */

static jmp_buf ends_here;

__attribute__((format(printf, 2, 0))) static void say_list(const char *prefix, const char *format,
                                                           va_list list)
{
    if (!world->trace)
        return;
    printf("%9.3f  %s", (double)world->lived / 1000, prefix);
    vprintf(format, list);
    putchar('\n');
    (void)fflush(stdout);
}

void say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say_list("", format, list);
    va_end(list);
}

void wrong(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(world->failure, sizeof world->failure, format, list);
    va_end(list);
    say("WRONG: %s", world->failure);
    longjmp(ends_here, END_WRONG);
}

/* Where a worker's thread is left, the daemon ends so. */
void __wrap__exit(int status);

void __wrap__exit(int status)
{
    longjmp(ends_here, status == 0 ? END_STOPPED : END_WRONG);
}

void host_kill(void)
{
    say("the daemon is killed");
    longjmp(ends_here, END_KILLED);
}

/* A moment at which a process can be killed. */
void host_event(void)
{
    if (world->kill_in > 0 && --world->kill_in == 0)
        host_kill();
}

/* ---- Log ---- */

void log_open(const char *path, bool to_stderr)
{
    (void)path;
    (void)to_stderr;
}

void log_start(struct loop *loop)
{
    (void)loop;
}

void log_stop(void)
{
}

void log_at(int level, const char *format, ...)
{
    va_list list;

    (void)level;
    va_start(list, format);
    say_list("    log: ", format, list);
    va_end(list);
}

void log_write(int priority, const char *line)
{
    (void)priority;
    say("    log: %s", line);
    audit_take(line);
}

uint64_t log_lost(void)
{
    return 0;
}

/* ---- Clocks ---- */

int64_t cloud_clock_ms(void)
{
    return world->boot;
}

time_t time(time_t *out)
{
    time_t now = (time_t)(world->wall / 1000);

    if (out != NULL)
        *out = now;
    return now;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int64_t now = clock == CLOCK_REALTIME ? world->wall : world->boot;

    *out = (struct timespec){now / 1000, now % 1000 * 1000000};
    return 0;
}

static void advance(int64_t milliseconds)
{
    world->lived += milliseconds;
    world->boot += milliseconds;
    world->wall += milliseconds;
}

/* ---- The loop: timers alone ---- */

#define LOOP_TIMERS 32

static struct loop_timer *timers[LOOP_TIMERS];
static struct loop_watch *signals;
static bool stopped;

struct loop *loop_new(void)
{
    return (struct loop *)&timers;
}

void loop_free(struct loop *loop)
{
    (void)loop;
}

bool loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    (void)loop;
    (void)events;
    if (signals == NULL)
        signals = watch; /* the first that the daemon adds */
    return true;
}

bool loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    return loop_add(loop, watch, events);
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    (void)loop;
    (void)watch;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t milliseconds)
{
    size_t i = 0;

    loop_timer_clear(loop, timer);
    while (i < LOOP_TIMERS && timers[i] != NULL)
        i++;
    if (i == LOOP_TIMERS)
        wrong("too many timers are set");
    timers[i] = timer;
    timer->set = true;
    timer->at = world->boot + milliseconds;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    for (size_t i = 0; i < LOOP_TIMERS; i++)
        if (timers[i] == timer)
            timers[i] = NULL;
    timer->set = false;
}

void loop_stop(struct loop *loop)
{
    (void)loop;
    stopped = true;
}

bool loop_run(struct loop *loop)
{
    (void)loop;
    scenario_run();
    return true;
}

void host_reload(void)
{
    raise(SIGHUP); /* is blocked, and read by signalfd(2) */
    signals->ready(signals->arg, EPOLLIN);
}

/* ---- Workers: each has a queue, and works when it is told to ---- */

struct worker {
    STAILQ_HEAD(, work) waiting;
    int64_t stalled; /* boot clock: it does nothing until then */
    size_t pending;
    struct worker *next;
};

static struct worker *workers;

struct worker *worker_new(struct loop *loop)
{
    struct worker *worker = calloc(1, sizeof *worker);

    (void)loop;
    if (worker == NULL)
        return NULL;
    STAILQ_INIT(&worker->waiting);
    worker->next = workers;
    workers = worker;
    return worker;
}

void worker_add(struct worker *worker, struct work *work)
{
    STAILQ_INSERT_TAIL(&worker->waiting, work, next);
    worker->pending++;
}

size_t worker_pending(struct worker *worker)
{
    return worker->pending;
}

int64_t worker_busy_ms(struct worker *worker)
{
    (void)worker;
    return 0;
}

/* False if there is nothing to do. */
static bool work_once(struct worker *worker)
{
    struct work *work = STAILQ_FIRST(&worker->waiting);

    if (work == NULL)
        return false;
    STAILQ_REMOVE_HEAD(&worker->waiting, next);
    host_event();
    work->run(work);
    host_event();
    work->finish(work);
    worker->pending--;
    return true;
}

void worker_free(struct worker *worker)
{
    while (worker != NULL && work_once(worker))
        continue;
}

void host_stall(void)
{
    for (struct worker *worker = workers; worker != NULL; worker = worker->next)
        if (one_in(3))
            worker->stalled = world->boot + 1 + below(4000);
}

bool host_is_stalled(void)
{
    for (struct worker *worker = workers; worker != NULL; worker = worker->next)
        if (worker->stalled > world->boot)
            return true;
    return false;
}

bool host_is_idle(void)
{
    for (struct worker *worker = workers; worker != NULL; worker = worker->next)
        if (worker->pending > 0)
            return false;
    return true;
}

/* All work that no stall holds up; the workers take turns by chance. */
static void work_all(void)
{
    bool any = true;

    while (any) {
        any = false;
        for (struct worker *worker = workers; worker != NULL; worker = worker->next)
            if (worker->stalled <= world->boot && !STAILQ_EMPTY(&worker->waiting)) {
                any = true;
                if (!one_in(4))
                    work_once(worker);
            }
    }
    if (host_is_idle())
        model_settled();
}

/* ---- Processes ---- */

/* A process of a login: the sshd process has the pid, its helper the next one. */
static bool begin_of(pid_t pid, int64_t *began)
{
    for (int i = 0; i < LOGINS; i++)
        if (world->login[i].used &&
            (world->login[i].pid == pid || world->login[i].pid + 1 == pid)) {
            *began = world->login[i].began;
            return true;
        }
    for (int i = 0; i < world->sessions; i++)
        if (world->session[i].used && world->session[i].pid == pid) {
            *began = world->session[i].began;
            return true;
        }
    *began = 0;
    return pid == 1;
}

bool process_find(pid_t pid, struct process *out)
{
    int64_t began;

    if (!begin_of(pid, &began))
        return false;
    *out = (struct process){pid, (uint64_t)began / 10};
    return true;
}

int64_t process_began(const struct process *process)
{
    return (int64_t)process->start * 10;
}

bool process_find_parent(pid_t child, struct process *out)
{
    return process_find(child - 1, out);
}

bool process_lives(const struct process *process)
{
    struct process found;

    return process_find(process->pid, &found) && found.start == process->start;
}

bool process_real_uid(pid_t pid, uint32_t *out)
{
    (void)pid;
    *out = 0;
    return true;
}

bool process_look(pid_t pid, struct process_info *out)
{
    memset(out, 0, sizeof *out);
    if (!process_find(pid, &out->process))
        return false;
    out->parent = 1;
    out->ids.audit = pid == 1 ? PROCESS_NO_AUDIT : (uint32_t)pid;
    return true;
}

bool process_login_audit(const struct process *process, uint32_t *out)
{
    *out = (uint32_t)process->pid;
    return true;
}

bool process_each(bool (*each)(void *arg, const struct process_info *), void *arg)
{
    (void)each;
    (void)arg;
    return true;
}

int process_open(const struct process *process, struct process_ids *ids)
{
    (void)process;
    (void)ids;
    return -1;
}

bool process_signal(int pidfd, int signal)
{
    (void)pidfd;
    (void)signal;
    return false;
}

bool process_visit(process_visitor *visit, void *arg)
{
    (void)visit;
    (void)arg;
    return true;
}

bool process_boot(char out[PROCESS_BOOT_SIZE])
{
    snprintf(out, PROCESS_BOOT_SIZE, "00000000-0000-4000-8000-%012d", world->boots);
    return true;
}

bool privileges_drop(uint32_t uid, uint32_t gid, uint32_t tty, bool keep_kill)
{
    (void)uid;
    (void)gid;
    (void)tty;
    (void)keep_kill;
    return false;
}

bool privileges_limit(bool keep_kill)
{
    (void)keep_kill;
    return true;
}

bool privileges_may_kill(void)
{
    return true;
}

bool foreign_may_have_id(uint32_t uid, uint32_t gid, char *why, size_t size)
{
    (void)uid;
    (void)gid;
    (void)why;
    (void)size;
    return false;
}

bool foreign_each(const char *database, foreign_service *each, void *arg)
{
    (void)database;
    (void)each;
    (void)arg;
    return true;
}

/* ---- The ends of sessions ---- */

static struct ending {
    terminate_done *done;
    terminate_looked *looked;
    void *arg;
    char id[TERMINATE_ID_SIZE];
    int pid;
    int64_t at;
} endings[SESSIONS * 2];
static size_t ends;

struct terminations *terminate_new(struct loop *loop, struct worker *worker)
{
    (void)loop;
    (void)worker;
    return (struct terminations *)&endings;
}

void terminate_free(struct terminations *terminations)
{
    (void)terminations;
    ends = 0;
}

static struct open_session *find_session(int pid)
{
    for (int i = 0; i < world->sessions; i++)
        if (world->session[i].used && world->session[i].pid == pid)
            return &world->session[i];
    return NULL;
}

void terminate_begin(struct terminations *terminations, const struct terminate_order *order)
{
    struct ending *ending = &endings[ends];
    struct open_session *session = find_session(order->monitor.pid);

    (void)terminations;
    if (ends == sizeof endings / sizeof *endings)
        wrong("more sessions are being ended than there are");
    *ending = (struct ending){.done = order->done,
                              .looked = order->looked,
                              .arg = order->arg,
                              .pid = order->monitor.pid,
                              .at = world->boot + 500 + below(5000)};
    snprintf(ending->id, sizeof ending->id, "%s", order->id);
    ends++;
    if (session != NULL && order->looked == NULL) {
        say("  the session of sshd %d is being ended", session->pid);
        if (!session->ended) /* else a daemon before this one has begun */
            model_ending(session);
        session->ended = true;
    }
}

static void end_one(size_t i)
{
    struct ending ending = endings[i];
    struct open_session *session = find_session(ending.pid);

    endings[i] = endings[--ends];
    if (ending.looked != NULL) {
        ending.looked(ending.arg, ending.id, 0);
        return;
    }
    if (session != NULL)
        session->used = false;
    ending.done(ending.arg, ending.id, true);
}

/* ---- The socket ---- */

static struct context *daemon_context;
static void (*handle)(struct connection *);
static struct connection connections[LOGINS + 1];
static bool connected[LOGINS + 1];

struct server *server_new(struct context *context, void (*handler)(struct connection *))
{
    daemon_context = context;
    handle = handler;
    return (struct server *)&connections;
}

void server_free(struct server *server)
{
    (void)server;
    for (int i = 0; i <= OPERATOR; i++)
        host_forget(i);
}

void server_answer(struct connection *connection, struct cloud_answer *answer)
{
    int login = (int)(connection - connections);

    if (!connected[login])
        wrong("a question is answered twice");
    connected[login] = false;
    answer->op = connection->question.op;
    scenario_answered(login, answer);
}

void server_look(const struct server *server, struct server_view *out)
{
    (void)server;
    memset(out, 0, sizeof *out);
}

void server_count_refused(struct server *server)
{
    (void)server;
}

uid_t server_user(const struct connection *connection)
{
    return connection->peer.uid;
}

bool server_peer_lives(const struct connection *connection)
{
    return connected[connection - connections];
}

void host_ask(int login, const struct cloud_question *question, int pid, bool is_helper)
{
    struct connection *connection = &connections[login];

    memset(connection, 0, sizeof *connection);
    connected[login] = true;
    connection->context = daemon_context;
    connection->server = daemon_context->server;
    connection->trusted = true;
    connection->asked = true;
    connection->peer = (struct ucred){pid, is_helper ? daemon_context->keys_uid : 0, 0};
    connection->question = *question;
    handle(connection);
}

void host_forget(int login)
{
    if (connected[login])
        cache_forget(&connections[login].waiter);
    if (connected[login] && connections[login].pending != NULL)
        *connections[login].pending = NULL;
    connected[login] = false;
}

/* ---- What every process of the host sees ---- */

bool host_published(int environment, uint32_t *uid)
{
    static struct cloud_snapshot_account account;
    const struct environment *e = &world->environment[environment];
    struct cloud_snapshot snapshot;
    struct stat st;
    bool found = false;
    void *map;
    int fd = open("state/accounts.snapshot", O_RDONLY);

    if (fd < 0)
        return false;
    map = fstat(fd, &st) == 0 && st.st_size > 0
              ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0)
              : MAP_FAILED;
    close(fd);
    if (map == MAP_FAILED)
        return false;
    if (cloud_snapshot_open(map, (size_t)st.st_size, &snapshot) &&
        !cloud_snapshot_retired(&snapshot) && cloud_snapshot_current(&snapshot, time(NULL)))
        found = cloud_snapshot_by_name(&snapshot, e->project, e->name, &account);
    *uid = account.record.uid;
    munmap(map, (size_t)st.st_size);
    return found;
}

/* ---- Time passes ---- */

/* When the next thing is due, at most `most`. */
static int64_t next_due(int64_t most)
{
    for (size_t i = 0; i < LOOP_TIMERS; i++)
        if (timers[i] != NULL && timers[i]->at < most)
            most = timers[i]->at;
    most = platform_due(most);
    for (size_t i = 0; i < ends; i++)
        if (endings[i].at < most)
            most = endings[i].at;
    for (struct worker *worker = workers; worker != NULL; worker = worker->next)
        if (!STAILQ_EMPTY(&worker->waiting) && worker->stalled < most)
            most = worker->stalled;
    return most;
}

static void do_due(void)
{
    if (platform_answer())
        return;
    for (size_t i = 0; i < LOOP_TIMERS; i++)
        if (timers[i] != NULL && timers[i]->at <= world->boot) {
            struct loop_timer *timer = timers[i];
            host_event();
            loop_timer_clear(NULL, timer);
            timer->due(timer->arg);
            return;
        }
    for (size_t i = 0; i < ends; i++)
        if (endings[i].at <= world->boot) {
            host_event();
            end_one(i);
            return;
        }
}

void host_pass(int64_t milliseconds)
{
    int64_t end = world->boot + milliseconds, due;

    work_all();
    while ((due = next_due(end + 1)) <= end) {
        if (due > world->boot)
            advance(due - world->boot);
        do_due();
        work_all();
    }
    advance(end - world->boot);
    work_all();
}

/* ---- The daemon ---- */

__attribute__((format(printf, 2, 3))) static void set(struct cloud_conf *conf, const char *format,
                                                      ...)
{
    struct cloud_conf_error error = {0};
    char line[256];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (!cloud_conf_line(conf, line, strlen(line), &error))
        wrong("setting %s: %s", line, error.text);
}

bool __wrap_cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                            struct cloud_conf_error *error);

static const char *publisher_keys(unsigned signers)
{
    static char text[SIGNERS * 46];

    text[0] = '\0';
    for (int i = 0; i < SIGNERS; i++)
        if ((signers >> i & 1) != 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                     text[0] == '\0' ? "" : " ", publisher_key(i));
    return text;
}

bool __wrap_cloud_conf_read(struct cloud_conf *conf, const char *path, uid_t owner,
                            struct cloud_conf_error *error)
{
    const struct settings *s = &world->settings;

    (void)path;
    (void)owner;
    cloud_conf_defaults(conf);
    set(conf, "access_url = https://api.example.com/%d/{project}/{environment}", s->url);
    set(conf, "allow = abcdefghij abcdefghij_*%s",
        s->narrow          ? ""
        : world->apps_only ? " klmnopqrst-*--*"
                           : " klmnopqrst-*");
    set(conf, "uid_min = 70000");
    set(conf, "uid_max = 70099");
    set(conf, "host_id = web1");
    set(conf, "keys_fresh = %u", s->keys_fresh);
    set(conf, "account_fresh = %u", s->account_fresh);
    set(conf, "absent_fresh = %u", s->absent_fresh);
    set(conf, "max_stale = %u", s->max_stale);
    set(conf, "connect_timeout = 1");
    set(conf, "request_timeout = %u", s->request_timeout);
    set(conf, "session_recheck = %u", s->session_recheck);
    set(conf, "session_outlives_certificate = %s", s->outlives ? "yes" : "no");
    if (s->signers != 0)
        set(conf, "signing_key = %s", publisher_keys(s->signers));
    if (s->feed)
        set(conf, "changes_url = https://api.example.com/changes");
    return cloud_conf_check(conf, error);
}

uid_t __wrap_geteuid(void);
uid_t __real_geteuid(void);
int __wrap_stat(const char *path, struct stat *out);
int __real_stat(const char *path, struct stat *out);
int __real_mkdir(const char *path, mode_t mode);

/* Not root, so that the daemon keeps the user that it has. */
uid_t __wrap_geteuid(void)
{
    uid_t uid = __real_geteuid();

    return uid == 0 ? 1 : uid;
}

/* Of the files of local accounts, which the daemon looks at each second. */
int __wrap_stat(const char *path, struct stat *out)
{
    static struct {
        const char *path;
        struct stat st;
        int failed, edits;
    } known[8];
    size_t i = 0;

    while (i < 8 && known[i].path != NULL && strcmp(known[i].path, path) != 0)
        i++;
    if (i == 8)
        wrong("stat(2) of %s", path);
    if (known[i].path == NULL || known[i].edits != world->edits) {
        known[i].path = path;
        known[i].edits = world->edits;
        known[i].failed = __real_stat(path, &known[i].st) == 0 ? 0 : errno;
    }
    *out = known[i].st;
    errno = known[i].failed;
    return errno == 0 ? 0 : -1;
}

/* The user who runs the helper. */
int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
               struct passwd **result)
{
    (void)name;
    (void)buffer;
    (void)size;
    *entry = (struct passwd){.pw_uid = 102};
    *result = entry;
    return 0;
}

enum end host_run(void)
{
    static struct notify notify = {.fd = -1};
    const struct daemon_options options = {.conf_path = "cloudauth.conf", .foreground = true};
    volatile int end;

    test_here.passwd = "passwd";
    test_here.group = "group";
    memory_begin();
    end = setjmp(ends_here);
    if (end == 0) {
        end = END_STOPPED;
        if (daemon_run(&options, &notify) != 0)
            wrong("the daemon cannot start");
    }
    memory_end();
    return (enum end)end;
}

/* ---- Keys ---- */

static size_t add_string(unsigned char *out, const void *bytes, size_t n)
{
    memcpy(out, (const unsigned char[]){0, 0, 0, (unsigned char)n}, 4);
    memcpy(out + 4, bytes, n);
    return 4 + n;
}

void host_prepare(void)
{
    publisher_prepare();
    for (int i = 0; i < KEYS; i++) {
        unsigned char raw[32] = {(unsigned char)(i + 1)}, blob[200];
        size_t size = sizeof raw, n;
        EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
        bool is_sk = i >= KEYS - SECURITY_KEYS;
        strcpy(sim_keys[i].type, is_sk ? "sk-ssh-ed25519@openssh.com" : "ssh-ed25519");
        if (key == NULL || EVP_PKEY_get_raw_public_key(key, raw, &size) != 1)
            abort();
        EVP_PKEY_free(key);
        n = add_string(blob, sim_keys[i].type, strlen(sim_keys[i].type));
        n += add_string(blob + n, raw, sizeof raw);
        if (is_sk)
            n += add_string(blob + n, "ssh:", 4);
        EVP_EncodeBlock((unsigned char *)sim_keys[i].base64, blob, (int)n);
        strcpy(sim_keys[i].fingerprint, "SHA256:");
        SHA256(blob, n, raw);
        memcpy(sim_keys[i].blob, blob, n);
        sim_keys[i].size = n;
        EVP_EncodeBlock((unsigned char *)sim_keys[i].fingerprint + 7, raw, sizeof raw);
        *strchr(sim_keys[i].fingerprint, '=') = '\0';
    }
}
