/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/session/terminate.h"

#include "base/array.h"
#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/session/survey.h"
#include "common/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MESSAGE_SIZE  512
#define TERMINALS_MAX 64    /* the most terminals of one session that get the message */
#define UNREAD_LOG_MS 60000 /* least time between two log lines about rounds that have failed */
/* Milliseconds for which chase repeats walks through /proc in one round: this long to kill, and
 * this long again to find survivors. */
#define CHASE_MS        200
#define SURVIVOR_VISITS 8    /* the most walks through /proc that look for a survivor */
#define PTS_MAJOR       136u /* majors 136 to 143: pseudoterminals (the kernel's devices.txt) */
#define PTS_MAJORS      8u
/* A device number as /proc has it. */
#define TTY_MAJOR(tty) ((tty) >> 8 & 0xfff)
#define TTY_MINOR(tty) (((tty)&0xff) | ((tty) >> 12 & 0xfff00))

enum stage {
    STAGE_NOTICE = 0,
    STAGE_TERM,
    STAGE_KILL,
    STAGE_DONE,
};

/* A session that is being terminated, or whose terminals are looked at. It belongs to the loop's
 * thread while it waits for its next round, and to the worker during a round. */
struct termination {
    LIST_ENTRY(termination) link; /* in `waiting` or in a round's list */
    struct process monitor;
    uint32_t audit, uid;
    char message[MESSAGE_SIZE];
    char id[TERMINATE_ID_SIZE];
    terminate_done *done;
    terminate_looked *looked;
    void *arg;
    int64_t input; /* the last input, in seconds since 1970; 0: none (terminate_looked) */
    enum stage stage;
    int64_t due, kill_at; /* cloud_clock_ms() of the next round, and of the first KILL */
    unsigned kills;       /* rounds that have sent KILL, and rounds that have failed */
    size_t left;          /* number of processes to signal that the last round has found */
    size_t roots;         /* number of root's processes that are left at the end; `root` is one */
    pid_t root;
    bool survivor;        /* chase met a process after the last round had found none */
    struct process *seen; /* processes that got signals: their descendants belong to the session */
    size_t used;
};
LIST_HEAD(termination_list, termination);

struct terminations {
    struct loop *loop;
    struct worker *worker;
    struct loop_timer timer;
    struct termination_list waiting;
    struct round *round; /* the round that the worker runs, or NULL */
    int64_t next_log;    /* cloud_clock_ms() of the next line about a round that has failed */
};

/* One round: the worker walks through /proc once, for all sessions that are due. */
struct round {
    struct work work;
    struct terminations *terminations;
    struct termination_list list;
    struct row *row; /* all processes of the host, sorted by pid */
    size_t used, size;
    bool failed;
};

struct row {
    struct process_info info;
    bool member;  /* the process belongs to the session that is being handled */
    bool visited; /* look_up has visited the row */
};

/* ---- In the worker: which processes belong to a session ---- */

static bool add_row(void *arg, const struct process_info *info)
{
    struct round *round = arg;
    const struct row row = {.info = *info};

    round->failed = !array_add(&round->row, &round->used, &round->size, &row, sizeof row);
    return !round->failed;
}

static int by_pid(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    pid_t p = left->info.process.pid, q = right->info.process.pid;

    return p < q ? -1 : p > q;
}

static struct row *find_row(const struct round *round, pid_t pid)
{
    const struct row key = {.info.process.pid = pid};

    if (round->used == 0)
        return NULL;
    return bsearch(&key, round->row, round->used, sizeof key, by_pid);
}

static void mark(const struct round *round, const struct process *process)
{
    struct row *row = find_row(round, process->pid);

    if (row != NULL && row->info.process.start == process->start)
        row->member = true;
}

/* Returns the row of the parent, or NULL. A parent is never younger than its child: a younger
 * process has been given the parent's pid while /proc was being read. */
static struct row *parent_of(const struct round *round, const struct row *row)
{
    struct row *parent = find_row(round, row->info.parent);

    if (parent != NULL && parent->info.process.start > row->info.process.start)
        return NULL;
    return parent;
}

/* If the row has a marked ancestor, marks the row and all rows between them. Not recursive, because
 * the processes of the session decide how deep the tree is. */
static void look_up(const struct round *round, struct row *row)
{
    struct row *at = row;
    bool member;

    /* A visited row ends the walk, because pids that were reused while /proc was being read could
     * form a cycle. */
    while (at != NULL && !at->member && !at->visited) {
        at->visited = true;
        at = parent_of(round, at);
    }
    member = at != NULL && at->member;
    for (; member && row != NULL && !row->member; row = parent_of(round, row))
        row->member = true;
}

