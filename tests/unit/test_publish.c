/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The writing of accounts.snapshot, with the real loop, worker and files; the result is read as any
 * process reads it. Both clocks are the test's own: they go on by TURN_MS with each turn of the
 * loop in which no thread works, and by SYNC_MS with each file that is synced. So no pause depends
 * on the time that the machine takes.
 */
#include "cloudauthd/accounts/publish.h"

#include "base/process.h"
#include "cloudauthd/cache/answers.h"
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
#define TURN_MS   20
#define SYNC_MS   3
#define TURNS_MAX 20000 /* in which no thread works */

/* ---- The clocks ---- */

static _Atomic int64_t passed_ms = 1000000; /* since boot */
static _Atomic int64_t put_on;              /* seconds that the wall clock was put forward */

int64_t cloud_clock_ms(void)
{
    return passed_ms;
}

time_t time(time_t *out)
{
    time_t now = (time_t)(1800000000 + put_on + passed_ms / 1000);

    if (out != NULL)
        *out = now;
    return now;
}

/* ---- The disk ---- */

static bool no_record;            /* and no block for a change of a record */
static bool disk_full;            /* no block for a change, as on a disk that copies on write */
static int exchange_fails;        /* the error of an exchange of names; 0: it succeeds */
static bool killed_at_the_rename; /* behind an exchange, and before a rename */

static atomic_bool disk_held; /* each file is synced only after sem_post(&syncs) */
static sem_t syncs;
static atomic_bool disk_hangs; /* no write returns */
static bool bad_sector;        /* at the end of the file of an earlier process */

