/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/session/terminate.h"

#include "base/log.h"
#include "common/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define SENTENCE_SIZE 512
#define TTYS_MAX      64   /* of one session */
#define CHASE_MS      200  /* of a round, for all sessions together */
#define OVER_WALKS    8    /* in which nobody is met, before a session is over */
#define PTS_MAJOR     136u /* the first of eight: Documentation/admin-guide/devices.txt */
#define PTS_MAJORS    8u

enum stage {
    STAGE_SAY = 0,
    STAGE_TERM,
    STAGE_KILL,
    STAGE_OVER,
};

/* A session that is being ended. The loop's while it waits, the worker's while it is in a round. */
struct ending {
    struct ending *next;
    struct reaper_target target;
    char sentence[SENTENCE_SIZE];
    char id[REAPER_ID_SIZE];
    reaper_done *done;
    void *arg;
    enum stage stage;
    int64_t due, kill_at; /* cloud_clock_ms() */
    unsigned kills;
    size_t left;          /* at the last look */
    bool evades;          /* one was met that the last look has missed */
    struct process *seen; /* what it had at the last look: their children are its own, too */
    size_t used;
};

struct reaper {
    struct loop *loop;
    struct worker *worker;
    struct loop_timer timer;
    struct ending *waiting;
    struct round *round; /* under way in the worker, or NULL */
};

/* One look at /proc, in the worker, for all endings that were due. */
struct round {
    struct work work;
    struct reaper *reaper;
    struct ending *endings;
    struct row *row; /* all processes, sorted by pid */
    size_t used, size;
    bool failed;
};

struct row {
    struct process_info info;
    bool mine; /* of the ending that is being looked at */
    bool looked;
};

/* ---- In the worker: who belongs to a session ---- */

static bool add_row(void *arg, const struct process_info *info)
{
    struct round *round = arg;

    if (round->used == round->size) {
        size_t size = round->size == 0 ? 1024 : round->size * 2;
        struct row *more = realloc(round->row, size * sizeof *more);
        if (more == NULL) {
            round->failed = true;
            return false;
        }
        round->row = more;
        round->size = size;
    }
    round->row[round->used++] = (struct row){.info = *info};
    return true;
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
        row->mine = true;
}

/* The parent's row. A parent is older than its child: a younger one has taken over the pid while
 * /proc was being read. */
static struct row *parent_of(const struct round *round, const struct row *row)
{
    struct row *parent = find_row(round, row->info.parent);

    if (parent != NULL && parent->info.process.start > row->info.process.start)
        return NULL;
    return parent;
}

/* Marks the row, and those between, if an ancestor is marked. No recursion: whoever is to be ended
 * decides how long the way up is. */
static void look_up(const struct round *round, struct row *row)
{
    struct row *at = row;
    bool mine;

    /* What was looked at is told by its mark; so pids that were taken over make no circle. */
    while (at != NULL && !at->mine && !at->looked) {
        at->looked = true;
        at = parent_of(round, at);
    }
    mine = at != NULL && at->mine;
    for (; mine && row != NULL && !row->mine; row = parent_of(round, row))
        row->mine = true;
}

static void mark_all(struct round *round, const struct ending *ending)
{
    const struct reaper_target *target = &ending->target;

    for (size_t i = 0; i < round->used; i++) {
        struct row *row = &round->row[i];
        row->looked = false;
        row->mine = target->audit != PROCESS_NO_AUDIT && row->info.audit == target->audit &&
                    row->info.uid == target->uid;
    }
    mark(round, &target->monitor);
    for (size_t i = 0; i < ending->used; i++)
        mark(round, &ending->seen[i]);
    for (size_t i = 0; i < round->used; i++)
        look_up(round, &round->row[i]);
}

static bool is_monitor(const struct ending *ending, const struct row *row)
{
    return row->info.process.pid == ending->target.monitor.pid &&
           row->info.process.start == ending->target.monitor.start;
}

/* What may be signalled of it: never ourselves, nor pid 1, nor another uid's. */
static bool may_end(const struct ending *ending, const struct row *row)
{
    return row->mine && !row->info.zombie && row->info.process.pid > 1 &&
           row->info.process.pid != getpid() &&
           (is_monitor(ending, row) || row->info.uid == ending->target.uid);
}

static size_t count_rest(const struct round *round, const struct ending *ending)
{
    size_t n = 0;

    for (size_t i = 0; i < round->used; i++)
        if (may_end(ending, &round->row[i]))
            n++;
    return n;
}

/* Their children would be init's once they have ended. */
static void remember_rest(const struct round *round, struct ending *ending)
{
    size_t n = count_rest(round, ending);

    if (n > REAPER_PROCESSES)
        n = REAPER_PROCESSES;
    free(ending->seen);
    ending->used = 0;
    ending->seen = n == 0 ? NULL : calloc(n, sizeof *ending->seen);
    if (ending->seen == NULL)
        return;
    for (size_t i = 0; i < round->used && ending->used < n; i++)
        if (may_end(ending, &round->row[i]))
            ending->seen[ending->used++] = round->row[i].info.process;
}

