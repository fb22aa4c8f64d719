/* SPDX-License-Identifier: Apache-2.0 */

/* Processes, and how those of a session are terminated, on real children of the test. */
#include "base/process.h"
#include "cloudauthd/session/terminate.h"
#include "common/clock.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FASTER 10 /* the daemon's clock runs so much faster than the test waits */

int64_t cloud_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return FASTER * ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* ---- Children ---- */

/* A child with a child and a grandchild, which write their pids to a pipe. The pipe ends when all
 * three have ended. */
struct tree {
    pid_t top, child, grandchild;
    int pipe; /* its end for reading */
};

static void say_pid(int fd)
{
    pid_t pid = getpid();

    alarm(120); /* it ends, whatever becomes of the test */
    if (write(fd, &pid, sizeof pid) != (ssize_t)sizeof pid)
        _exit(1);
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

/* top - child (a session of its own) - grandchild, which ignores HUP and TERM if stubborn. */
static void grow(int fd, bool stubborn)
{
    say_pid(fd);
    if (fork() == 0) {
        setsid();
        say_pid(fd);
        if (fork() == 0) {
            if (stubborn) {
                signal(SIGHUP, SIG_IGN);
                signal(SIGTERM, SIG_IGN);
            }
            say_pid(fd);
            wait_for_ever();
        }
        wait_for_ever();
    }
    wait_for_ever();
}

static struct tree plant(bool stubborn)
{
    struct tree tree;
    pid_t pid[3];
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    tree.top = fork();
    assert_true(tree.top >= 0);
    if (tree.top == 0) {
        close(ends[0]);
        grow(ends[1], stubborn);
    }
    close(ends[1]);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(read(ends[0], &pid[i], sizeof pid[i]), sizeof pid[i]);
    assert_int_equal(pid[0], tree.top);
    tree.child = pid[1];
    tree.grandchild = pid[2];
    tree.pipe = ends[0];
    return tree;
}

static void fell(const struct tree *tree)
{
    kill(tree->top, SIGKILL);
    kill(tree->child, SIGKILL);
    kill(tree->grandchild, SIGKILL);
}

/* All three have ended, or do within 20 seconds. */
static void assert_all_gone(const struct tree *tree)
{
    struct pollfd end = {.fd = tree->pipe, .events = POLLIN};
    char byte;

    if (poll(&end, 1, 20000) != 1)
        fell(tree);
    assert_int_equal(end.revents, POLLHUP);
    assert_int_equal(read(tree->pipe, &byte, 1), 0);
    close(tree->pipe);
    waitpid(tree->top, NULL, 0);
}

static struct process process_of(pid_t pid)
{
    struct process process;

    assert_true(process_find(pid, &process));
    return process;
}

static bool lives(pid_t pid)
{
    const struct process process = process_of(pid);

    return process_lives(&process);
}

/* ---- Processes ---- */

static void test_look(void **state)
{
    struct process_info info;
    struct process self = process_of(getpid());

    (void)state;
    assert_true(process_look(getpid(), &info));
    assert_int_equal(info.process.pid, getpid());
    assert_int_equal(info.process.start, self.start);
    assert_int_equal(info.parent, getppid());
    assert_int_equal(info.ids.uid[0], getuid());
    assert_int_equal(info.ids.uid[3], geteuid());
    assert_false(info.zombie);
    assert_true(process_lives(&self));
    self.start++;
    assert_false(process_lives(&self));
    assert_false(process_look(0, &info));
    assert_false(process_look(-1, &info));
}

static void test_zombie(void **state)
{
    struct process_info info;
    struct process process;
    siginfo_t ended;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
    process = process_of(pid);
    assert_true(process_look(pid, &info));
    assert_true(info.zombie);
    assert_false(process_lives(&process));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(process_look(pid, &info));
}

static void *stay(void *arg)
{
    int fd = *(int *)arg;

    /* Waits until /proc shows the state of the first thread, which has ended. */
    for (char state = 0; state != 'Z';) {
        char path[64], stat[512] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
        FILE *file = fopen(path, "r");
        if (file == NULL || fgets(stat, sizeof stat, file) == NULL)
            _exit(1);
        fclose(file);
        state = strrchr(stat, ')')[2];
    }
    say_pid(fd);
    wait_for_ever();
    return NULL;
}

/* A process whose first thread has ended while another one goes on. */
static pid_t plant_headless(void)
{
    int ends[2];
    pid_t pid, said;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, stay, &ends[1]) == 0)
            syscall(SYS_exit, 0);
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &said, sizeof said), sizeof said);
    assert_int_equal(said, pid);
    close(ends[0]);
    return pid;
}