int fsync(int fd)
{
    if (atomic_load(&disk_held))
        sem_wait(&syncs);
    passed_ms += SYNC_MS;
    return skip_sync(fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    while (atomic_load(&disk_hangs))
        usleep(1000);
    errno = ENOSPC;
    return disk_full || (no_record && n == sizeof(uint64_t))
               ? -1
               : syscall(SYS_pwrite64, fd, bytes, n, offset);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t offset)
{
    ssize_t got = syscall(SYS_pread64, fd, bytes, n, offset);

    errno = EIO;
    return bad_sector && got > 0 ? -1 : got;
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

/* ---- Setup ---- */

static struct loop *loop;
static struct worker *store;
static struct publish *accounts;
static const char *boot;
static const char *refused; /* the project of records that are not judged right */
static uint32_t cleared;    /* flags that records may not have */

bool process_boot(char out[PROCESS_BOOT_SIZE])
{
    snprintf(out, PROCESS_BOOT_SIZE, "%s", boot);
    return true;
}

static bool judge(void *arg, const struct cloud_snapshot_account *account, uint32_t *flags)
{
    (void)arg;
    *flags &= ~cleared;
    return refused == NULL || strcmp(account->project, refused) != 0;
}

static void open_accounts(const char *origin)
{
    struct publish_setup setup = {
        .loop = loop, .directory = CLOUD_SNAPSHOT_DIRECTORY, .judges = judge};

    setup.store = store = worker_new(loop);
    accounts = publish_new(&setup, origin);
    assert_non_null(accounts);
}

static void close_accounts(void)
{
    worker_free(store);
    publish_free(accounts);
}

static void restart(void)
{
    close_accounts();
    open_accounts("https://api");
}

/* A document, which the store writes. */
static sem_t stored;

static void run_marker(struct work *work)
{
    (void)work;
    sem_post(&stored);
}

static void finish_marker(struct work *work)
{
    free(work);
}

/* Waits until a document that is stored now is on the disk. */
static void store_document(void)
{
    struct work *work = calloc(1, sizeof *work);

    *work = (struct work){.run = run_marker, .finish = finish_marker};
    sem_init(&stored, 0, 0);
    worker_add(store, work);
    sem_wait(&stored);
}

static int setup(void **state)
{
    (void)state;
    put_on = 0;
    exchange_fails = 0;
    boot = "one";
    refused = NULL;
    cleared = 0;
    enter_directory();
    assert_int_equal(mkdir(CLOUD_SNAPSHOT_DIRECTORY, 0755), 0);
    loop = loop_new();
    open_accounts("https://api");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    atomic_store(&disk_hangs, false);
    release_disk();
    close_accounts();
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

    memset(out, 0, sizeof *out);
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

static void put(const char *project, uint32_t uid)
{
    struct snapshot_account account = account_of(project, uid);

    publish_put(accounts, &account);
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
    return !view().behind && worker_pending(store) == 0;
}

static bool building(void)
{
    return view().pending > 0;
}

static bool written(void)
{
    return view().pending == 0;
}

static bool built(void)
{
    return view().builds > 0;
}

static bool built_twice(void)
{
    return view().builds > 1;
}

static bool built_thrice(void)
{
    return view().builds > 2;
}

static bool failed(void)
{
    return view().failed;
}

/* Whether a thread has work that will end without the loop. */
static bool is_working(void)
{
    return view().pending > 0 || (worker_pending(store) > 0 && !atomic_load(&disk_hangs));
}

static void stop_when_met(void *arg)
{
    struct condition *condition = arg;

    if (is_working()) {
        usleep(1000); /* as often as the thread needs */
    } else {
        passed_ms += TURN_MS;
        condition->turns++;
    }
    if (condition->met() || condition->turns > TURNS_MAX)
        loop_stop(loop);
    else
        loop_timer_set(loop, &condition->timer, 0);
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
    put("abcdefghij", 200001);
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_int_equal(account.record.uid, 200001);
    assert_int_equal(see("bcdefghijk", &account), SEEN);
    assert_int_equal(account.record.uid, 200002);
    assert_int_equal(now_is("cdefghijkl"), MISSING);
}

/* Two accounts that are published. */
static void publish_two(void)
{
    put("abcdefghij", 200001);
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A removal takes effect before the next file, and for good; the other accounts stay. */
static void test_remove(void **state)
{
    (void)state;
    publish_two();
    publish_remove(accounts, "abcdefghij", "production");
    store_document();
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    assert_int_equal(view().accounts, 1);
}

/* A file that is being written while one of its accounts is removed never becomes live. */
static void test_remove_while_building(void **state)
{
    (void)state;
    hold_disk();
    put("abcdefghij", 200001);
    put("bcdefghijk", 200002);
    run_until(building);
    publish_remove(accounts, "abcdefghij", "production");
    assert_int_not_equal(now_is("abcdefghij"), SEEN);
    sem_post(&syncs); /* of this file, and not of the next one */
    run_until(built);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    release_disk();
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

static void test_change(void **state)
{
    struct cloud_snapshot_account account;

    (void)state;
    publish_two();
    put("abcdefghij", 200009);
    store_document();
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_int_equal(account.record.uid, 200009);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* Other flags, and earlier times, are in force at once: lookups ask the daemon. */
static void test_other_flags(void **state)
{
    struct snapshot_account account = account_of("abcdefghij", 200001);
    struct cloud_snapshot_account seen;

    (void)state;
    publish_two();
    account.flags = CLOUD_SNAPSHOT_PAUSED;
    publish_put(accounts, &account);
    store_document();
    assert_int_equal(now_is("abcdefghij"), MISSING);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &seen), SEEN);
    assert_int_equal(seen.record.flags, CLOUD_SNAPSHOT_PAUSED);
    account.expires -= 100;
    publish_put(accounts, &account);
    store_document();
    assert_int_equal(now_is("abcdefghij"), MISSING);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &seen), SEEN);
    assert_int_equal(seen.record.expires, account.expires);
}

/* Other times, as each confirmation has them, are not written into the file: the next one has them.
 * Those of a document that was read from the disk may be CACHE_LAG earlier. */
static void test_times(void **state)
{
    struct snapshot_account account = account_of("abcdefghij", 200001);
    struct cloud_snapshot_account seen;
    int64_t fresh = account.fresh;

    (void)state;
    publish_two();
    for (int i = 0; i < 2; i++) {
        account.fresh += i == 0 ? 100 : -CACHE_LAG;
        account.expires += i == 0 ? 100 : -CACHE_LAG;
        publish_put(accounts, &account);
        store_document();
        assert_false(view().behind);
        assert_int_equal(see("abcdefghij", &seen), SEEN);
        assert_in_range(seen.record.fresh, fresh, fresh + 1);
        passed_ms += PUBLISH_RENEW_MS;
        run_until(i == 0 ? built_twice : built_thrice);
        assert_int_equal(see("abcdefghij", &seen), SEEN);
        assert_int_equal(seen.record.fresh, account.fresh);
        assert_int_equal(seen.record.expires, account.expires);
        fresh = account.fresh;
    }
}

/* What is loaded from the disk and is as it was published changes nothing. */
static void test_same(void **state)
{
    const struct snapshot_account account = account_of("abcdefghij", 200001);
    struct cloud_snapshot snapshot;
    unsigned char *before;

    (void)state;
    put("bcdefghijk", 200002);
    publish_put(accounts, &account);
    run_until(idle);
    restart();
    assert_true(cloud_snapshot_map(&snapshot));
    before = malloc(snapshot.size);
    memcpy(before, snapshot.map, snapshot.size);
    publish_put(accounts, &account);
    assert_memory_equal(before, snapshot.map, snapshot.size);
    assert_true(idle());
    passed_ms += PUBLISH_RENEW_MS;
    run_until(idle);
    assert_int_equal(view().builds, 0);
    cloud_snapshot_unmap(&snapshot);
    free(before);
}

/* Times that come while a file is written are in the one after it, and take no record back. */
static void test_times_while_building(void **state)
{
    struct snapshot_account account = account_of("abcdefghij", 200001);
    struct cloud_snapshot_account seen;

    (void)state;
    publish_two();
    hold_disk();
    put("cdefghijkl", 200003);
    run_until(building);
    account.fresh += 100;
    publish_put(accounts, &account);
    sem_post(&syncs);
    run_until(built_twice);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    release_disk();
    passed_ms += PUBLISH_RENEW_MS;
    run_until(built_thrice);
    assert_int_equal(see("abcdefghij", &seen), SEEN);
    assert_int_equal(seen.record.fresh, account.fresh);
}

/* A document that differs from the record of an earlier daemon takes that back. */
static void test_new_contradicts(void **state)
{
    struct cloud_snapshot_account seen;
    struct snapshot_account account = account_of("abcdefghij", 200001);

    (void)state;
    publish_two();
    restart();
    account.home = "/elsewhere";
    publish_put(accounts, &account);
    store_document();
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &seen), SEEN);
    assert_string_equal(seen.home, "/elsewhere");
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* If a record changes while a file is built, the file does not have the former record. */
static void test_changed_while_building(void **state)
{
    struct cloud_snapshot_account seen;

    (void)state;
    hold_disk();
    put("abcdefghij", 200001);
    run_until(building);
    put("abcdefghij", 200009);
    sem_post(&syncs); /* of this file, and not of the next one */
    run_until(built);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    release_disk();
    run_until(idle);
    assert_int_equal(see("abcdefghij", &seen), SEEN);
    assert_int_equal(seen.record.uid, 200009);
}

static void test_reload(void **state)
{
    (void)state;
    publish_two();
    publish_reload(accounts, "https://api");
    store_document();
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    publish_reload(accounts, "https://other");
    store_document();
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* Whether each stored document has been told is known to the next process of the same boot. */
static void test_whole(void **state)
{
    (void)state;
    assert_false(publish_is_whole(accounts));
    publish_two();
    restart();
    assert_false(publish_is_whole(accounts));
    publish_set_whole(accounts);
    run_until(built);
    restart();
    assert_true(publish_is_whole(accounts));
    boot = "two";
    restart();
    assert_false(publish_is_whole(accounts));
    run_until(built);
    publish_set_whole(accounts);
    run_until(built_twice);
    publish_reload(accounts, "https://api");
    assert_false(publish_is_whole(accounts));
    run_until(idle);
    restart();
    assert_false(publish_is_whole(accounts));
}

/* Whether the file is live and has the accounts of all stored documents, as it tells the next
 * process. */
static bool says_whole(void)
{
    struct cloud_snapshot snapshot;
    bool says;

    if (!cloud_snapshot_map(&snapshot))
        return false;
    says = !cloud_snapshot_retired(&snapshot) && (snapshot.header.boot & 1) != 0;
    cloud_snapshot_unmap(&snapshot);
    return says;
}

/* Settings that change while a file is written: that file does not say that it is whole. */
static void test_whole_no_longer(void **state)
{
    (void)state;
    publish_two();
    publish_set_whole(accounts);
    run_until(says_whole);
    run_until(idle);
    hold_disk();
    put("cdefghijkl", 200003);
    run_until(building);
    publish_reload(accounts, "https://api");
    sem_post(&syncs); /* of this file, and not of the next one */
    run_until(built_thrice);
    assert_false(says_whole());
    release_disk();
    run_until(idle);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
    restart();
    assert_false(publish_is_whole(accounts));
}

/* The survey ends while a file is written: another one says so. */
static void test_whole_while_building(void **state)
{
    (void)state;
    hold_disk();
    put("abcdefghij", 200001);
    run_until(building);
    publish_set_whole(accounts);
    release_disk();
    run_until(says_whole);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    restart();
    assert_true(publish_is_whole(accounts));
}

/* Settings that change while a new file becomes live: another one follows it. */
static void test_reload_before_live(void **state)
{
    (void)state;
    publish_two();
    hold_disk();
    put("cdefghijkl", 200003);
    run_until(building);
    atomic_store(&disk_hangs, true);
    release_disk();
    run_until(written); /* and on the way to be live */
    publish_reload(accounts, "https://api");
    atomic_store(&disk_hangs, false);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
}

/* The origin changes while a file of the former one is written. */
static void test_reload_while_building(void **state)
{
    (void)state;
    publish_two();
    hold_disk();
    put("cdefghijkl", 200003);
    run_until(building);
    publish_reload(accounts, "https://other");
    sem_post(&syncs);
    run_until(built_twice);
    assert_int_equal(now_is("cdefghijkl"), RETIRED);
    release_disk();
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("cdefghijkl"), MISSING);
}

/* Removing an unknown name neither withdraws a file nor makes one. */
static void test_absent(void **state)
{
    (void)state;
    put("abcdefghij", 200001);
    run_until(idle);
    publish_remove(accounts, "nobodyknows", "production");
    assert_true(idle());
    assert_int_equal(now_is("abcdefghij"), SEEN);
    hold_disk();
    put("cdefghijkl", 200003);
    run_until(building);
    publish_remove(accounts, "nobodyknows", "production");
    release_disk();
    run_until(built_twice);
    assert_true(idle());
    /* While a change waits the file stays live. */
    put("bcdefghijk", 200002);
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
    publish_put(accounts, &document);
    run_until(idle);
    for (size_t i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "application-number-%zu", i);
        apps[i] = (struct snapshot_app){.name = names[i]};
    }
    document.flags = CLOUD_SNAPSHOT_PAUSED | CLOUD_SNAPSHOT_APPS;
    document.home = "/elsewhere";
    document.apps = 100;
    document.app = apps;
    publish_put(accounts, &document);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_int_equal(account.record.flags,
                     CLOUD_SNAPSHOT_PAUSED | CLOUD_SNAPSHOT_APPS | CLOUD_SNAPSHOT_PARTIAL);
    assert_string_equal(account.home, "/elsewhere");
}

