/* SPDX-License-Identifier: Apache-2.0 */

/* The store on a real folder, with a wall clock of the test's own. */
#include "access/keys.h"
#include "cloudauthd/state/store.h"
#include "common/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY "{\"version\": 1}"

static char folder[64];
static struct loop *loop;
static struct store *store;
static time_t wall_clock;
static int64_t boot_clock, boots;

time_t time(time_t *out)
{
    if (out != NULL)
        *out = wall_clock;
    return wall_clock;
}

int64_t cloud_clock_ms(void)
{
    return boot_clock;
}

/* A disk that stands still, or fails, or tells what it was asked to do. */
static struct {
    atomic_bool stands;                  /* until `moves` is posted, once for each call */
    atomic_int unlinks_fail, syncs_fail; /* errnos */
    sem_t reached, moves;
    char did[16]; /* u: unlinked, r: renamed, s: a folder synced */
    size_t n;
} disk;

static void disk_call(char what)
{
    if (disk.n < sizeof disk.did - 1)
        disk.did[disk.n++] = what;
    if (!atomic_load(&disk.stands))
        return;
    sem_post(&disk.reached);
    sem_wait(&disk.moves);
}

static int failing(int error)
{
    errno = error;
    return -1;
}

int unlinkat(int at, const char *name, int flags)
{
    disk_call('u');
    if (atomic_load(&disk.unlinks_fail) != 0)
        return failing(atomic_load(&disk.unlinks_fail));
    return (int)syscall(SYS_unlinkat, at, name, flags);
}

int renameat(int from, const char *old, int to, const char *name)
{
    disk_call('r');
    return (int)syscall(SYS_renameat2, from, old, to, name, 0);
}

int fsync(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        disk_call('s');
        if (atomic_load(&disk.syncs_fail) != 0)
            return failing(atomic_load(&disk.syncs_fail));
    }
    return (int)syscall(SYS_fsync, fd);
}

static void reopen_as(const char *host, const char *url)
{
    store_free(store);
    store = store_new(loop, folder, host, url);
    assert_non_null(store);
}

static void reopen(void)
{
    reopen_as("web1", "file:///srv/{environment}");
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/cloudauth-store-XXXXXX");
    assert_non_null(mkdtemp(folder));
    wall_clock = 1800000000;
    boot_clock = 5000000;
    boots = 8;
    memset(&disk, 0, sizeof disk);
    sem_init(&disk.reached, 0, 0);
    sem_init(&disk.moves, 0, 0);
    loop = loop_new();
    store = NULL;
    reopen();
    return 0;
}

static void empty_folder(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (entry->d_type != DT_DIR)
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory != NULL)
        closedir(directory);
    rmdir(path);
}

static int teardown(void **state)
{
    char path[128];

    (void)state;
    store_free(store);
    loop_free(loop);
    snprintf(path, sizeof path, "%s/documents", folder);
    empty_folder(path);
    empty_folder(folder);
    return 0;
}

static unsigned dones;
static bool done_ok;

static void count_up(void *arg, bool ok)
{
    ++*(unsigned *)arg;
    done_ok = ok;
}

/* Puts a document and waits for the worker: ending it finishes all. */
static void put(const char *environment, const char *body)
{
    struct store_entry entry = {.project = "abcdefghij",
                                .environment = environment,
                                .validator = {.etag = "\"e\"", .modified = "Sun"},
                                .asked = boot_clock,
                                .asked_wall = wall_clock};

    dones = 0;
    store_put(store, &entry, body, strlen(body), count_up, &dones);
    reopen();
    assert_int_equal(dones, 1);
}

struct found {
    size_t n;
    struct store_entry last;
    char environment[64], body[64];
};

static bool take(void *arg, const struct store_entry *entry, const void *body, size_t length)
{
    struct found *found = arg;

    found->n++;
    found->last = *entry;
    assert_string_equal(entry->project, "abcdefghij");
    assert_true(length < sizeof found->body);
    memcpy(found->body, body, length);
    found->body[length] = '\0';
    snprintf(found->environment, sizeof found->environment, "%s", entry->environment);
    return true;
}