/* ---- In the worker: what is done to them ---- */

/* Whoever has the terminal may have stopped it: nothing here waits. */
static bool say_on(uint32_t tty, const struct ending *ending)
{
    unsigned major = tty >> 8 & 0xfff, minor = (tty & 0xff) | (tty >> 12 & 0xfff00);
    char path[64], line[SENTENCE_SIZE + 8];
    struct stat st;
    bool said = false;
    int fd, n;

    if (major < PTS_MAJOR || major >= PTS_MAJOR + PTS_MAJORS)
        return false;
    snprintf(path, sizeof path, "/dev/pts/%u", minor + (major - PTS_MAJOR) * 256);
    fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    n = snprintf(line, sizeof line, "\r\n%s\r\n", ending->sentence);
    if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_uid == ending->target.uid &&
        major(st.st_rdev) == major && minor(st.st_rdev) == minor)
        said = write(fd, line, (size_t)n) == n;
    close(fd);
    return said;
}

/* Whether there was a terminal, whose client needs a moment to read it. */
static bool say(const struct round *round, const struct ending *ending)
{
    uint32_t tty[TTYS_MAX];
    size_t used = 0;
    bool said = false;

    for (size_t i = 0; i < round->used && used < TTYS_MAX; i++) {
        const struct row *row = &round->row[i];
        size_t known = 0;
        if (!may_end(ending, row) || row->info.tty == 0)
            continue;
        while (known < used && tty[known] != row->info.tty)
            known++;
        if (known < used)
            continue;
        tty[used++] = row->info.tty;
        said |= say_on(row->info.tty, ending);
    }
    return said;
}

static void signal_one(const struct ending *ending, const struct row *row, bool last)
{
    bool monitor = is_monitor(ending, row);
    int fd = process_open(&row->info.process, monitor ? PROCESS_ANY_UID : ending->target.uid);

    if (fd < 0)
        return;
    if (last) {
        process_signal(fd, SIGKILL);
    } else {
        if (!monitor)
            process_signal(fd, SIGHUP);
        process_signal(fd, SIGTERM);
    }
    close(fd);
}

static void signal_all(const struct round *round, const struct ending *ending, bool last)
{
    size_t n = 0;

    for (size_t i = 0; i < round->used && n < REAPER_PROCESSES; i++)
        if (may_end(ending, &round->row[i])) {
            signal_one(ending, &round->row[i], last);
            n++;
        }
}

static void step(struct round *round, struct ending *ending)
{
    int64_t now = cloud_clock_ms();

    mark_all(round, ending);
    remember_rest(round, ending);
    if (ending->stage == STAGE_SAY) {
        ending->stage = STAGE_TERM;
        ending->due = now + REAPER_SAY_MS;
        if (say(round, ending))
            return;
    }
    ending->left = count_rest(round, ending);
    if (ending->left == 0 && ending->evades)
        ending->left = 1;
    ending->evades = false;
    if (ending->left == 0) {
        ending->stage = STAGE_OVER;
        return;
    }
    ending->due = now + REAPER_LOOK_MS;
    if (ending->stage == STAGE_TERM) {
        signal_all(round, ending, false);
        ending->stage = STAGE_KILL;
        ending->kill_at = now + REAPER_KILL_MS;
    } else if (now >= ending->kill_at) {
        if (ending->kills++ == REAPER_KILLS)
            ending->stage = STAGE_OVER;
        else
            signal_all(round, ending, true);
    }
}

static bool is_of(const struct ending *ending, uint32_t audit, uint32_t uid)
{
    return ending->target.audit != PROCESS_NO_AUDIT && ending->target.audit == audit &&
           ending->target.uid == uid;
}

/* Who has outlived a KILL may have been another process by the time it came. */
static bool is_chased(const struct ending *ending)
{
    return ending->kills > 1 && ending->left > 0 && ending->target.audit != PROCESS_NO_AUDIT;
}

static bool chased(void *arg, pid_t pid, uint32_t audit, uint32_t uid)
{
    const struct round *round = arg;

    (void)pid;
    for (const struct ending *ending = round->endings; ending != NULL; ending = ending->next)
        if (is_chased(ending) && is_of(ending, audit, uid))
            return true;
    return false;
}

/* One of a session that seemed to be over; who is gone a moment later is no less alive. */
static bool evades(void *arg, pid_t pid, uint32_t audit, uint32_t uid)
{
    struct round *round = arg;
    struct process_info info;

    for (struct ending *ending = round->endings; ending != NULL; ending = ending->next)
        if (ending->stage == STAGE_OVER && ending->left == 0 && is_of(ending, audit, uid) &&
            !(process_look(pid, &info) && info.zombie))
            ending->evades = true;
    return false;
}

/* Walks again and again, since one walk may miss who forks and ends all the time. */
static void walk(struct round *round, process_wanted *wanted, unsigned most)
{
    int64_t until = cloud_clock_ms() + CHASE_MS;

    while (most-- > 0 && process_chase(wanted, round, SIGKILL) && cloud_clock_ms() < until)
        ;
}