/* An id is found in a retired file, too. */
static void test_by_id(void **state)
{
    struct cloud_snapshot_account account;

    (void)state;
    assert_false(publish_by_id(accounts, 200001, false, &account));
    put("abcdefghij", 200001);
    run_until(idle);
    publish_reload(accounts, "https://other");
    store_document();
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
    publish_put(accounts, &account);
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* The file of an earlier process serves on, and the first new one has its records. */
static void test_left_by_another(void **state)
{
    int fd;

    (void)state;
    put("abcdefghij", 200001);
    run_until(idle);
    fd = open(NEW_FILE, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    close(fd);
    close_accounts();
    assert_int_equal(now_is("abcdefghij"), SEEN); /* it stays live without a daemon */
    open_accounts("https://api");
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_true(idle());
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A file of an earlier boot, or from the future, keeps names: each lookup asks the daemon. */
static void assert_doubted(void)
{
    struct cloud_snapshot_account account;

    assert_int_equal(now_is("abcdefghij"), RETIRED);
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_true(account.record.fresh < time(NULL) && account.record.expires < time(NULL));
    assert_int_equal(see("bcdefghijk", &account), SEEN);
    assert_true(account.record.fresh > time(NULL) && account.record.expires > time(NULL));
}

static void test_rebooted(void **state)
{
    (void)state;
    publish_two();
    boot = "two";
    restart();
    assert_doubted();
}

static void test_left_in_the_future(void **state)
{
    (void)state;
    publish_two();
    put_on = -600;
    restart();
    assert_doubted();
}

/* What has changed just before a process ends is in the file that it leaves. */
static void test_left_behind(void **state)
{
    (void)state;
    publish_two();
    put("abcdefghij", 200009);
    put("cdefghijkl", 200003);
    restart();
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
}

/* A retired file may have what was to be taken back. */
static void test_left_retired(void **state)
{
    int fd;

    (void)state;
    publish_two();
    close_accounts();
    fd = open(FILE_, O_WRONLY);
    assert_int_equal(pwrite(fd, "ITER", 4, offsetof(struct cloud_snapshot_header, state)), 4);
    close(fd);
    open_accounts("https://api");
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A process is killed behind any change: the next one has what was taken back, and nothing else. */
static void test_killed_behind_a_change(void **state)
{
    int status;
    pid_t child;

    (void)state;
    put("cdefghijkl", 200003);
    publish_two();
    close_accounts();
    child = fork();
    if (child == 0) {
        loop = loop_new();
        open_accounts("https://api");
        publish_remove(accounts, "abcdefghij", "production");
        put("bcdefghijk", 200009);
        store_document();
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    open_accounts("https://api");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(now_is("abcdefghij"), MISSING);
        assert_int_equal(now_is("bcdefghijk"), MISSING);
        assert_int_equal(now_is("cdefghijkl"), SEEN);
        put("defghijklm", 200004);
        run_until(idle);
    }
}

/* Overwrites the account's record from an offset within it. */
static void spoil(const char *project, size_t from, uint32_t bytes)
{
    struct cloud_snapshot snapshot;
    struct cloud_snapshot_account account;
    int fd = open(FILE_, O_WRONLY);

    assert_true(cloud_snapshot_map(&snapshot));
    assert_true(cloud_snapshot_by_name(&snapshot, project, "production", &account));
    assert_int_equal(
        pwrite(fd, &bytes, sizeof bytes, (off_t)(snapshot.header.records + account.offset + from)),
        sizeof bytes);
    cloud_snapshot_unmap(&snapshot);
    close(fd);
}

/* Changes the hash of the account's name in the index, so that lookups by name do not find it. */
static void spoil_name(const char *project)
{
    struct cloud_snapshot snapshot;
    struct cloud_snapshot_account account;
    uint64_t bucket = 0, size;
    int fd = open(FILE_, O_RDWR);
    off_t at;

    assert_true(cloud_snapshot_map(&snapshot));
    assert_true(cloud_snapshot_by_name(&snapshot, project, "production", &account));
    at = (off_t)snapshot.header.names;
    size = (uint64_t)sizeof bucket << snapshot.header.bits;
    while ((uint32_t)bucket != account.offset / 8 + 1 &&
           (uint64_t)at < snapshot.header.names + size) {
        assert_int_equal(pread(fd, &bucket, sizeof bucket, at), sizeof bucket);
        at += (off_t)sizeof bucket;
    }
    bucket ^= UINT64_C(1) << 60;
    assert_int_equal(pwrite(fd, &bucket, sizeof bucket, at - (off_t)sizeof bucket), sizeof bucket);
    cloud_snapshot_unmap(&snapshot);
    close(fd);
}

static bool is_found_by_uid(uint32_t uid)
{
    struct cloud_snapshot snapshot;
    struct cloud_snapshot_account account;
    bool found;

    assert_true(cloud_snapshot_map(&snapshot));
    found = cloud_snapshot_by_uid(&snapshot, uid, &account);
    cloud_snapshot_unmap(&snapshot);
    return found;
}

/* An account that a damaged index hides cannot be removed: it is in no later file. */
static void test_damaged_index(void **state)
{
    (void)state;
    publish_two();
    spoil_name("abcdefghij");
    assert_int_equal(now_is("abcdefghij"), MISSING);
    publish_remove(accounts, "abcdefghij", "production");
    put("cdefghijkl", 200003);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_false(is_found_by_uid(200001));
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
}

/* A damaged record is in no later file, until it is put again; the others are. */
static void test_damaged_record(void **state)
{
    (void)state;
    publish_two();
    spoil("abcdefghij", offsetof(struct cloud_snapshot_record, uid), 0);
    restart();
    put("cdefghijkl", 200003);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
    put("abcdefghij", 200001);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
}

/* Nor is one of a damaged size; the records behind it are. */
static void test_damaged_size(void **state)
{
    (void)state;
    publish_two();
    spoil("abcdefghij", 0, 7);
    put("cdefghijkl", 200003);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
    spoil("cdefghijkl", 0, 0);
    spoil("bcdefghijk", 0, 1 << 30);
    put("defghijklm", 200004);
    run_until(idle);
    assert_int_equal(now_is("cdefghijkl"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), MISSING);
    assert_int_equal(now_is("defghijklm"), SEEN);
}

static bool judged(void)
{
    return now_is("abcdefghij") == MISSING;
}

/* What has become wrong while no process ran is taken back, and what has become so meanwhile. */
static void test_judged(void **state)
{
    struct snapshot_account account = account_of("bcdefghijk", 200002);
    struct cloud_snapshot_account seen;

    (void)state;
    account.flags = CLOUD_SNAPSHOT_ACTIVE | CLOUD_SNAPSHOT_APPS;
    publish_two();
    publish_put(accounts, &account);
    refused = "abcdefghij";
    restart();
    run_until(judged);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(see("bcdefghijk", &seen), SEEN);
    assert_int_equal(seen.record.flags, CLOUD_SNAPSHOT_ACTIVE | CLOUD_SNAPSHOT_APPS);
    cleared = CLOUD_SNAPSHOT_ACTIVE;
    publish_judge(accounts, true);
    store_document();
    assert_int_equal(now_is("bcdefghijk"), MISSING);
    run_until(idle);
    assert_int_equal(see("bcdefghijk", &seen), SEEN);
    assert_int_equal(seen.record.flags, CLOUD_SNAPSHOT_APPS);
    refused = "bcdefghijk";
    publish_judge(accounts, true);
    store_document();
    assert_int_equal(now_is("bcdefghijk"), MISSING);
    run_until(idle);
    assert_int_equal(now_is("bcdefghijk"), MISSING);
}

/* What is being written is judged as well. */
static void test_judged_while_building(void **state)
{
    (void)state;
    put("bcdefghijk", 200002);
    run_until(idle);
    hold_disk();
    put("abcdefghij", 200001);
    run_until(building);
    refused = "abcdefghij";
    publish_judge(accounts, true);
    sem_post(&syncs);
    run_until(built_twice);
    run_until(judged);
    release_disk();
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* What another API's settings clear is not judged, so that nothing of it is published again. */
static void test_cleared_is_not_judged(void **state)
{
    struct snapshot_account account = account_of("bcdefghijk", 200002);

    (void)state;
    account.flags = CLOUD_SNAPSHOT_ACTIVE;
    publish_two();
    publish_put(accounts, &account);
    run_until(idle);
    publish_reload(accounts, "https://other");
    cleared = CLOUD_SNAPSHOT_ACTIVE;
    publish_judge(accounts, true);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), MISSING);
}

/* Of many records each is judged, in several turns of the loop. */
static void test_many_judged(void **state)
{
    char name[] = "project0000";

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "project%04u", i);
        put(name, 200001 + i);
    }
    put("abcdefghij", 300000);
    run_until(idle);
    refused = "abcdefghij";
    publish_judge(accounts, false);
    run_until(judged);
    run_until(idle);
    assert_int_equal(view().accounts, 2000);
}

/* A clock that is put back makes no record last longer, or fresh again. */
static void test_clock_put_back(void **state)
{
    struct cloud_snapshot_account account;

    (void)state;
    put("abcdefghij", 200001);
    run_until(idle);
    put_on = -1800;
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(see("bcdefghijk", &account), SEEN);
    assert_in_range(account.record.expires - time(NULL), 3540, 3600);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_in_range(account.record.expires - time(NULL), 3540, 3600);
    assert_in_range(account.record.fresh - time(NULL), 240, 300);
    /* Put forward and back again: a record of the time between lasts as long as intended. */
    put_on = 1800;
    put("cdefghijkl", 200003);
    run_until(idle);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
    put_on = 0;
    put("defghijklm", 200004);
    run_until(idle);
    assert_int_equal(see("cdefghijkl", &account), SEEN);
    assert_in_range(account.record.expires - time(NULL), 3540, 3600);
    assert_int_equal(see("defghijklm", &account), SEEN);
}

/* It withdraws the published file, also where nothing else changes. */
static void test_clock_is_watched(void **state)
{
    (void)state;
    put("abcdefghij", 200001);
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
    store_document();
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
}

static bool taken_back(void)
{
    return now_is("abcdefghij") != SEEN;
}

/* The daemon is restarted, removes an account, and is killed when it renames its first file. */
static void restart_and_be_killed(void)
{
    int status;
    pid_t child;

    close_accounts();
    child = fork();
    if (child == 0) {
        loop = loop_new();
        open_accounts("https://api");
        killed_at_the_rename = true;
        hold_disk();
        put("cdefghijkl", 200003);
        run_until(building);
        publish_remove(accounts, "abcdefghij", "production");
        /* The store's worker does that, and may else come after the builder's exchange. */
        run_until(taken_back);
        release_disk();
        run_until(idle);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A daemon is killed after the new file got its name, and before it is live: what is in force then
 * is in force after the next start, without what was removed while the new file was written. */
static void test_killed_at_the_rename(void **state)
{
    (void)state;
    publish_two();
    restart_and_be_killed();
    assert_int_equal(now_is("bcdefghijk"), RETIRED);
    open_accounts("https://api");
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    put("cdefghijkl", 200003);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
    assert_int_equal(now_is("cdefghijkl"), SEEN);
}

/* A file system that exchanges no names: the file that loses its name is retired before. */
static void test_no_exchange(void **state)
{
    struct cloud_snapshot old;

    (void)state;
    exchange_fails = EINVAL;
    put("abcdefghij", 200001);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_true(cloud_snapshot_map(&old));
    restart_and_be_killed();
    assert_true(cloud_snapshot_retired(&old));
    cloud_snapshot_unmap(&old);
    open_accounts("https://api");
}

/* An exchange that is denied is logged, and the published file stays as it is. */
static void test_exchange_denied(void **state)
{
    (void)state;
    put("abcdefghij", 200001);
    run_until(idle);
    exchange_fails = EACCES;
    put("bcdefghijk", 200002);
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
    put("abcdefghij", 200001);
    run_until(idle);
    close_accounts();
    open_accounts("https://another");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    put("abcdefghij", 200001);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    close_accounts();
    fd = open(FILE_, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, offsetof(struct cloud_snapshot_header, version)), 1);
    close(fd);
    open_accounts("https://another");
    assert_int_equal(now_is("abcdefghij"), RETIRED);
}

/* While no file can be written the last good one stays, and the daemon tries again. */
static void test_cannot_be_written(void **state)
{
    (void)state;
    put("abcdefghij", 200001);
    run_until(idle);
    assert_int_equal(mkdir(NEW_FILE, 0755), 0);
    put("bcdefghijk", 200002);
    run_until(failed);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    assert_int_equal(now_is("bcdefghijk"), MISSING);
    publish_remove(accounts, "abcdefghij", "production");
    store_document();
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(rmdir(NEW_FILE), 0);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A clock that is put back, and other settings, while a file is written that then fails. */
static void test_fails_meanwhile(void **state)
{
    struct cloud_snapshot_account account;

    (void)state;
    hold_disk();
    put("abcdefghij", 200001);
    run_until(building);
    put_on = -1800;
    publish_follow_clock(accounts);
    exchange_fails = EACCES;
    release_disk();
    run_until(failed);
    exchange_fails = 0;
    run_until(idle);
    assert_int_equal(see("abcdefghij", &account), SEEN);
    assert_in_range(account.record.expires - time(NULL), 3500, 3600);
    hold_disk();
    put("bcdefghijk", 200002);
    run_until(building);
    publish_reload(accounts, "https://other");
    exchange_fails = EACCES;
    release_disk();
    run_until(failed);
    exchange_fails = 0;
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), MISSING);
    put("cdefghijkl", 200003);
    publish_reload(accounts, "https://another");
    run_until(idle);
    assert_int_equal(now_is("cdefghijkl"), MISSING);
}

/* An account that is removed while no file can be written is in none that is written later. */
static void test_gone_before_it_was_written(void **state)
{
    (void)state;
    assert_int_equal(mkdir(NEW_FILE, 0755), 0);
    put("abcdefghij", 200001);
    put("bcdefghijk", 200002);
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
    struct snapshot_account account = account_of("abcdefghij", 200001);

    (void)state;
    disk_full = true;
    put("abcdefghij", 200001);
    run_until(failed);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    disk_full = false;
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    put("bcdefghijk", 200002);
    run_until(idle);
    disk_full = true;
    account.expires += 100; /* what is published is not wrong */
    publish_put(accounts, &account);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    publish_remove(accounts, "abcdefghij", "production");
    store_document();
    assert_int_equal(access(FILE_, F_OK), -1);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    run_until(failed);
    assert_int_equal(now_is("abcdefghij"), RETIRED);
    disk_full = false;
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* While the disk hangs no call waits for it, and what is stored behind a call waits as well. */
static void test_disk_hangs(void **state)
{
    struct snapshot_account account = account_of("abcdefghij", 200001);
    struct cloud_snapshot_account seen;

    (void)state;
    put("cdefghijkl", 200003);
    publish_two();
    atomic_store(&disk_hangs, true);
    account.home = "/elsewhere";
    publish_put(accounts, &account);
    publish_remove(accounts, "bcdefghijk", "production");
    refused = "cdefghijkl";
    publish_judge(accounts, true);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    hold_disk();
    put("defghijklm", 200004);
    put("efghijklmn", 200005);
    run_until(building);
    publish_remove(accounts, "defghijklm", "production");
    publish_remove(accounts, "nobodyknows", "production");
    release_disk();
    run_until(written); /* and on the way to be live */
    publish_remove(accounts, "efghijklmn", "production");
    account.home = "/app"; /* as in the file, where it is about to be taken back */
    publish_put(accounts, &account);
    atomic_store(&disk_hangs, false);
    store_document();
    assert_int_not_equal(now_is("abcdefghij"), SEEN);
    assert_int_not_equal(now_is("bcdefghijk"), SEEN);
    assert_int_not_equal(now_is("cdefghijkl"), SEEN);
    assert_int_not_equal(now_is("efghijklmn"), SEEN);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &seen), SEEN);
    assert_string_equal(seen.home, "/app");
    assert_int_equal(view().accounts, 1);
}