static struct found load(void)
{
    struct found found = {0};
    size_t taken = store_load(store, take, &found);

    assert_int_equal(taken, found.n);
    return found;
}

static void test_kept(void **state)
{
    struct found found;

    (void)state;
    assert_int_equal(load().n, 0);
    put("staging", BODY);
    found = load();
    assert_int_equal(found.n, 1);
    assert_string_equal(found.environment, "staging");
    assert_string_equal(found.body, BODY);
    assert_string_equal(found.last.validator.etag, "\"e\"");
    assert_string_equal(found.last.validator.modified, "Sun");
    assert_int_equal(found.last.asked, boot_clock);
    assert_int_equal(found.last.asked_wall, wall_clock);
    put("staging", "{}");
    put("production", BODY);
    found = load();
    assert_int_equal(found.n, 2);
}

static unsigned removals;

static void remove_staging(void)
{
    removals = 0;
    store_remove(store, "abcdefghij", "staging", count_up, &removals);
}

static void test_removed(void **state)
{
    struct store_entry entry = {.project = "abcdefghij", .environment = "staging"};
    unsigned puts = 0;

    (void)state;
    put("staging", BODY);
    remove_staging();
    reopen();
    assert_int_equal(removals, 1);
    assert_true(done_ok);
    assert_int_equal(load().n, 0);
    /* One that is still on its way does not come after its removal. */
    for (unsigned i = 0; i < 200; i++) {
        store_put(store, &entry, BODY, strlen(BODY), count_up, &puts);
        remove_staging();
    }
    reopen();
    assert_int_equal(puts, 200);
    assert_int_equal(load().n, 0);
    /* Nor does a removal after what came after it. */
    remove_staging();
    put("staging", BODY);
    assert_int_equal(load().n, 1);
}

/* Whoever is told that it is gone is told so when no loss of power brings it back. */
static void test_removal_is_synced(void **state)
{
    (void)state;
    put("staging", BODY);
    disk.n = 0;
    remove_staging();
    reopen();
    assert_int_equal(removals, 1);
    disk.did[disk.n] = '\0';
    assert_string_equal(disk.did, "us");
    /* What was never there costs no disk its time. */
    disk.n = 0;
    remove_staging();
    reopen();
    assert_true(done_ok);
    disk.did[disk.n] = '\0';
    assert_string_equal(disk.did, "u");
}

static void test_cannot_be_removed(void **state)
{
    (void)state;
    put("staging", BODY);
    atomic_store(&disk.unlinks_fail, EROFS);
    remove_staging();
    reopen();
    assert_int_equal(removals, 1);
    assert_false(done_ok);
    atomic_store(&disk.unlinks_fail, 0);
    atomic_store(&disk.syncs_fail, EIO);
    remove_staging();
    reopen();
    assert_int_equal(removals, 1);
    assert_false(done_ok);
    /* A document is not on the disk before its folder is; then there is none. */
    struct store_entry entry = {.project = "abcdefghij", .environment = "staging"};
    store_put(store, &entry, BODY, strlen(BODY), count_up, &dones);
    reopen();
    assert_false(done_ok);
    assert_int_equal(load().n, 0);
}

/* A disk that stands still, wherever it does, stops nobody who asks the store for anything. */
static void test_disk_stands_still(void **state)
{
    struct store_entry entry = {.project = "abcdefghij", .environment = "staging"};
    const struct store_binding owner = {"abcdefghij", "staging", 200001, 200001};
    unsigned puts = 0;

    (void)state;
    atomic_store(&disk.stands, true);
    store_put(store, &entry, BODY, strlen(BODY), count_up, &puts);
    remove_staging();
    alarm(20); /* it would never come back */
    for (unsigned i = 0; i < 3; i++) {
        sem_wait(&disk.reached); /* the rename, its folder's sync, then the removal */
        store_put(store, &entry, BODY, strlen(BODY), count_up, &puts);
        store_touch(store, &entry);
        store_add_binding(store, &owner);
        store_remove(store, "abcdefghij", "staging", count_up, &puts);
        assert_int_equal(puts, 0);
        assert_int_equal(removals, 0);
        if (i < 2)
            sem_post(&disk.moves);
    }
    atomic_store(&disk.stands, false);
    sem_post(&disk.moves);
    reopen();
    alarm(0);
    assert_int_equal(puts, 7);
    assert_int_equal(removals, 1);
    assert_int_equal(load().n, 0);
}