/* Whether the uids of a process of the session's tree or audit session allow a signal to it
 * (terminate.h). */
static bool is_accounts(const struct termination *session, const struct process_ids *ids)
{
    return process_has_uid(ids, session->uid) || survey_owns(session->audit, session->uid, ids);
}

static void mark_members(struct round *round, const struct termination *session)
{
    for (size_t i = 0; i < round->used; i++) {
        struct row *row = &round->row[i];
        row->visited = false;
        row->member = survey_owns(session->audit, session->uid, &row->info.ids);
    }
    mark(round, &session->monitor);
    for (size_t i = 0; i < session->used; i++)
        mark(round, &session->seen[i]);
    for (size_t i = 0; i < round->used; i++)
        look_up(round, &round->row[i]);
}

static bool is_monitor(const struct termination *session, const struct row *row)
{
    return row->info.process.pid == session->monitor.pid &&
           row->info.process.start == session->monitor.start;
}

/* Whether the process gets a signal: it is a member, but not a zombie, pid 1 or this daemon, and it
 * is the sshd monitor or is_accounts accepts it. */
static bool is_target(const struct termination *session, const struct row *row)
{
    return row->member && !row->info.zombie && row->info.process.pid > 1 &&
           row->info.process.pid != getpid() &&
           (is_monitor(session, row) || is_accounts(session, &row->info.ids));
}

static size_t count_targets(const struct round *round, const struct termination *session)
{
    size_t n = 0;

    for (size_t i = 0; i < round->used; i++)
        n += is_target(session, &round->row[i]);
    return n;
}

/* Counts the processes of the audit session that get no signal, because they are root's. */
static void count_roots(const struct round *round, struct termination *session)
{
    session->roots = 0;
    for (size_t i = 0; i < round->used; i++) {
        const struct row *row = &round->row[i];
        if (session->audit == PROCESS_NO_AUDIT || row->info.ids.audit != session->audit ||
            row->info.zombie || is_target(session, row))
            continue;
        session->roots++;
        session->root = row->info.process.pid;
    }
}

/* Remembers the processes that get a signal, at most TERMINATE_PROCESSES. When their ancestors have
 * ended they are children of init, and the next round could not find them by the tree. */
static void remember_targets(const struct round *round, struct termination *session)
{
    size_t n = count_targets(round, session);

    if (n > TERMINATE_PROCESSES)
        n = TERMINATE_PROCESSES;
    free(session->seen);
    session->used = 0;
    session->seen = xcalloc(n, sizeof *session->seen);
    for (size_t i = 0; i < round->used && session->used < n; i++)
        if (is_target(session, &round->row[i]))
            session->seen[session->used++] = round->row[i].info.process;
}

/* ---- In the worker: messages and signals ---- */

/* Whether a file is the terminal with this device number, and the account owns it. */
static bool is_terminal(const struct termination *session, const struct stat *st, uint32_t tty)
{
    return S_ISCHR(st->st_mode) && st->st_uid == session->uid &&
           major(st->st_rdev) == TTY_MAJOR(tty) && minor(st->st_rdev) == TTY_MINOR(tty);
}

/* Notes when a terminal of the account had input, and writes the message to it. Returns whether the
 * terminal has taken all of the message: one that is closed to its group (mesg n) takes none. Does
 * not wait, because the user may have stopped the terminal's output. */
static bool notify_terminal(uint32_t tty, struct termination *session)
{
    unsigned major = TTY_MAJOR(tty);
    char path[64], line[MESSAGE_SIZE + 8];
    struct stat st;
    bool written;
    int fd, n;

    if (major < PTS_MAJOR || major >= PTS_MAJOR + PTS_MAJORS)
        return false;
    snprintf(path, sizeof path, "/dev/pts/%u", TTY_MINOR(tty) + (major - PTS_MAJOR) * 256);
    if (lstat(path, &st) != 0 || !is_terminal(session, &st, tty))
        return false;
    if (st.st_atim.tv_sec > session->input)
        session->input = st.st_atim.tv_sec;
    if (session->message[0] == '\0')
        return false;
    fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    n = snprintf(line, sizeof line, "\r\n%s\r\n", session->message);
    written =
        fstat(fd, &st) == 0 && is_terminal(session, &st, tty) && write(fd, line, (size_t)n) == n;
    close(fd);
    return written;
}

/* Writes the message once to each of the session's terminals. Returns whether any terminal has
 * taken it: the client then needs a moment to show it. */