/* A record that is about to be taken back is judged, and its later document stays. */
static void test_judged_while_hanging(void **state)
{
    struct snapshot_account account = account_of("abcdefghij", 200001);
    struct cloud_snapshot_account seen;

    (void)state;
    account.flags = CLOUD_SNAPSHOT_ACTIVE;
    publish_put(accounts, &account);
    run_until(idle);
    atomic_store(&disk_hangs, true);
    account.home = "/elsewhere";
    account.flags = 0;
    publish_put(accounts, &account);
    cleared = CLOUD_SNAPSHOT_ACTIVE;
    publish_judge(accounts, true);
    atomic_store(&disk_hangs, false);
    run_until(idle);
    assert_int_equal(see("abcdefghij", &seen), SEEN);
    assert_string_equal(seen.home, "/elsewhere");
}

static bool was_active; /* the first environment, in a turn of idle_at_last */

static bool idle_at_last(void)
{
    struct cloud_snapshot_account seen;

    was_active |=
        see("abcdefghij", &seen) == SEEN && (seen.record.flags & CLOUD_SNAPSHOT_ACTIVE) != 0;
    return idle();
}

static void put_all(const struct snapshot_account *account)
{
    char name[] = "project0000";

    for (unsigned i = 0; i < 9000; i++) {
        snprintf(name, sizeof name, "project%04u", i);
        put(name, 300001 + i);
    }
    publish_put(accounts, account);
}