static void test_touched(void **state)
{
    struct store_entry entry = {.project = "abcdefghij",
                                .environment = "staging",
                                .asked = boot_clock + 90000,
                                .asked_wall = wall_clock + 90};
    struct found found;

    (void)state;
    digest_sha256(BODY, strlen(BODY), entry.hash);
    store_touch(store, &entry); /* nothing there: nothing comes of it */
    reopen();
    assert_int_equal(load().n, 0);
    put("staging", BODY);
    digest_sha256(BODY, strlen(BODY), entry.hash);
    store_touch(store, &entry);
    boot_clock += 90000;
    wall_clock += 90;
    reopen();
    found = load();
    assert_int_equal(found.last.asked, boot_clock);
    assert_string_equal(found.body, BODY);
    assert_string_equal(found.last.validator.etag, "\"e\"");
}

/* New times do not make it another API's. */
static void test_touched_by_another(void **state)
{
    struct store_entry entry = {
        .project = "abcdefghij", .environment = "staging", .asked = boot_clock};

    (void)state;
    put("staging", BODY);
    store_configure(store, "web1", "file:///other/{environment}");
    digest_sha256(BODY, strlen(BODY), entry.hash);
    store_touch(store, &entry);
    reopen_as("web1", "file:///other/{environment}");
    assert_int_equal(load().n, 0);
    reopen();
    assert_int_equal(load().n, 1);
}

/* New times of one document do not make another younger, which a disk fault left in its place. */
static void test_touched_another_body(void **state)
{
    struct store_entry entry = {
        .project = "abcdefghij", .environment = "staging", .asked = boot_clock + 60000};
    int64_t asked = boot_clock;

    (void)state;
    put("staging", BODY);
    digest_sha256_two("{}", 2, "", 0, entry.hash);
    store_touch(store, &entry);
    boot_clock += 90000;
    reopen();
    assert_int_equal(load().last.asked, asked);
}

/* In the same boot the time since boot counts, whatever the wall clock does. */
static void test_clock(void **state)
{
    struct found found;
    int64_t asked = boot_clock;

    (void)state;
    put("staging", BODY);
    boot_clock += 1000000;
    wall_clock += 31536000;
    found = load();
    assert_int_equal(found.last.asked, asked);
    wall_clock -= 31536000 + 86400;
    assert_int_equal(load().n, 0); /* from the future */
}

static void pass(int64_t seconds)
{
    wall_clock += seconds;
    boot_clock += seconds * 1000;
}

/* The time since boot is less than any that a document has, so that they are of another boot. */
static void reboot(int64_t wall_seconds)
{
    store_free(store);
    store = NULL;
    wall_clock += wall_seconds;
    boot_clock = --boots * 1000;
    reopen();
}

/* One that was kept while the clock was ahead costs itself alone, in the same boot. */
static void test_one_from_the_future(void **state)
{
    struct found found;
    int64_t asked;

    (void)state;
    put("production", BODY);
    asked = boot_clock;
    pass(60);
    wall_clock += 31536000;
    put("staging", BODY);
    wall_clock -= 31536000;
    pass(60);
    reopen();
    found = load();
    assert_int_equal(found.n, 1);
    assert_string_equal(found.environment, "production");
    assert_int_equal(found.last.asked, asked);
}

/* After a reboot what was kept before the clock was put back could be of any age: not used, at this
 * start and any later one, until it is confirmed. What was kept after it is used. */