static bool notify_terminals(const struct round *round, struct termination *session)
{
    uint32_t tty[TERMINALS_MAX];
    size_t used = 0;
    bool written = false;

    for (size_t i = 0; i < round->used && used < TERMINALS_MAX; i++) {
        const struct row *row = &round->row[i];
        size_t known = 0;
        if (!is_target(session, row) || row->info.tty == 0)
            continue;
        while (known < used && tty[known] != row->info.tty)
            known++;
        if (known < used)
            continue;
        tty[used++] = row->info.tty;
        written |= notify_terminal(row->info.tty, session);
    }
    return written;
}

static void signal_one(const struct termination *session, const struct row *row, bool kills)
{
    bool monitor = is_monitor(session, row);
    struct process_ids ids;
    int fd = process_open(&row->info.process, &ids);

    if (fd < 0)
        return;
    if (!monitor && !is_accounts(session, &ids)) {
        close(fd);
        return;
    }
    if (kills) {
        process_signal(fd, SIGKILL);
    } else {
        if (!monitor)
            process_signal(fd, SIGHUP);
        process_signal(fd, SIGTERM);
    }
    close(fd);
}

static void signal_targets(const struct round *round, const struct termination *session, bool kills)
{
    size_t n = 0;

    for (size_t i = 0; i < round->used && n < TERMINATE_PROCESSES; i++)
        if (is_target(session, &round->row[i])) {
            signal_one(session, &round->row[i], kills);
            n++;
        }
}

static void take_step(struct round *round, struct termination *session)
{
    int64_t now = cloud_clock_ms();

    mark_members(round, session);
    remember_targets(round, session);
    if (session->looked != NULL) {
        (void)notify_terminals(round, session);
        session->stage = STAGE_DONE;
        return;
    }
    if (session->stage == STAGE_NOTICE) {
        session->stage = STAGE_TERM;
        session->due = now + TERMINATE_NOTICE_MS;
        if (notify_terminals(round, session))
            return;
    }
    session->left = count_targets(round, session);
    if (session->left == 0 && session->survivor)
        session->left = 1;
    session->survivor = false;
    if (session->left == 0) {
        count_roots(round, session);
        session->stage = STAGE_DONE;
        return;
    }
    session->due = now + TERMINATE_ROUND_MS;
    if (session->stage == STAGE_TERM) {
        signal_targets(round, session, false);
        session->stage = STAGE_KILL;
        session->kill_at = now + TERMINATE_KILL_MS;
    } else if (now >= session->kill_at) {
        if (session->kills++ == TERMINATE_KILLS)
            session->stage = STAGE_DONE;
        else
            signal_targets(round, session, true);
    }
}

/* ---- In the worker: processes that no round sees, because they fork and exit all the time ---- */

/* Whether processes of the session were left after the first KILL. They may have been forked
 * meanwhile, so chase kills processes of the session as it finds them. */
static bool is_chased(const struct termination *session)
{
    return session->kills > 1 && session->left > 0 && session->audit != PROCESS_NO_AUDIT;
}

/* Whether this round has found no process of the session. It may have missed one that forks and
 * exits all the time, so chase looks for a survivor. */
static bool is_found_empty(const struct termination *session)
{
    return session->looked == NULL && session->stage == STAGE_DONE && session->left == 0 &&
           session->audit != PROCESS_NO_AUDIT;
}

static void kill_chased(void *arg, const struct process_met *met)
{
    const struct round *round = arg;
    const struct termination *session;

    LIST_FOREACH(session, &round->list, link) {
        if (is_chased(session) && survey_owns(session->audit, session->uid, &met->ids)) {
            process_signal(met->pidfd, SIGKILL);
            return;
        }
    }
}

/* Sets `survivor` of the session that the process belongs to. The process counts even if it has
 * ended meanwhile, because a child may go on in its place; a zombie does not count. */
static void note_survivor(void *arg, const struct process_met *met)
{
    struct round *round = arg;
    struct termination *session;
    struct process_info info;

    LIST_FOREACH(session, &round->list, link)
        if (is_found_empty(session) && survey_owns(session->audit, session->uid, &met->ids) &&
            !(process_look(met->pid, &info) && info.zombie))
            session->survivor = true;
}

/* False if a process may have been missed. */
static bool visit_again(struct round *round, process_visitor *visit, unsigned most)
{
    int64_t until = cloud_clock_ms() + CHASE_MS;
    bool ok = true;

    while (most-- > 0 && cloud_clock_ms() < until)
        ok &= process_visit(visit, round);
    return ok;
}

static void chase(struct round *round)
{
    struct termination *session;
    bool chased = false, found_empty = false, complete;

    LIST_FOREACH(session, &round->list, link) {
        chased |= is_chased(session);
        found_empty |= is_found_empty(session);
    }
    if (chased)
        (void)visit_again(round, kill_chased, UINT_MAX);
    complete = !found_empty || visit_again(round, note_survivor, SURVIVOR_VISITS);
    LIST_FOREACH(session, &round->list, link) {
        session->survivor |= !complete && is_found_empty(session);
        if (!session->survivor)
            continue;
        session->stage = STAGE_KILL;
        session->due = cloud_clock_ms() + TERMINATE_ROUND_MS;
    }
}