/* Later times that wait bring no flag back that was judged away: `ends`, the daemon does so before
 * the next turn of the loop. */
static void judge_with_times(bool ends)
{
    struct snapshot_account account = account_of("abcdefghij", 200001);

    account.flags = CLOUD_SNAPSHOT_ACTIVE;
    put_all(&account);
    run_until(idle);
    account.fresh += 60;
    put_all(&account);
    assert_int_equal(now_is("abcdefghij"), SEEN);
    cleared = CLOUD_SNAPSHOT_ACTIVE;
    publish_judge(accounts, true);
    store_document();
    assert_int_equal(now_is("abcdefghij"), MISSING);
    was_active = false;
    if (ends)
        restart();
    run_until(idle_at_last);
    assert_false(was_active);
}

static void test_judged_before_live(void **state)
{
    (void)state;
    judge_with_times(false);
}

static void test_judged_at_the_end(void **state)
{
    (void)state;
    judge_with_times(true);
}

static void finish_last(struct work *work)
{
    publish_remove(accounts, "abcdefghij", "production");
    free(work);
}

/* What changes by the last work of the store's worker is in the file that the process leaves. */
static void test_changed_at_the_end(void **state)
{
    struct work *work = calloc(1, sizeof *work);

    (void)state;
    publish_two();
    *work = (struct work){.run = run_marker, .finish = finish_last};
    worker_add(store, work);
    worker_free(store);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    publish_free(accounts);
    open_accounts("https://api");
    assert_int_equal(now_is("abcdefghij"), MISSING);
}