static void test_clock_put_back(void **state)
{
    struct store_entry entry = {.project = "abcdefghij", .environment = "staging"};

    (void)state;
    put("staging", BODY);
    pass(36000);
    put("production", BODY);
    reboot(7200 - 36000 - 3600); /* two hours later it says: one hour after the first */
    assert_int_equal(load().n, 0);
    reboot(36000); /* past the time of both; it was put back all the same */
    assert_int_equal(load().n, 0);
    digest_sha256(BODY, strlen(BODY), entry.hash);
    entry.asked = boot_clock;
    entry.asked_wall = wall_clock;
    store_touch(store, &entry);
    put("integration", BODY);
    reboot(60);
    assert_int_equal(load().n, 2);
}

/* The same where the daemon was there when it happened, and nothing was from the future later. */
static void test_clock_put_back_meanwhile(void **state)
{
    (void)state;
    put("staging", BODY);
    pass(36000);
    store_watch_clock(store);
    wall_clock -= 36000;
    store_watch_clock(store);
    pass(600);
    reboot(60);
    assert_int_equal(load().n, 0);
}

/* A clock that is put right by a second or two, or forward, costs nothing. */
static void test_clock_kept(void **state)
{
    (void)state;
    put("staging", BODY);
    for (unsigned i = 0; i < 5; i++) {
        pass(60);
        store_watch_clock(store);
    }
    wall_clock -= 2;
    store_watch_clock(store);
    wall_clock += 100;
    store_watch_clock(store);
    reboot(60);
    assert_int_equal(load().n, 1);
}

/* A document that was asked for before the clock was put back, and came after it, is as old as it
 * is, and not younger. */
static void test_asked_before_put_back(void **state)
{
    struct store_entry entry = {.project = "abcdefghij",
                                .environment = "staging",
                                .asked = boot_clock,
                                .asked_wall = wall_clock};
    struct found found;

    (void)state;
    pass(4);
    wall_clock -= 3600;
    store_put(store, &entry, BODY, strlen(BODY), count_up, &dones);
    pass(3700);
    reboot(0);
    found = load();
    assert_int_equal(found.n, 1);
    assert_int_equal(found.last.asked, 7000 - 3704 * 1000);
}

/* What another host wrote tells nothing of this one's clock. */
static void test_future_of_another(void **state)
{
    (void)state;
    put("production", BODY);
    wall_clock += 36000;
    reopen_as("web2", "file:///srv/{environment}");
    struct store_entry entry = {.project = "abcdefghij",
                                .environment = "staging",
                                .asked = boot_clock,
                                .asked_wall = wall_clock};
    store_put(store, &entry, BODY, strlen(BODY), count_up, &dones);
    reopen();
    reboot(60 - 36000);
    assert_int_equal(load().n, 1);
}

/* A count that cannot be read is no reason to believe what is older than it looks. */
static void test_clock_damaged(void **state)
{
    char path[128];
    int fd;

    (void)state;
    put("staging", BODY);
    snprintf(path, sizeof path, "%s/documents/clock", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "0 0123456789abcdef\n", 19), 19);
    close(fd);
    reboot(60);
    assert_int_equal(load().n, 0);
    put("staging", BODY);
    reboot(60);
    assert_int_equal(load().n, 1);
}

/* After a reboot only the wall clock tells. */
static void test_reboot(void **state)
{
    struct found found;

    (void)state;
    put("staging", BODY);
    boot_clock = 7000;
    wall_clock += 600;
    reopen();
    found = load();
    assert_int_equal(found.n, 1);
    assert_int_equal(found.last.asked, 7000 - 600 * 1000);
}

/* It is not used under other settings, and is there when those are right again. */
static void test_of_another(void **state)
{
    (void)state;
    put("staging", BODY);
    reopen_as("web2", "file:///srv/{environment}");
    assert_int_equal(load().n, 0);
    reopen_as("web1", "file:///other/{environment}");
    assert_int_equal(load().n, 0);
    reopen();
    assert_int_equal(load().n, 1);
}

static char file_path[128];