/* /proc shows the state of a zombie for it, but it runs. */
static void test_headless(void **state)
{
    pid_t pid = plant_headless();
    struct process process = process_of(pid);
    struct process_info info;

    (void)state;
    assert_true(process_look(pid, &info));
    assert_false(info.zombie);
    assert_true(process_lives(&process));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool find_self(void *arg, const struct process_info *info)
{
    bool *found = arg;

    *found = info->process.pid == getpid();
    return !*found;
}

static void test_each(void **state)
{
    bool found = false;

    (void)state;
    assert_true(process_each(find_self, &found));
    assert_true(found);
}

/* A pid that another process has by now is not opened, nor a process of another user. */
static void test_open(void **state)
{
    struct tree tree = plant(false);
    struct process process = process_of(tree.top), later = process;
    struct process_ids ids;
    int fd;

    (void)state;
    later.start++;
    assert_int_equal(process_open(&later, &ids), -1);
    later = (struct process){1, 0};
    assert_true(process_find(1, &later));
    assert_int_equal(process_open(&later, &ids), -1);
    later.pid = 0;
    assert_int_equal(process_open(&later, &ids), -1);
    fd = process_open(&process, &ids);
    assert_true(process_has_uid(&ids, getuid()));
    assert_false(process_has_uid(&ids, getuid() + 1));
    assert_true(fd >= 0);
    assert_true(process_signal(fd, SIGKILL));
    assert_int_equal(waitpid(tree.top, NULL, 0), tree.top);
    assert_false(process_signal(fd, SIGKILL));
    assert_int_equal(errno, ESRCH);
    assert_int_equal(process_open(&process, &ids), -1);
    close(fd);
    fell(&tree);
    close(tree.pipe);
}

struct quarry {
    pid_t pid;
    int signal;
    unsigned met;
};

static void signal_quarry(void *arg, const struct process_met *met)
{
    struct quarry *quarry = arg;

    assert_true(met->pid > 1 && met->pid != getpid());
    if (met->pid != quarry->pid)
        return;
    assert_int_equal(met->ids.uid[0], getuid());
    quarry->met++;
    process_signal(met->pidfd, quarry->signal);
}

/* The pidfd is that of the process that is met. */
static void test_visit(void **state)
{
    struct tree tree = plant(true);
    struct quarry quarry = {tree.child, SIGKILL, 0};
    int status;

    (void)state;
    assert_true(process_visit(signal_quarry, &quarry));
    assert_true(quarry.met > 0);
    quarry.pid = tree.top;
    quarry.signal = SIGTERM;
    assert_true(lives(tree.top) && lives(tree.grandchild));
    assert_true(process_visit(signal_quarry, &quarry));
    assert_int_equal(waitpid(tree.top, &status, 0), tree.top);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_true(lives(tree.grandchild));
    fell(&tree);
    close(tree.pipe);
}

#define HOPPING_S 60 /* then it ends by itself */
#define VISITS    500

struct hunt {
    pid_t group;
    bool met;
};

static void kill_group(void *arg, const struct process_met *met)
{
    struct hunt *hunt = arg;

    if (getpgid(met->pid) != hunt->group)
        return;
    hunt->met = true;
    process_signal(met->pidfd, SIGKILL);
}

/* Forks and exits all the time; its children keep the pipe open. */
static void hop(void)
{
    time_t until = time(NULL) + HOPPING_S;

    setsid();
    signal(SIGCHLD, SIG_IGN);
    while (time(NULL) < until)
        if (fork() != 0)
            _exit(0);
    _exit(0);
}

/* A walk that says that it is complete has met it. */
static void test_visit_hopping(void **state)
{
    int ends[2], visits = 0, status;
    struct pollfd gone = {.events = POLLIN};
    struct hunt hunt = {0};

    (void)state;
    assert_int_equal(pipe(ends), 0);
    hunt.group = fork();
    assert_true(hunt.group >= 0);
    if (hunt.group == 0)
        hop();
    close(ends[1]);
    gone.fd = ends[0];
    assert_int_equal(waitpid(hunt.group, &status, 0), hunt.group);
    assert_int_equal(poll(&gone, 1, 0), 0);
    for (; poll(&gone, 1, 0) == 0 && visits < VISITS; visits++) {
        hunt.met = false;
        assert_true(!process_visit(kill_group, &hunt) || hunt.met || poll(&gone, 1, 0) == 1);
    }
    assert_int_equal(poll(&gone, 1, 0), 1);
    assert_int_not_equal(visits, 0);
    close(ends[0]);
}

/* Processes that fork as fast as they are looked at, up to STORM_MAX. They wait on a pipe. */
#define STORM_FIRST 1400 /* more than one getdents64(2) of readdir(3) lists */
#define STORM_MAX   (3 * STORM_FIRST)

struct storm {
    pid_t newest;
    unsigned n;
    int ends[2];
};

static void fork_again(struct storm *storm)
{
    char byte;
    pid_t pid;

    if (storm->n == STORM_MAX)
        return;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(storm->ends[1]);
        _exit(read(storm->ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    storm->newest = pid;
    storm->n++;
}

static void start_storm(struct storm *storm, unsigned n)
{
    storm->n = 0;
    assert_int_equal(pipe(storm->ends), 0);
    while (storm->n < n)
        fork_again(storm);
}

/* Returns how many there were. */
static unsigned end_storm(struct storm *storm)
{
    close(storm->ends[0]);
    close(storm->ends[1]);
    for (unsigned i = 0; i < storm->n; i++)
        assert_true(wait(NULL) > 0);
    return storm->n;
}

static bool storm_each(void *arg, const struct process_info *info)
{
    if (info->parent == getpid())
        fork_again(arg);
    return true;
}

static void storm_met(void *arg, const struct process_met *met)
{
    struct storm *storm = arg;

    if (met->pid == storm->newest)
        fork_again(storm);
}

/* A walk through all processes does not run after those. */
static void test_storm(void **state)
{
    struct storm storm;

    (void)state;
    start_storm(&storm, STORM_FIRST);
    assert_true(process_each(storm_each, &storm));
    assert_int_equal(end_storm(&storm), 2 * STORM_FIRST);
    start_storm(&storm, 1);
    /* The last one has not been met. */
    assert_false(process_visit(storm_met, &storm));
    assert_in_range(end_storm(&storm), 2, 1000);
}

/* Assigns so many pids when it meets the first process; that of a child that lives is the first of
 * them. */
struct flood {
    unsigned pids;
    pid_t child;
    bool met;
};

static void flood_met(void *arg, const struct process_met *met)
{
    struct flood *flood = arg;

    flood->met |= met->pid == flood->child;
    for (; flood->pids > 0; flood->pids--) {
        pid_t pid = flood->child == 0 ? fork() : vfork();
        assert_true(pid >= 0);
        if (pid == 0 && flood->child == 0) {
            alarm(120); /* it ends, whatever becomes of the test */
            wait_for_ever();
        } else if (pid == 0)
            _exit(0);
        if (flood->child == 0)
            flood->child = pid;
        else
            assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
}

static bool visits_in_flood(unsigned pids, bool *met)
{
    struct flood flood = {.pids = pids};
    bool complete = process_visit(flood_met, &flood);

    assert_int_equal(kill(flood.child, SIGKILL), 0);
    assert_int_equal(waitpid(flood.child, NULL, 0), flood.child);
    *met = flood.met;
    return complete;
}

/* A process is met also where others get thousands of pids meanwhile. If they are more, the walk
 * says that it is not complete. */
static void test_flood(void **state)
{
    bool met;

    (void)state;
    assert_true(visits_in_flood(10000, &met));
    assert_true(met);
    assert_false(visits_in_flood(20000, &met));
}

static void test_boot(void **state)
{
    char boot[PROCESS_BOOT_SIZE];

    (void)state;
    assert_true(process_boot(boot));
    assert_int_equal(strlen(boot), 36);
}

/* Lets no file be opened from now on, or again. */
static void set_descriptors(bool any)
{
    static struct rlimit before;
    struct rlimit none;

    if (any) {
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        return;
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

/* Without a descriptor to look at it, a process counts as alive. */
static void test_no_descriptors(void **state)
{
    struct tree tree = plant(false);
    const struct process top = process_of(tree.top);
    struct process_info info;
    bool alive, looked, found;
    uint32_t audit;

    (void)state;
    set_descriptors(false);
    alive = process_lives(&top);
    looked = process_look(tree.top, &info) || !process_is_unknown(errno);
    found = process_login_audit(&top, &audit);
    set_descriptors(true);
    assert_true(alive);
    assert_false(looked);
    assert_false(found);
    /* The process is a child of this one, and has its audit session. */
    assert_true(process_login_audit(&top, &audit));
    assert_int_equal(audit, PROCESS_NO_AUDIT);
    fell(&tree);
    assert_all_gone(&tree);
    assert_false(process_lives(&top));
    assert_false(process_login_audit(&top, &audit));
    assert_false(process_look(tree.top, &info));
    assert_false(process_is_unknown(errno));
}

/* Nor is a read that fails, which the test of each call of the daemon has (sandbox/fail.c), the end
 * of a process, as those are that a walk meets. */
static void test_unknown(void **state)
{
    (void)state;
    assert_true(process_is_unknown(EIO));
    assert_false(process_is_unknown(ENOENT)); /* of /proc/PID */
    assert_false(process_is_unknown(ESRCH));
    assert_false(process_is_unknown(EPERM));  /* hidepid */
    assert_false(process_is_unknown(EINVAL)); /* pidfd_open(2) of a thread */
}

static bool take_descriptors(void *arg, const struct process_info *info)
{
    (void)info;
    if (!*(bool *)arg)
        set_descriptors(false);
    *(bool *)arg = true;
    return true;
}

static void take_descriptors_met(void *arg, const struct process_met *met)
{
    (void)met;
    (void)take_descriptors(arg, NULL);
}

/* A walk that could not look at a process says so. */
static void test_no_descriptors_later(void **state)
{
    bool taken = false, complete;

    (void)state;
    complete = process_each(take_descriptors, &taken);
    set_descriptors(true);
    assert_true(taken);
    assert_false(complete);
    taken = false;
    complete = process_visit(take_descriptors_met, &taken);
    set_descriptors(true);
    assert_true(taken);
    assert_false(complete);
}

/* ---- Terminating a session ---- */

static struct loop *loop;
static unsigned ends;

static int setup(void **state)
{
    (void)state;
    ends = 0;
    loop = loop_new();
    return loop == NULL;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static void on_done(void *arg, const char *id, bool over)
{
    assert_true(over);
    assert_ptr_equal(arg, &ends);
    assert_string_equal(id, "the-id");
    ends++;
    loop_stop(loop);
}

/* Terminates the session, and returns when that is done. */
static void terminate(const struct terminate_order *order)
{
    struct worker *worker = worker_new(loop);
    struct terminations *terminations = terminate_new(loop, worker);

    assert_non_null(terminations);
    terminate_begin(terminations, order);
    assert_true(loop_run(loop));
    worker_free(worker);
    terminate_free(terminations);
    assert_int_equal(ends, 1);
}

static struct terminate_order order_of_pid(pid_t pid)
{
    return (struct terminate_order){.monitor = process_of(pid),
                                    .audit = PROCESS_NO_AUDIT,
                                    .uid = getuid(),
                                    .message = "the end",
                                    .id = "the-id",
                                    .done = on_done,
                                    .arg = &ends};
}

static struct terminate_order order_of(const struct tree *tree)
{
    return order_of_pid(tree->top);
}

/* All descendants, also those of a new session, and no other process. */
static void test_terminate(void **state)
{
    struct tree tree = plant(false), other = plant(false);
    struct terminate_order order = order_of(&tree);

    (void)state;
    terminate(&order);
    assert_all_gone(&tree);
    assert_true(lives(other.top) && lives(other.child) && lives(other.grandchild));
    fell(&other);
    assert_all_gone(&other);
}

/* Lets files be opened again after three times the rounds that kill. Until then, wakes the loop all
 * the time, whose waits are not as fast as the clock. */
static void give_descriptors(void *arg)
{
    static int64_t until;
    struct loop_timer *timer = arg;

    if (until == 0)
        until = cloud_clock_ms() + (int64_t)3 * TERMINATE_KILLS * TERMINATE_ROUND_MS;
    if (cloud_clock_ms() < until)
        loop_timer_set(loop, timer, 10);
    else
        set_descriptors(true);
}

/* While /proc cannot be read, however long, the session is not taken for ended. */
static void test_terminate_unread(void **state)
{
    struct tree tree = plant(true);
    struct terminate_order order = order_of(&tree);
    struct loop_timer timer = {.due = give_descriptors};
    struct worker *worker = worker_new(loop);
    struct terminations *terminations = terminate_new(loop, worker);

    (void)state;
    timer.arg = &timer;
    loop_timer_set(loop, &timer, 0);
    terminate_begin(terminations, &order);
    set_descriptors(false);
    assert_true(loop_run(loop));
    worker_free(worker);
    terminate_free(terminations);
    assert_int_equal(ends, 1);
    assert_false(timer.set);
    assert_all_gone(&tree);
}

/* A process that ignores HUP and TERM, and whose parents have ended by then, is killed. */
static void test_terminate_stubborn(void **state)
{
    struct tree tree = plant(true);
    struct terminate_order order = order_of(&tree);

    (void)state;
    terminate(&order);
    assert_all_gone(&tree);
}

/* So is a process whose first thread has ended. */
static void test_terminate_headless(void **state)
{
    pid_t pid = plant_headless();
    struct terminate_order order = order_of_pid(pid);
    int status;

    (void)state;
    terminate(&order);
    if (waitpid(pid, &status, WNOHANG) == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        fail_msg("it has outlived its session");
    }
}

/* Of processes of another user only the monitor is signalled. */
static void test_terminate_other_user(void **state)
{
    struct tree tree = plant(false);
    struct terminate_order order = order_of(&tree);

    (void)state;
    order.uid = getuid() + 1;
    terminate(&order);
    waitpid(tree.top, NULL, 0);
    assert_true(lives(tree.child) && lives(tree.grandchild));
    fell(&tree);
    assert_all_gone(&tree);
}

/* The monitor's pid belongs to another process by now: no process is signalled. */
static void test_terminate_recycled(void **state)
{
    struct tree tree = plant(false);
    struct terminate_order order = order_of(&tree);

    (void)state;
    order.monitor.start++;
    terminate(&order);
    assert_true(lives(tree.top) && lives(tree.child) && lives(tree.grandchild));
    fell(&tree);
    assert_all_gone(&tree);
}

/* Processes are also found by the audit session id, if they have the account's uid. */
static void test_terminate_audit(void **state)
{
    struct tree tree = plant(false);
    struct terminate_order order = order_of(&tree);
    struct process_info self;

    (void)state;
    assert_true(process_look(getpid(), &self));
    order.monitor.start++; /* gone */
    order.audit = self.ids.audit == 1 ? 2 : 1;
    terminate(&order);
    assert_true(lives(tree.top) && lives(tree.child) && lives(tree.grandchild));
    fell(&tree);
    assert_all_gone(&tree);
}

/* terminate_free during a termination: nothing leaks, and done is not called. */
static void test_terminate_freed(void **state)
{
    struct tree tree = plant(true);
    struct terminate_order order = order_of(&tree);
    struct worker *worker = worker_new(loop);
    struct terminations *terminations = terminate_new(loop, worker);

    (void)state;
    terminate_begin(terminations, &order);
    worker_free(worker);
    terminate_free(terminations);
    assert_int_equal(ends, 0);
    fell(&tree);
    assert_all_gone(&tree);
}

/* A setuid program can keep the account's uid as any one of its four. */
static void test_has_uid(void **state)
{
    const struct process_ids ids = {.uid = {200001, 200002, 200003, 200004}, .audit = 7};

    (void)state;
    for (uint32_t uid = 200001; uid <= 200004; uid++)
        assert_true(process_has_uid(&ids, uid));
    assert_false(process_has_uid(&ids, 7));
    assert_false(process_has_uid(&ids, 200005));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_zombie),
        cmocka_unit_test(test_headless),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_visit),
        cmocka_unit_test(test_visit_hopping),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_boot),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_no_descriptors_later),
        cmocka_unit_test(test_unknown),
        TEST(test_has_uid),
        TEST(test_terminate),
        TEST(test_terminate_unread),
        TEST(test_terminate_stubborn),
        TEST(test_terminate_headless),
        TEST(test_terminate_other_user),
        TEST(test_terminate_recycled),
        TEST(test_terminate_audit),
        TEST(test_terminate_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