/* A file of an earlier process that the disk cannot read is not used. */
static void test_bad_sector(void **state)
{
    (void)state;
    publish_two();
    close_accounts();
    bad_sector = true;
    open_accounts("https://api");
    bad_sector = false;
    assert_int_equal(access(FILE_, F_OK), -1);
    put("bcdefghijk", 200002);
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

/* A new file of which a record cannot be taken back never becomes live. */
static void test_no_block_for_a_record(void **state)
{
    (void)state;
    hold_disk();
    put("abcdefghij", 200001);
    put("bcdefghijk", 200002);
    run_until(building);
    publish_remove(accounts, "abcdefghij", "production");
    no_record = true;
    release_disk();
    run_until(failed);
    assert_int_equal(now_is("bcdefghijk"), RETIRED);
    no_record = false;
    run_until(idle);
    assert_int_equal(now_is("abcdefghij"), MISSING);
    assert_int_equal(now_is("bcdefghijk"), SEEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_put),
        TEST(test_remove),
        TEST(test_remove_while_building),
        TEST(test_change),
        TEST(test_other_flags),
        TEST(test_times),
        TEST(test_same),
        TEST(test_times_while_building),
        TEST(test_new_contradicts),
        TEST(test_changed_while_building),
        TEST(test_reload),
        TEST(test_whole),
        TEST(test_whole_no_longer),
        TEST(test_whole_while_building),
        TEST(test_reload_before_live),
        TEST(test_reload_while_building),
        TEST(test_absent),
        TEST(test_too_many_applications),
        TEST(test_by_id),
        TEST(test_expired_stays),
        TEST(test_left_by_another),
        TEST(test_rebooted),
        TEST(test_left_in_the_future),
        TEST(test_left_behind),
        TEST(test_left_retired),
        TEST(test_killed_behind_a_change),
        TEST(test_damaged_index),
        TEST(test_damaged_record),
        TEST(test_damaged_size),
        TEST(test_judged),
        TEST(test_judged_while_building),
        TEST(test_cleared_is_not_judged),
        TEST(test_many_judged),
        TEST(test_clock_put_back),
        TEST(test_clock_is_watched),
        TEST(test_killed_at_the_rename),
        TEST(test_no_exchange),
        TEST(test_exchange_denied),
        TEST(test_left_by_other_settings),
        TEST(test_cannot_be_written),
        TEST(test_fails_meanwhile),
        TEST(test_gone_before_it_was_written),
        TEST(test_no_block),
        TEST(test_no_block_for_a_record),
        TEST(test_disk_hangs),
        TEST(test_judged_while_hanging),
        TEST(test_judged_before_live),
        TEST(test_judged_at_the_end),
        TEST(test_changed_at_the_end),
        TEST(test_bad_sector),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