static size_t read_document(char *out, size_t size)
{
    ssize_t n;
    int fd;

    snprintf(file_path, sizeof file_path, "%s/documents/abcdefghij.staging", folder);
    fd = open(file_path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, out, size);
    close(fd);
    assert_true(n > 0);
    return (size_t)n;
}

static void write_document(const char *bytes, size_t n)
{
    int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

/* Any byte changed, anything cut off, anything added: that document is gone, and kept aside. */
static void test_damaged(void **state)
{
    char good[2048], bad[2048];
    size_t n;

    (void)state;
    put("staging", BODY);
    n = read_document(good, sizeof good);
    for (size_t at = 0; at < n; at++) {
        memcpy(bad, good, n);
        bad[at] = (char)(bad[at] ^ (1 << (at % 8)));
        write_document(bad, n);
        assert_int_equal(load().n, 0);
        assert_int_not_equal(access(file_path, F_OK), 0);
    }
    for (size_t length = 0; length < n; length++) {
        write_document(good, length);
        assert_int_equal(load().n, 0);
    }
    memcpy(bad, good, n);
    bad[n] = 'x';
    write_document(bad, n + 1);
    assert_int_equal(load().n, 0);
    write_document(good, n);
    assert_int_equal(load().n, 1);
}

/* A file under another environment's name. */
static void test_renamed(void **state)
{
    char other[128];

    (void)state;
    put("staging", BODY);
    snprintf(file_path, sizeof file_path, "%s/documents/abcdefghij.staging", folder);
    snprintf(other, sizeof other, "%s/documents/abcdefghij.production", folder);
    assert_int_equal(rename(file_path, other), 0);
    assert_int_equal(load().n, 0);
}

/* Where only new times cannot be written, the document stays as it was. */
static void test_cannot_be_touched(void **state)
{
    struct store_entry entry = {
        .project = "abcdefghij", .environment = "staging", .asked = boot_clock + 60000};
    char blocked[128];

    (void)state;
    put("staging", BODY);
    snprintf(blocked, sizeof blocked, "%s/documents/new", folder);
    unlink(blocked);
    assert_int_equal(mkdir(blocked, 0700), 0);
    digest_sha256(BODY, strlen(BODY), entry.hash);
    store_touch(store, &entry);
    reopen();
    assert_int_equal(load().n, 1);
    rmdir(blocked);
}

/* A document that cannot be written takes the former one with it, which would bring people back. */
static void test_cannot_be_written(void **state)
{
    struct store_entry entry = {.project = "abcdefghij", .environment = "staging"};
    char blocked[128];

    (void)state;
    put("staging", BODY);
    snprintf(blocked, sizeof blocked, "%s/documents/new", folder);
    unlink(blocked);
    assert_int_equal(mkdir(blocked, 0700), 0); /* in the way of the file that is written aside */
    dones = 0;
    store_put(store, &entry, "{}", 2, count_up, &dones);
    reopen();
    assert_int_equal(dones, 1);
    assert_int_equal(load().n, 0);
    rmdir(blocked);
}

static struct store_binding owners[16];
static size_t bindings_found;

static void take_owner(void *arg, const struct store_binding *owner)
{
    (void)arg;
    if (bindings_found < sizeof owners / sizeof owners[0])
        owners[bindings_found++] = *owner;
}

static void test_owners(void **state)
{
    const struct store_binding first = {"abcdefghij", "production", 200001, 200001};
    const struct store_binding second = {"abcdefghij", "staging", 200002, 200003};
    char path[128];
    int fd;

    (void)state;
    bindings_found = 0;
    assert_true(store_load_bindings(store, take_owner, NULL));
    assert_int_equal(bindings_found, 0);
    store_add_binding(store, &first);
    store_add_binding(store, &second);
    reopen();
    assert_true(store_load_bindings(store, take_owner, NULL));
    assert_int_equal(bindings_found, 2);
    assert_string_equal(owners[0].project, "abcdefghij");
    assert_string_equal(owners[0].environment, "production");
    assert_int_equal(owners[0].uid, 200001);
    assert_int_equal(owners[1].gid, 200003);
    assert_string_equal(owners[1].environment, "staging");

    /* A line that a crash cut short costs itself alone. */
    snprintf(path, sizeof path, "%s/owners", folder);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "200009 2000", 11), 11);
    close(fd);
    store_add_binding(store, &second);
    reopen();
    bindings_found = 0;
    assert_true(store_load_bindings(store, take_owner, NULL));
    assert_int_equal(bindings_found, 3);
    strcat(path, ".damaged");
    assert_int_equal(access(path, F_OK), 0);
}

