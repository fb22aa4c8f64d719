/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The writing of accounts.snapshot, with the real loop, worker and files; the result is read as any
 * process reads it. Both clocks run faster than the real ones, so that no test waits for a pause.
 */
#include "cloudauthd/accounts/publish.h"

#include "common/clock.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_     CLOUD_SNAPSHOT_DIRECTORY "/" CLOUD_SNAPSHOT_FILE
#define NEW_FILE  FILE_ ".new"
#define TURN_MS   20    /* that pass with each turn of the loop */
#define TURNS_MAX 20000 /* of at least a millisecond */

/* ---- The clocks ---- */

static _Atomic int64_t passed_ms; /* more than really passed */
static _Atomic int64_t put_on;    /* seconds that the wall clock was put forward */

int64_t cloud_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + passed_ms;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += put_on + passed_ms / 1000;
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* ---- The disk ---- */

static bool disk_full;            /* no block for the state, as on a disk that copies on write */
static int exchange_fails;        /* the error of an exchange of names; 0: it succeeds */
static bool killed_at_the_rename; /* behind an exchange, and before a rename */

static atomic_bool disk_held; /* each file is synced only after sem_post(&syncs) */
static sem_t syncs;

int fsync(int fd)
{
    if (atomic_load(&disk_held))
        sem_wait(&syncs);
    return (int)syscall(SYS_fsync, fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    errno = ENOSPC;
    return disk_full ? -1 : syscall(SYS_pwrite64, fd, bytes, n, offset);
}

int renameat2(int from, const char *name, int to, const char *other, unsigned flags)
{
    int result = -1;

    errno = exchange_fails;
    if (exchange_fails == 0)
        result = (int)syscall(SYS_renameat2, from, name, to, other, flags);
    if (result == 0 && killed_at_the_rename)
        raise(SIGKILL);
    return result;
}

int renameat(int from, const char *name, int to, const char *other)
{
    if (killed_at_the_rename)
        raise(SIGKILL);
    return (int)syscall(SYS_renameat2, from, name, to, other, 0);
}

/* ---- Setup ---- */

static struct loop *loop;
static struct publish *accounts;

static int setup(void **state)
{
    (void)state;
    put_on = 0;
    exchange_fails = 0;
    enter_directory();
    assert_int_equal(mkdir(CLOUD_SNAPSHOT_DIRECTORY, 0755), 0);
    loop = loop_new();
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
    assert_non_null(accounts);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    publish_free(accounts);
    loop_free(loop);
    unlink(FILE_);
    assert_int_equal(rmdir(CLOUD_SNAPSHOT_DIRECTORY), 0); /* nothing else is left there */
    leave_directory();
    return 0;
}

/* ---- What a process sees ---- */

enum seen { RETIRED, MISSING, SEEN };

/* Looks an environment up in the present file. *out is then its record. */
static enum seen see(const char *project, struct cloud_snapshot_account *out)
{
    struct cloud_snapshot snapshot;
    enum seen seen = RETIRED;

    if (!cloud_snapshot_map(&snapshot))
        return RETIRED;
    if (!cloud_snapshot_retired(&snapshot) && cloud_snapshot_current(&snapshot, time(NULL)))
        seen = cloud_snapshot_by_name(&snapshot, project, "production", out) ? SEEN : MISSING;
    cloud_snapshot_unmap(&snapshot);
    return seen;
}

static enum seen now_is(const char *project)
{
    struct cloud_snapshot_account account;

    return see(project, &account);
}

/* ---- What the daemon does ---- */

static struct snapshot_account account_of(const char *project, uint32_t uid)
{
    int64_t now = time(NULL);

    return (struct snapshot_account){.project = project,
                                     .environment = "production",
                                     .gecos = "",
                                     .home = "/app",
                                     .shell = "/bin/sh",
                                     .uid = uid,
                                     .gid = uid,
                                     .fresh = now + 300,
                                     .expires = now + 3600};
}

static void put(const char *project, uint32_t uid, enum publish_change change)
{
    struct snapshot_account account = account_of(project, uid);

    publish_put(accounts, &account, change);
}

/* Runs the loop, turn by turn, until the condition is met. */
struct condition {
    bool (*met)(void);
    struct loop_timer timer;
    unsigned turns;
};

static struct publish_view view(void)
{
    struct publish_view out;

    publish_look(accounts, &out);
    return out;
}

static bool idle(void)
{
    return !view().behind;
}

static bool building(void)
{
    return view().pending > 0;
}

static bool built(void)
{
    return view().builds > 0;
}

static bool failed(void)
{
    return view().failed;
}

static void hold_disk(void)
{
    sem_init(&syncs, 0, 0);
    atomic_store(&disk_held, true);
}

static void release_disk(void)
{
    atomic_store(&disk_held, false);
    sem_post(&syncs);
}

static void stop_when_met(void *arg)
{
    struct condition *condition = arg;

    passed_ms += TURN_MS;
    if (condition->met() || ++condition->turns > TURNS_MAX)
        loop_stop(loop);
    else
        loop_timer_set(loop, &condition->timer, 1);
}

static void run_until(bool (*met)(void))
{
    struct condition condition = {.met = met};

    condition.timer = (struct loop_timer){.due = stop_when_met, .arg = &condition};
    loop_timer_set(loop, &condition.timer, 0);
    assert_true(loop_run(loop));
    assert_true(met());
}

static void test_put(void **state)
{
    struct cloud_snapshot_account account;

    (void)state;
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    put("abcdefghij", 200001, PUBLISH_NEW);
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_int_equal(account.uid, 200001);
    assert_int_equal(see("bcdefghijk", &account), SEEN);
    assert_int_equal(account.uid, 200002);
    assert_int_equal(now_is("cdefghijkl"), MISSING);
}

/* A removal takes effect before the next file, and for good. */
static void test_remove(void **state)
{
    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(idle);
    publish_remove(accounts, "abcdefghij", "production");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A file that is being written while one of its accounts is removed never becomes live. */
static void test_remove_while_building(void **state)
{
    (void)state;
    hold_disk();
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(building);
    publish_remove(accounts, "abcdefghij", "production");
    assert_int_not_equal(now_is("abcdefghij"), SEEN);
    sem_post(&syncs); /* of this file, and not of the next one */
    run_until(built);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    release_disk();
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
}

static void test_change(void **state)
{
    struct cloud_snapshot_account account;

    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    put("abcdefghij", 200001, PUBLISH_RENEWED);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    put("abcdefghij", 200009, PUBLISH_CHANGED);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_int_equal(account.uid, 200009);
}

/* A document that differs from the record of an earlier daemon withdraws that. */
static void test_new_contradicts(void **state)
{
    struct cloud_snapshot_account seen;
    struct snapshot_account account = account_of("abcdefghij", 200001);

    (void)state;
    put("bcdefghijk", 200002, PUBLISH_NEW);
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    publish_free(accounts);
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
    put("bcdefghijk", 200002, PUBLISH_NEW);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    account.home = "/elsewhere";
    publish_put(accounts, &account, PUBLISH_NEW);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &seen), SEEN);
    assert_string_equal(seen.home, "/elsewhere");
    publish_free(accounts);
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
    publish_put(accounts, &account, PUBLISH_NEW);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    account.flags = CLOUD_SNAPSHOT_PAUSED;
    publish_put(accounts, &account, PUBLISH_NEW);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(idle);
}