static void run_round(struct work *work)
{
    struct round *round = (struct round *)work;
    struct termination *session;

    if (!process_each(add_row, round) || round->failed) {
        round->failed = true;
        return;
    }
    qsort(round->row, round->used, sizeof *round->row, by_pid);
    LIST_FOREACH(session, &round->list, link)
        take_step(round, session);
    chase(round);
}

/* ---- In the loop ---- */

static void on_timer(void *arg);

static void set_timer(struct terminations *terminations)
{
    int64_t next = INT64_MAX, now = cloud_clock_ms();
    const struct termination *session;

    LIST_FOREACH(session, &terminations->waiting, link)
        if (session->due < next)
            next = session->due;
    if (next == INT64_MAX || terminations->round != NULL)
        return;
    terminations->timer.due = on_timer;
    terminations->timer.arg = terminations;
    loop_timer_set(terminations->loop, &terminations->timer, next > now ? next - now : 0);
}

static void free_termination(struct termination *session)
{
    free(session->seen);
    free(session);
}

static void finish_termination(struct termination *session)
{
    if (session->left > 0)
        log_error("session %s: %zu of its processes may still be running, cloudauthd gives up",
                  session->id, session->left);
    if (session->roots > 0)
        log_warning("session %s: %zu processes that it started as root are left as they are, for "
                    "example %d",
                    session->id, session->roots, (int)session->root);
    if (session->looked != NULL)
        session->looked(session->arg, session->id, session->input);
    else
        session->done(session->arg, session->id, session->left == 0);
    free_termination(session);
}

static void log_failed(struct terminations *terminations)
{
    int64_t now = cloud_clock_ms();

    if (now < terminations->next_log)
        return;
    terminations->next_log = now + UNREAD_LOG_MS;
    log_error("cannot read /proc, or out of memory: terminating sessions is tried again");
}

static void finish_round(struct work *work)
{
    struct round *round = (struct round *)work;
    struct terminations *terminations = round->terminations;
    struct termination *session;

    if (round->failed)
        log_failed(terminations);
    terminations->round = NULL;
    while ((session = LIST_FIRST(&round->list)) != NULL) {
        LIST_REMOVE(session, link);
        if (round->failed)
            session->due = cloud_clock_ms() + TERMINATE_ROUND_MS;
        if (session->stage == STAGE_DONE)
            finish_termination(session);
        else
            LIST_INSERT_HEAD(&terminations->waiting, session, link);
    }
    free(round->row);
    free(round);
    set_timer(terminations);
}

static void on_timer(void *arg)
{
    struct terminations *terminations = arg;
    struct round *round = xcalloc(1, sizeof *round);
    struct termination *session, *next;
    int64_t now = cloud_clock_ms();

    round->work = (struct work){.run = run_round, .finish = finish_round};
    round->terminations = terminations;
    for (session = LIST_FIRST(&terminations->waiting); session != NULL; session = next) {
        next = LIST_NEXT(session, link);
        if (session->due > now)
            continue;
        LIST_REMOVE(session, link);
        LIST_INSERT_HEAD(&round->list, session, link);
    }
    terminations->round = round;
    worker_add(terminations->worker, &round->work);
}

struct terminations *terminate_new(struct loop *loop, struct worker *worker)
{
    struct terminations *terminations = xcalloc(1, sizeof *terminations);

    terminations->loop = loop;
    terminations->worker = worker;
    return terminations;
}

void terminate_free(struct terminations *terminations)
{
    struct termination *session;

    loop_timer_clear(terminations->loop, &terminations->timer);
    while ((session = LIST_FIRST(&terminations->waiting)) != NULL) {
        LIST_REMOVE(session, link);
        free_termination(session);
    }
    free(terminations);
}

void terminate_begin(struct terminations *terminations, const struct terminate_order *order)
{
    struct termination *session = xcalloc(1, sizeof *session);

    session->monitor = order->monitor;
    session->audit = order->audit;
    session->uid = order->uid;
    snprintf(session->message, sizeof session->message, "%s", order->message);
    snprintf(session->id, sizeof session->id, "%s", order->id);
    session->done = order->done;
    session->looked = order->looked;
    session->arg = order->arg;
    session->due = cloud_clock_ms();
    LIST_INSERT_HEAD(&terminations->waiting, session, link);
    set_timer(terminations);
}