static void on_release(void *arg, bool ok)
{
    *(int *)arg = ok ? 1 : -1;
}

static void test_owners_released(void **state)
{
    const struct store_binding owner = {"abcdefghij", "production", 200001, 200001};
    int released = 0;
    char path[128];

    (void)state;
    store_add_binding(store, &owner);
    store_release_binding(store, "abcdefghij", "production", on_release, &released);
    store_add_binding(store, &owner);
    reopen();
    assert_int_equal(released, 1);
    bindings_found = 0;
    assert_true(store_load_bindings(store, take_owner, NULL));
    assert_int_equal(bindings_found, 3);
    assert_false(store_binding_is_release(&owners[0]));
    assert_true(store_binding_is_release(&owners[1]));
    assert_string_equal(owners[1].project, "abcdefghij");
    assert_string_equal(owners[1].environment, "production");
    assert_false(store_binding_is_release(&owners[2]));
    /* Where the disk refuses, that is said. */
    snprintf(path, sizeof path, "%s/owners", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    store_release_binding(store, "abcdefghij", "production", on_release, &released);
    reopen();
    assert_int_equal(released, -1);
    assert_int_equal(rmdir(path), 0);
}

static void on_release_and_stop(void *arg, bool ok)
{
    on_release(arg, ok);
    loop_stop(loop);
}

/* A binding that the disk does not take is kept as soon as it takes anything; not one that was
 * released meanwhile. */
static void test_owners_later(void **state)
{
    const struct store_binding first = {"abcdefghij", "production", 200001, 200001};
    const struct store_binding second = {"abcdefghij", "staging", 200002, 200002};
    int released = 0;
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/owners", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    store_add_binding(store, &first);
    store_add_binding(store, &second);
    store_release_binding(store, "abcdefghij", "staging", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    assert_int_equal(released, -1);
    assert_int_equal(rmdir(path), 0);
    released = 0;
    store_release_binding(store, "abcdefghij", "staging", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    released = 0; /* what is tried again stands before that one */
    store_release_binding(store, "cdefghijkl", "production", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    assert_int_equal(released, 1);
    reopen();
    bindings_found = 0;
    assert_true(store_load_bindings(store, take_owner, NULL));
    assert_int_equal(bindings_found, 3);
    assert_true(store_binding_is_release(&owners[0]));
    assert_int_equal(owners[1].uid, 200001);
    assert_true(store_binding_is_release(&owners[2]));
}

/* No changed digit gives a uid to somebody else. */
static void test_owners_damaged(void **state)
{
    const struct store_binding owner = {"abcdefghij", "production", 200001, 200001};
    char path[128], line[256];
    ssize_t n;
    int fd;

    (void)state;
    store_add_binding(store, &owner);
    reopen();
    snprintf(path, sizeof path, "%s/owners", folder);
    fd = open(path, O_RDWR | O_CLOEXEC);
    n = read(fd, line, sizeof line);
    assert_true(n > 20);
    for (ssize_t at = 0; at < n; at++) {
        char bad = (char)(line[at] ^ 1);
        assert_int_equal(pwrite(fd, &bad, 1, at), 1);
        bindings_found = 0;
        assert_true(store_load_bindings(store, take_owner, NULL));
        assert_int_equal(bindings_found, 0);
        assert_int_equal(pwrite(fd, line + at, 1, at), 1);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_touched_by_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_be_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_touched_another_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removal_is_synced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_be_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_stands_still, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_from_the_future, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_put_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_put_back_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_asked_before_put_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_future_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reboot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owners, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owners_released, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owners_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owners_damaged, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