/* A file whose build began before the change does not become live either. */
static void test_new_contradicts_what_is_built(void **state)
{
    (void)state;
    hold_disk();
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(building);
    put("abcdefghij", 200009, PUBLISH_NEW);
    sem_post(&syncs); /* of this file, and not of the next one */
    run_until(built);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    release_disk();
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
}

static void test_clear(void **state)
{
    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    publish_clear(accounts, "https://api");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* Removing an unknown name neither withdraws a file nor makes one. */
static void test_absent(void **state)
{
    struct stat before, after;

    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(stat(FILE_, &before), 0);
    publish_remove(accounts, "nobodyknows", "production");
    assert_true(idle());
    assert_int_equal(stat(FILE_, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    /* While a change waits the removal is queued, and the file stays live. */
    put("bcdefghijk", 200002, PUBLISH_NEW);
    publish_remove(accounts, "nobodyknows", "production");
    assert_int_equal(now_is("abcdefghij"), SEEN);
    run_until(idle);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A document whose applications do not fit replaces one whose applications did. */
static void test_too_many_applications(void **state)
{
    struct snapshot_app apps[100];
    char names[100][32];
    struct cloud_snapshot_account account;
    struct snapshot_account document = account_of("abcdefghij", 200001);

    (void)state;
    document.flags = CLOUD_SNAPSHOT_ACTIVE;
    publish_put(accounts, &document, PUBLISH_NEW);
    run_until(idle);
    for (size_t i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "application-number-%zu", i);
        apps[i] = (struct snapshot_app){.name = names[i]};
    }
    document.flags = CLOUD_SNAPSHOT_PAUSED | CLOUD_SNAPSHOT_APPS;
    document.home = "/elsewhere";
    document.apps = 100;
    document.app = apps;
    publish_put(accounts, &document, PUBLISH_CHANGED);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_int_equal(account.flags,
                     CLOUD_SNAPSHOT_PAUSED | CLOUD_SNAPSHOT_APPS | CLOUD_SNAPSHOT_PARTIAL);
    assert_string_equal(account.home, "/elsewhere");
}

/* An id is found in a retired file, too. */
static void test_by_id(void **state)
{
    struct cloud_snapshot_account account;

    (void)state;
    assert_false(publish_by_id(accounts, 200001, false, &account));
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    publish_clear(accounts, "https://api");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    assert_true(publish_by_id(accounts, 200001, false, &account));
    assert_string_equal(account.project, "abcdefghij");
    assert_true(publish_by_id(accounts, 200001, true, &account));
    assert_false(publish_by_id(accounts, 200002, false, &account));
}

/* Its name outlives its bound. */
static void test_expired_stays(void **state)
{
    struct snapshot_account account = account_of("abcdefghij", 200001);

    (void)state;
    account.expires = time(NULL);
    publish_put(accounts, &account, PUBLISH_NEW);
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* The file of an earlier process serves until the first new one is live. */
static void test_left_by_another(void **state)
{
    int fd;

    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    fd = open(NEW_FILE, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    close(fd);
    publish_free(accounts);
    assert_int_equal(now_is("abcdefghij"), SEEN); /* it stays live without a daemon */
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
    assert_int_equal(now_is("abcdefghij"), SEEN);
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A clock that is put back makes no record last longer, or fresh again. */
static void test_clock_put_back(void **state)
{
    struct cloud_snapshot_account account;

    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    put_on = -1800;
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(see("bcdefghijk", &account), SEEN);
    assert_in_range(account.expires - time(NULL), 3540, 3600);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_in_range(account.expires - time(NULL), 3540, 3600);
    assert_in_range(account.fresh - time(NULL), 240, 300);
    /* Put forward and back again: a record of the time between lasts as long as intended. */
    put_on = 1800;
    put("cdefghijkl", 200003, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
    put_on = 0;
    put("defghijklm", 200004, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(see("cdefghijkl", &account), SEEN);
    assert_in_range(account.expires - time(NULL), 3540, 3600);
    assert_int_equal(see("defghijklm", &account), SEEN);
}

/* It withdraws the published file, also where nothing else changes. */
static void test_clock_is_watched(void **state)
{
    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    put_on = -1; /* as its keeper does */
    publish_follow_clock(accounts);
    assert_true(idle());
    put_on = 1800;
    publish_follow_clock(accounts);
    assert_true(idle());
    assert_true(now_is("abcdefghij") == SEEN);
    put_on = 1700;
    publish_follow_clock(accounts);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
}

/* The first changes withdraw the file of an earlier process as well; without any it is replaced. */
static void test_left_and_gone(void **state)
{
    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    publish_free(accounts);
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
    publish_remove(accounts, "abcdefghij", "production");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    publish_free(accounts);
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
}

/* The daemon is restarted, and killed when it renames its first file. */
static void restart_and_be_killed(void)
{
    int status;
    pid_t child;

    publish_free(accounts);
    child = fork();
    if (child == 0) {
        loop = loop_new();
        accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
        killed_at_the_rename = true;
        run_until(idle);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A daemon is killed after the new file got its name and before the old one was retired: the next
 * daemon retires it. */
static void test_killed_at_the_rename(void **state)
{
    struct cloud_snapshot old;

    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    assert_true(cloud_snapshot_map(&old));
    restart_and_be_killed();
    assert_false(cloud_snapshot_retired(&old)); /* as it was left */
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
    assert_true(cloud_snapshot_retired(&old));
    cloud_snapshot_unmap(&old);
}

/* A file system that exchanges no names: the file that loses its name is retired before. */
static void test_no_exchange(void **state)
{
    struct cloud_snapshot old;

    (void)state;
    exchange_fails = EINVAL;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_true(cloud_snapshot_map(&old));
    restart_and_be_killed();
    assert_true(cloud_snapshot_retired(&old));
    cloud_snapshot_unmap(&old);
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://api");
}

/* An exchange that is denied is logged, and the published file stays as it is. */
static void test_exchange_denied(void **state)
{
    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    exchange_fails = EACCES;
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(failed);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("bcdefghijk"), MISSING);
    assert_int_equal(access(NEW_FILE, F_OK), -1);
    exchange_fails = 0;
    run_until(idle);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A file of other settings, or a damaged one, is retired. */
static void test_left_by_other_settings(void **state)
{
    int fd;

    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    publish_free(accounts);
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://another");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    publish_free(accounts);
    fd = open(FILE_, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, offsetof(struct cloud_snapshot_header, version)), 1);
    close(fd);
    accounts = publish_new(loop, CLOUD_SNAPSHOT_DIRECTORY, "https://another");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
}

/* While no file can be written the last good one stays, and the daemon tries again. */
static void test_cannot_be_written(void **state)
{
    (void)state;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(mkdir(NEW_FILE, 0755), 0);
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(failed);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("bcdefghijk"), MISSING);
    publish_remove(accounts, "abcdefghij", "production");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    assert_int_equal(rmdir(NEW_FILE), 0);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* An account that is removed while no file can be written is in none that is written later. */
static void test_gone_before_it_was_written(void **state)
{
    (void)state;
    assert_int_equal(mkdir(NEW_FILE, 0755), 0);
    put("abcdefghij", 200001, PUBLISH_NEW);
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(failed);
    publish_remove(accounts, "abcdefghij", "production");
    assert_int_equal(rmdir(NEW_FILE), 0);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* While the state of a file cannot be written, a new file stays retired, and one that is withdrawn
 * loses its name. Both end when the disk has space again. */
static void test_no_block(void **state)
{
    (void)state;
    disk_full = true;
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(failed);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    disk_full = false;
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(idle);
    disk_full = true;
    publish_remove(accounts, "abcdefghij", "production");
    assert_int_equal(access(FILE_, F_OK), -1);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(failed);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    disk_full = false;
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* After a change was lost no file becomes live again: lookups ask the daemon. */
static void test_lost(void **state)
{
    char too_long[2 * CLOUD_SNAPSHOT_RECORD_MAX];

    (void)state;
    memset(too_long, 'a', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    put("abcdefghij", 200001, PUBLISH_NEW);
    run_until(idle);
    publish_remove(accounts, too_long, "production"); /* makes no record, as without memory */
    put("bcdefghijk", 200002, PUBLISH_NEW);
    run_until(idle);
    assert_int_equal(now_is("bcdefghijk"), RETIRED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_by_id),
        TEST(test_left_and_gone),
        TEST(test_left_by_other_settings),
        TEST(test_killed_at_the_rename),
        TEST(test_no_exchange),
        TEST(test_exchange_denied),
        TEST(test_put),
        TEST(test_clock_put_back),
        TEST(test_clock_is_watched),
        TEST(test_remove),
        TEST(test_remove_while_building),
        TEST(test_change),
        TEST(test_new_contradicts),
        TEST(test_new_contradicts_what_is_built),
        TEST(test_clear),
        TEST(test_absent),
        TEST(test_too_many_applications),
        TEST(test_lost),
        TEST(test_no_block),
        TEST(test_expired_stays),
        TEST(test_left_by_another),
        TEST(test_cannot_be_written),
        TEST(test_gone_before_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