static void chase(struct round *round)
{
    bool any = false, over = false;

    for (const struct ending *ending = round->endings; ending != NULL; ending = ending->next) {
        any |= is_chased(ending);
        over |= ending->stage == STAGE_OVER && ending->left == 0 &&
                ending->target.audit != PROCESS_NO_AUDIT;
    }
    if (any)
        walk(round, chased, UINT_MAX);
    if (over)
        walk(round, evades, OVER_WALKS);
    for (struct ending *ending = round->endings; ending != NULL; ending = ending->next) {
        if (!ending->evades)
            continue;
        ending->stage = STAGE_KILL;
        ending->due = cloud_clock_ms() + REAPER_LOOK_MS;
    }
}

static void run_round(struct work *work)
{
    struct round *round = (struct round *)work;

    if (!process_each(add_row, round) || round->failed) {
        round->failed = true;
        return;
    }
    qsort(round->row, round->used, sizeof *round->row, by_pid);
    for (struct ending *ending = round->endings; ending != NULL; ending = ending->next)
        step(round, ending);
    chase(round);
}

/* ---- In the loop ---- */

static void on_timer(void *arg);

static void set_timer(struct reaper *reaper)
{
    int64_t next = INT64_MAX, now = cloud_clock_ms();

    for (const struct ending *ending = reaper->waiting; ending != NULL; ending = ending->next)
        if (ending->due < next)
            next = ending->due;
    if (next == INT64_MAX || reaper->round != NULL)
        return;
    reaper->timer.due = on_timer;
    reaper->timer.arg = reaper;
    if (!loop_timer_set(reaper->loop, &reaper->timer, next > now ? next - now : 0))
        log_error("reaper: there is no place for its timer");
}

static void free_ending(struct ending *ending)
{
    free(ending->seen);
    free(ending);
}

static void finish_round(struct work *work)
{
    struct round *round = (struct round *)work;
    struct reaper *reaper = round->reaper;

    if (round->failed)
        log_error("reaper: /proc cannot be read, or memory is out; it is tried again");
    reaper->round = NULL;
    for (struct ending *ending = round->endings, *next; ending != NULL; ending = next) {
        next = ending->next;
        if (round->failed && ++ending->kills >= REAPER_KILLS)
            ending->stage = STAGE_OVER;
        if (ending->stage == STAGE_OVER) {
            if (ending->left > 0)
                log_error("session %s: %zu of its processes are still there, whatever is sent to "
                          "them",
                          ending->id, ending->left);
            ending->done(ending->arg, ending->id);
            free_ending(ending);
            continue;
        }
        if (round->failed)
            ending->due = cloud_clock_ms() + REAPER_LOOK_MS;
        ending->next = reaper->waiting;
        reaper->waiting = ending;
    }
    free(round->row);
    free(round);
    set_timer(reaper);
}

static void on_timer(void *arg)
{
    struct reaper *reaper = arg;
    struct round *round = calloc(1, sizeof *round);
    struct ending **place = &reaper->waiting;
    int64_t now = cloud_clock_ms();

    if (round == NULL) {
        log_error("reaper: out of memory; it is tried again");
        loop_timer_set(reaper->loop, &reaper->timer, REAPER_LOOK_MS);
        return;
    }
    round->work = (struct work){.run = run_round, .finish = finish_round};
    round->reaper = reaper;
    while (*place != NULL) {
        struct ending *ending = *place;
        if (ending->due > now) {
            place = &ending->next;
            continue;
        }
        *place = ending->next;
        ending->next = round->endings;
        round->endings = ending;
    }
    reaper->round = round;
    worker_add(reaper->worker, &round->work);
}

struct reaper *reaper_new(struct loop *loop, struct worker *worker)
{
    struct reaper *reaper = calloc(1, sizeof *reaper);

    if (reaper == NULL)
        return NULL;
    reaper->loop = loop;
    reaper->worker = worker;
    return reaper;
}

void reaper_free(struct reaper *reaper)
{
    if (reaper == NULL)
        return;
    loop_timer_clear(reaper->loop, &reaper->timer);
    for (struct ending *ending = reaper->waiting, *next; ending != NULL; ending = next) {
        next = ending->next;
        free_ending(ending);
    }
    free(reaper);
}

bool reaper_end(struct reaper *reaper, const struct reaper_target *target, const char *sentence,
                const char *id, reaper_done *done, void *arg)
{
    struct ending *ending = calloc(1, sizeof *ending);

    if (ending == NULL) {
        log_error("reaper: out of memory");
        return false;
    }
    ending->target = *target;
    snprintf(ending->sentence, sizeof ending->sentence, "%s", sentence);
    snprintf(ending->id, sizeof ending->id, "%s", id);
    ending->done = done;
    ending->arg = arg;
    ending->due = cloud_clock_ms();
    ending->next = reaper->waiting;
    reaper->waiting = ending;
    set_timer(reaper);
    return true;
}
