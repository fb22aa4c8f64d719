/* SPDX-License-Identifier: Apache-2.0 */

/* The store in a real directory, with a wall clock of the test's own. */
#include "base/digest.h"
#include "base/log.h"
#include "cloudauthd/state/bindings_log.h"
#include "cloudauthd/state/store.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local char message[512]; /* the last line that this thread has logged */

void log_at(int level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
}

#define BODY "{\"version\": 1}"

static struct loop *loop;
static struct worker *worker;
static struct store *store;
static struct bindings_log *bindings;
static int64_t boots;

/* A disk that hangs or fails, and records what it was asked to do. */
static struct {
    atomic_bool stands;                  /* until `moves` is posted, once for each call */
    atomic_int unlinks_fail, syncs_fail; /* errnos */
    int lists_fail;                      /* the same, after the first name */
    sem_t reached, moves;
    char did[16];    /* u: unlinked, r: renamed, s: a directory synced */
    atomic_size_t n; /* calls: the worker's and the store's own may come at once */
} disk;

static void disk_call(char what)
{
    size_t n = atomic_fetch_add(&disk.n, 1);

    if (n < sizeof disk.did - 1)
        disk.did[n] = what;
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

struct dirent *readdir(DIR *directory)
{
    if (disk.lists_fail != 0 && telldir(directory) != 0) {
        errno = disk.lists_fail;
        return NULL;
    }
    return (struct dirent *)readdir64(directory);
}

/* The kernel gives the directory the time of the change. */
int renameat(int from, const char *old, int to, const char *name)
{
    const struct timespec times[2] = {{.tv_sec = fake_time}, {.tv_sec = fake_time}};
    int done;

    disk_call('r');
    done = (int)syscall(SYS_renameat2, from, old, to, name, 0);
    futimens(to, times);
    return done;
}

int fsync(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        disk_call('s');
        if (atomic_load(&disk.syncs_fail) != 0)
            return failing(atomic_load(&disk.syncs_fail));
    }
    return skip_sync(fd);
}

static void shut(void)
{
    if (worker == NULL)
        return;
    worker_free(worker);
    store_free(store);
    bindings_log_free(bindings);
    worker = NULL;
    store = NULL;
    bindings = NULL;
}

static void reopen_as(const char *host, const char *url)
{
    shut();
    worker = worker_new(loop);
    assert_non_null(worker);
    store = store_new(worker, directory_path(), host, url);
    bindings = bindings_log_new(worker, directory_path());
    assert_non_null(store);
    assert_non_null(bindings);
}

static void reopen(void)
{
    reopen_as("web1", "file:///srv/{environment}");
}

static void write_clock(const char *line)
{
    int fd = open(in_directory("documents/clock"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    close(fd);
}

static void read_clock(char line[64])
{
    int fd = open(in_directory("documents/clock"), O_RDONLY | O_CLOEXEC);

    memset(line, 0, 64);
    assert_true(read(fd, line, 63) > 0);
    close(fd);
}

static int setup(void **state)
{
    (void)state;
    enter_directory();
    fake_time = 1800000000;
    fake_ms = 5000000;
    boots = 8;
    memset(&disk, 0, sizeof disk);
    sem_init(&disk.reached, 0, 0);
    sem_init(&disk.moves, 0, 0);
    loop = loop_new();
    reopen(); /* the first start writes a count of the clock */
    reopen();
    memset(&disk.did, 0, sizeof disk.did);
    atomic_store(&disk.n, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    shut();
    loop_free(loop);
    leave_directory();
    return 0;
}

static unsigned dones;
static bool done_ok;

static void count_up(void *arg, bool ok)
{
    ++*(unsigned *)arg;
    done_ok = ok;
}

static void put_body(struct stored_document *entry, const char *body, unsigned *done)
{
    entry->body = body;
    entry->length = strlen(body);
    store_put(store, entry, count_up, done);
}

/* Puts a document and waits for the worker: freeing it finishes all work. */
static void put(const char *environment, const char *body)
{
    struct stored_document entry = {.project = "abcdefghij",
                                    .environment = environment,
                                    .validator = {.etag = "\"e\"", .modified = "Sun"},
                                    .asked = fake_ms,
                                    .asked_wall = fake_time};

    dones = 0;
    put_body(&entry, body, &dones);
    reopen();
    assert_int_equal(dones, 1);
}

struct found {
    size_t n;   /* documents whose age is known */
    size_t own; /* documents of this host, API and environment */
    struct stored_document last;
    char environment[64], body[64];
};

static void take_found(struct found *found, const struct stored_document *document,
                       const char *project, const char *environment)
{
    found->n++;
    found->last = *document;
    assert_string_equal(found->last.project, project);
    assert_string_equal(found->last.environment, environment);
    assert_true(found->last.length < sizeof found->body);
    memcpy(found->body, found->last.body, found->last.length);
    found->body[found->last.length] = '\0';
    snprintf(found->environment, sizeof found->environment, "%s", environment);
}

static void read_one(struct found *found, const char *project, const char *environment)
{
    struct store_file file;

    store_read(store, project, environment, &file);
    if (store_judge(store, &file)) {
        found->own++;
        if (file.file.document.asked == STORE_AGE_UNKNOWN)
            assert_int_equal(file.file.document.asked_wall, 0);
        else
            take_found(found, &file.file.document, project, environment);
    }
    free(file.bytes);
}

/* Reads all documents, and waits until the damaged ones are set aside. */
static struct found load(void)
{
    struct found found = {0};
    size_t n;
    char *names = store_list(store, &n), *at = names;

    assert_non_null(names);
    for (size_t i = 0; i < n; i++) {
        char *environment = at + strlen(at) + 1;
        read_one(&found, at, environment);
        at = environment + strlen(environment) + 1;
    }
    free(names);
    return found;
}

static unsigned removals;

static void remove_staging(void)
{
    removals = 0;
    store_remove(store, "abcdefghij", "staging", count_up, &removals);
}

static void stop_when_done(void *arg)
{
    if (worker_pending(worker) == 0)
        loop_stop(loop);
    else
        loop_timer_set(loop, arg, 0);
}

/* The store's figures when the worker has done all work. */
static struct store_figures figures(void)
{
    struct loop_timer timer = {.due = stop_when_done, .arg = &timer};
    struct store_figures out;

    loop_timer_set(loop, &timer, 0);
    assert_true(loop_run(loop));
    store_look(store, &out);
    return out;
}

/* The documents are counted at the start, and from then on with every change. */
static void test_figures(void **state)
{
    struct stored_document entry = {.project = "abcdefghij", .environment = "third"};
    struct store_figures start;

    (void)state;
    put("staging", BODY);
    put("production", BODY);
    store_count(store, 2);
    store_look(store, &start);
    assert_int_equal(start.documents, 2);
    assert_int_equal(figures().writes, 0);
    put_body(&entry, BODY, &dones);
    put_body(&entry, BODY, &dones);
    assert_int_equal(figures().documents, 3);
    remove_staging();
    remove_staging();
    assert_int_equal(figures().documents, 2);
    assert_int_equal(figures().writes, 4);
    assert_int_equal(figures().errors, 0);
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
    assert_int_equal(found.last.asked, fake_ms);
    assert_int_equal(found.last.asked_wall, fake_time);
    put("staging", "{}");
    put("production", BODY);
    found = load();
    assert_int_equal(found.n, 2);
}

/* A list that the disk has cut short is none. */
static void test_cannot_be_listed(void **state)
{
    size_t n;

    (void)state;
    put("staging", BODY);
    disk.lists_fail = EIO;
    assert_null(store_list(store, &n));
    assert_int_equal(n, 0);
    disk.lists_fail = 0;
    assert_int_equal(load().n, 1);
}

static void test_removed(void **state)
{
    struct stored_document entry = {.project = "abcdefghij", .environment = "staging"};
    unsigned puts = 0;

    (void)state;
    put("staging", BODY);
    remove_staging();
    reopen();
    assert_int_equal(removals, 1);
    assert_true(done_ok);
    assert_int_equal(load().n, 0);
    /* A document that is still being written does not reappear after its removal. */
    for (unsigned i = 0; i < 200; i++) {
        put_body(&entry, BODY, &puts);
        remove_staging();
    }
    reopen();
    assert_int_equal(puts, 200);
    assert_int_equal(load().n, 0);
    /* Nor is a removal carried out after a later put. */
    remove_staging();
    put("staging", BODY);
    assert_int_equal(load().n, 1);
}

/* A removal is reported once no loss of power can undo it. */
static void test_removal_is_synced(void **state)
{
    (void)state;
    put("staging", BODY);
    disk.n = 0;
    remove_staging();
    shut();
    assert_int_equal(removals, 1);
    disk.did[disk.n] = '\0';
    assert_string_equal(disk.did, "us");
    /* Nor can one undo what a daemon that was killed had not synced, once that is read. */
    disk.n = 0;
    reopen();
    disk.did[disk.n] = '\0';
    assert_string_equal(disk.did, "ss"); /* the documents, and the bindings above them */
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
    /* Without the sync of the directory a document is not on the disk: it is removed. */
    struct stored_document entry = {.project = "abcdefghij", .environment = "staging"};
    put_body(&entry, BODY, &dones);
    reopen();
    assert_false(done_ok);
    assert_int_equal(load().n, 0);
}

/* A binding is on the disk before a document that is stored after it. */
static void test_binding_first(void **state)
{
    struct stored_document entry = {.project = "abcdefghij", .environment = "staging"};
    const struct binding binding = {"abcdefghij", "staging", 200001, 200001};
    char path[128];
    struct stat st;
    unsigned puts = 0;

    (void)state;
    snprintf(path, sizeof path, "%s/owners", directory_path());
    atomic_store(&disk.stands, true);
    bindings_log_add(bindings, &binding);
    put_body(&entry, BODY, &puts);
    sem_wait(&disk.reached); /* the sync of the directory, in which the binding's file is new */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    sem_post(&disk.moves);
    sem_wait(&disk.reached); /* the rename of the document */
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 0);
    atomic_store(&disk.stands, false);
    sem_post(&disk.moves);
    reopen();
    assert_int_equal(puts, 1);
}

/* While the disk hangs, in whichever call, no function of the store waits. */
static void test_disk_stands_still(void **state)
{
    struct stored_document entry = {.project = "abcdefghij", .environment = "staging"};
    const struct binding owner = {"abcdefghij", "staging", 200001, 200001};
    unsigned puts = 0;

    (void)state;
    atomic_store(&disk.stands, true);
    put_body(&entry, BODY, &puts);
    remove_staging();
    alarm(60); /* a call that waits would never return */
    for (unsigned i = 0; i < 3; i++) {
        sem_wait(&disk.reached); /* the rename, the sync of the directory, the removal */
        put_body(&entry, BODY, &puts);
        store_touch(store, &entry);
        bindings_log_add(bindings, &owner);
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
    struct stored_document entry = {.project = "abcdefghij",
                                    .environment = "staging",
                                    .asked = fake_ms + 90000,
                                    .asked_wall = fake_time + 90};
    struct found found;

    (void)state;
    digest_sha256(BODY, strlen(BODY), entry.hash);
    store_touch(store, &entry); /* no such document: nothing is written */
    reopen();
    assert_int_equal(load().n, 0);
    put("staging", BODY);
    digest_sha256(BODY, strlen(BODY), entry.hash);
    store_touch(store, &entry);
    fake_ms += 90000;
    fake_time += 90;
    reopen();
    found = load();
    assert_int_equal(found.last.asked, fake_ms);
    assert_string_equal(found.body, BODY);
    assert_string_equal(found.last.validator.etag, "\"e\"");
}

/* A document with new times remains of the API that it came from. */
static void test_touched_by_another(void **state)
{
    struct stored_document entry = {
        .project = "abcdefghij", .environment = "staging", .asked = fake_ms};

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

/* It becomes one of the host by whose name it was confirmed. */
static void test_touched_by_another_host(void **state)
{
    struct stored_document entry = {
        .project = "abcdefghij", .environment = "staging", .asked = fake_ms};

    (void)state;
    put("staging", BODY);
    store_configure(store, "web2", "file:///srv/{environment}");
    digest_sha256(BODY, strlen(BODY), entry.hash);
    store_touch(store, &entry);
    reopen_as("web2", "file:///srv/{environment}");
    assert_int_equal(load().n, 1);
    reopen();
    assert_int_equal(load().n, 0);
}

/* New times of one body do not make another body younger that a disk fault left in its place. */
static void test_touched_another_body(void **state)
{
    struct stored_document entry = {
        .project = "abcdefghij", .environment = "staging", .asked = fake_ms + 60000};
    int64_t asked = fake_ms;

    (void)state;
    put("staging", BODY);
    digest_sha256("{}", 2, entry.hash);
    store_touch(store, &entry);
    fake_ms += 90000;
    reopen();
    assert_int_equal(load().last.asked, asked);
}

/* Within one boot the time since boot tells the age, whatever the wall clock does. */
static void test_clock(void **state)
{
    struct found found;
    int64_t asked = fake_ms;

    (void)state;
    put("staging", BODY);
    fake_ms += 1000000;
    fake_time += 31536000;
    found = load();
    assert_int_equal(found.last.asked, asked);
    fake_time -= 31536000 + 86400;
    found = load();
    assert_int_equal(found.n, 0); /* from the future */
    assert_int_equal(found.own, 1);
}

static void pass(int64_t seconds)
{
    fake_time += seconds;
    fake_ms += seconds * 1000;
}

/* The time since boot is less than that of any document, so all of them are of another boot. */
static void reboot(int64_t wall_seconds)
{
    shut();
    fake_time += wall_seconds;
    fake_ms = --boots * 1000;
    reopen();
}

/* Within one boot, a document stored while the clock was ahead costs only itself. */
static void test_one_from_the_future(void **state)
{
    struct found found;
    int64_t asked;

    (void)state;
    put("production", BODY);
    asked = fake_ms;
    pass(60);
    fake_time += 31536000;
    put("staging", BODY);
    fake_time -= 31536000;
    pass(60);
    reopen();
    found = load();
    assert_int_equal(found.n, 1);
    assert_string_equal(found.environment, "production");
    assert_int_equal(found.last.asked, asked);
}

static void damage_clock(void)
{
    write_clock("0 0123456789abcdef\n");
}

/* What the disk says of a clock that was put back while no daemon ran. */
static void test_was_ahead(void **state)
{
    (void)state;
    put("staging", BODY);
    pass(60);
    reopen();
    (void)load();
    assert_int_equal(store_ahead(store), 0);
    fake_time -= 7200;
    reopen();
    (void)load();
    assert_int_equal(store_ahead(store), fake_time + 7200 - fake_ms / 1000);
}

/* A clock that is put back again was ahead by what it was at most. */
static void test_ahead(void **state)
{
    int64_t ahead = fake_time - fake_ms / 1000;

    (void)state;
    store_watch_clock(store);
    assert_int_equal(store_ahead(store), ahead);
    fake_time += 5400;
    store_watch_clock(store);
    fake_time -= 7200;
    store_watch_clock(store);
    fake_time += 3600;
    store_watch_clock(store);
    assert_int_equal(store_ahead(store), ahead + 5400);
}

/* The time of the directory says so also where the count is damaged. */
static void test_was_ahead_damaged(void **state)
{
    const struct timespec times[2] = {{.tv_sec = fake_time}, {.tv_sec = fake_time}};

    (void)state;
    put("staging", BODY);
    shut();
    damage_clock();
    assert_int_equal(utimensat(AT_FDCWD, "documents", times, 0), 0);
    fake_time -= 7200;
    reopen();
    assert_in_range(store_ahead(store), fake_time + 7190 - fake_ms / 1000,
                    fake_time + 7200 - fake_ms / 1000);
}

/* Its file is called as a damaged one of its project would be. */
static void test_environment_called_damaged(void **state)
{
    (void)state;
    put("damaged", BODY);
    put("clock", BODY);
    assert_int_equal(load().n, 2);
}

/* After a reboot a document stored before the clock was put back could be of any age: that is not
 * known, at this start and any later one, until the API confirms it. One stored after that is. */
static void test_clock_put_back(void **state)
{
    struct stored_document entry = {.project = "abcdefghij", .environment = "staging"};
    struct found found;

    (void)state;
    put("staging", BODY);
    pass(36000);
    put("production", BODY);
    reboot(7200 - 36000 -
           3600); /* two hours later the clock is one hour after the first document */
    found = load();
    assert_int_equal(found.n, 0);
    assert_int_equal(found.own, 2); /* it still names its account */
    reboot(36000);                  /* after the time of both documents, and yet it was put back */
    assert_int_equal(load().n, 0);
    digest_sha256(BODY, strlen(BODY), entry.hash);
    entry.asked = fake_ms;
    entry.asked_wall = fake_time;
    store_touch(store, &entry);
    put("integration", BODY);
    reboot(60);
    assert_int_equal(load().n, 2);
}

/* The same if the daemon saw it put back, and no document is from the future later. */
static void test_clock_put_back_meanwhile(void **state)
{
    (void)state;
    put("staging", BODY);
    pass(36000);
    store_watch_clock(store);
    fake_time -= 36000;
    store_watch_clock(store);
    pass(600);
    reboot(60);
    assert_int_equal(load().n, 0);
}

/* A clock that is adjusted by a second or two, or set forward, costs nothing. */
static void test_clock_kept(void **state)
{
    (void)state;
    put("staging", BODY);
    for (unsigned i = 0; i < 5; i++) {
        pass(60);
        store_watch_clock(store);
    }
    fake_time -= 2;
    store_watch_clock(store);
    fake_time += 100;
    store_watch_clock(store);
    reboot(60);
    assert_int_equal(load().n, 1);
}

/* A document that was requested before the clock was put back, and arrived after it, does not
 * become younger. */
static void test_asked_before_put_back(void **state)
{
    struct stored_document entry = {.project = "abcdefghij",
                                    .environment = "staging",
                                    .asked = fake_ms,
                                    .asked_wall = fake_time};
    struct found found;

    (void)state;
    pass(4);
    fake_time -= 3600;
    put_body(&entry, BODY, &dones);
    pass(3700);
    reboot(0);
    found = load();
    assert_int_equal(found.n, 1);
    assert_int_equal(found.last.asked, 7000 - 3704 * 1000);
}

/* While the count of the clock is damaged or missing, documents of earlier boots are not used. */
static void test_clock_damaged(void **state)
{
    (void)state;
    put("staging", BODY);
    damage_clock();
    reboot(60);
    assert_int_equal(load().n, 0);
    put("staging", BODY);
    reboot(60);
    assert_int_equal(load().n, 1);
    shut();
    assert_int_equal(unlink(in_directory("documents/clock")), 0);
    reboot(60);
    assert_int_equal(load().n, 0);
    assert_int_equal(load().own, 1);
}

/* Where the disk refuses a count, the former one does not stay. */
static void test_clock_refused(void **state)
{
    struct rlimit had, none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &had), 0);
    none = (struct rlimit){0, had.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    put("staging", BODY);
    pass(7200);
    store_watch_clock(store);
    fake_time -= 7200;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    store_watch_clock(store);
    shut();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
    reboot(600);
    assert_int_equal(load().n, 0);
    reboot(600);
    assert_int_equal(load().n, 0);
}

/* The same where the count was higher: it is not counted from 0 again, which would come to that of
 * the document. */
static void test_clock_damaged_later(void **state)
{
    (void)state;
    fake_time -= 7200;
    store_watch_clock(store);
    put("staging", BODY);
    fake_time -= 7200;
    store_watch_clock(store);
    shut();
    damage_clock();
    reboot(3600);
    assert_int_equal(load().n, 0);
    reboot(3600);
    assert_int_equal(load().n, 0);
}

/* After a reboot the wall clock tells the age. */
static void test_reboot(void **state)
{
    struct found found;

    (void)state;
    put("staging", BODY);
    fake_ms = 7000;
    fake_time += 600;
    reopen();
    found = load();
    assert_int_equal(found.n, 1);
    assert_int_equal(found.last.asked, 7000 - 600 * 1000);
    fake_time -=
        600; /* as lately as just now, says the clock; it was before the reboot in any case */
    reopen();
    assert_int_equal(load().last.asked, 0);
}

/* A document is not used under other settings, and stays until they are right again. */
static void test_of_another(void **state)
{
    (void)state;
    put("staging", BODY);
    reopen_as("web2", "file:///srv/{environment}");
    assert_int_equal(load().n + load().own, 0);
    reopen_as("web1", "file:///other/{environment}");
    assert_int_equal(load().n + load().own, 0);
    reopen();
    assert_int_equal(load().n, 1);
}

static char file_path[128];

static size_t read_document(char *out, size_t size)
{
    ssize_t n;
    int fd;

    snprintf(file_path, sizeof file_path, "%s/documents/abcdefghij.staging", directory_path());
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

/* While the disk hangs, what can be left out or put together does not pile up. */
static void test_disk_hangs_for_long(void **state)
{
    struct stored_document entry = {.project = "abcdefghij", .environment = "staging"};
    char path[128], before[64], clock[64];
    unsigned puts = 0;
    size_t pending;

    (void)state;
    read_clock(before);
    put("staging", BODY);
    (void)read_document(path, sizeof path);
    write_document("damaged", 7);
    atomic_store(&disk.stands, true);
    put_body(&entry, BODY, &puts);
    sem_wait(&disk.reached);
    for (unsigned i = 0; i < 3000; i++) {
        store_touch(store, &entry);
        assert_int_equal(load().n, 0);
        if (i % 2 == 0)
            fake_time -= 10;
    }
    pending = worker_pending(worker);
    atomic_store(&disk.stands, false);
    sem_post(&disk.moves);
    reopen();
    assert_int_equal(puts, 1);
    assert_in_range(pending, 1000, 1010);
    read_clock(clock);
    assert_int_equal(strtoul(clock, NULL, 10), strtoul(before, NULL, 10) + 1500);
}

/* A document with a byte changed, cut off or added is not used, and set aside. */
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
        assert_int_equal(figures().documents, 0); /* only the first was counted */
        assert_int_not_equal(access(file_path, F_OK), 0);
    }
    for (size_t length = 0; length < n; length++) {
        write_document(good, length);
        assert_int_equal(load().n, 0);
        (void)figures();
    }
    memcpy(bad, good, n);
    bad[n] = 'x';
    write_document(bad, n + 1);
    assert_int_equal(load().n, 0);
    (void)figures();
    write_document(good, n);
    assert_int_equal(load().n, 1);
}

/* A document that version 0.1.0 wrote in another boot is read; the same is written, but for the
 * times. */
static void test_format(void **state)
{
    static const char old[] =
        "cloudauth document 1\n"
        "sha256 5c400bdd1094d206fcccd16376b48256d03881d834c011f1322e31ff8e7b2c73\n"
        "host web1\n"
        "url file:///srv/{environment}\n"
        "project abcdefghij\n"
        "environment staging\n"
        "asked 1799999940\n"
        "clock 0\n"
        "boot 11111111-2222-3333-4444-555555555555 4940000\n"
        "etag \"e\"\n"
        "modified Sun\n"
        "length 14\n"
        "\n"
        "{\"version\": 1}";
    char file[2048];
    struct found found;
    size_t n;

    (void)state;
    shut();
    write_clock("0 5feceb66ffc86f38\n");
    reopen();
    put("staging", BODY);
    n = read_document(file, sizeof file);
    assert_int_equal(n, sizeof old - 1);
    assert_memory_equal(file, old, strlen("cloudauth document 1\nsha256 "));
    file[n] = '\0';
    assert_string_equal(strstr(file, "\netag "), strstr(old, "\netag "));
    *strstr(file, "asked ") = '\0';
    assert_memory_equal(strstr(file, "\nhost "), strstr(old, "\nhost "),
                        strlen(strstr(file, "\nhost ")));
    write_document(old, n);
    fake_ms = 30000;
    found = load();
    assert_int_equal(found.n, 1);
    assert_string_equal(found.body, BODY);
    assert_string_equal(found.last.validator.etag, "\"e\"");
    assert_string_equal(found.last.validator.modified, "Sun");
    assert_int_equal(found.last.asked_wall, 1799999940);
    assert_int_equal(found.last.asked, -30000);
    /* A count that is not there is not 0, so the age of the document is not known. */
    shut();
    assert_int_equal(unlink(in_directory("documents/clock")), 0);
    reopen();
    found = load();
    assert_int_equal(found.n, 0);
    assert_int_equal(found.own, 1);
}

/* The same for the count of the clock. */
static void test_clock_format(void **state)
{
    char line[64];

    (void)state;
    shut();
    write_clock("1 6b86b273ff34fce1\n");
    reopen();
    fake_time -= 100;
    store_watch_clock(store);
    shut();
    read_clock(line);
    assert_string_equal(line, "2 d4735e3a265e16ee\n");
    reopen();
}

/* A file with the name of another environment is not used. */
static void test_renamed(void **state)
{
    char other[128];

    (void)state;
    put("staging", BODY);
    snprintf(file_path, sizeof file_path, "%s/documents/abcdefghij.staging", directory_path());
    snprintf(other, sizeof other, "%s/documents/abcdefghij.production", directory_path());
    assert_int_equal(rename(file_path, other), 0);
    assert_int_equal(load().n, 0);
}

/* If new times cannot be written, the document stays as it was. */
static void test_cannot_be_touched(void **state)
{
    struct stored_document entry = {
        .project = "abcdefghij", .environment = "staging", .asked = fake_ms + 60000};
    char blocked[128];

    (void)state;
    put("staging", BODY);
    snprintf(blocked, sizeof blocked, "%s/documents/new", directory_path());
    unlink(blocked);
    assert_int_equal(mkdir(blocked, 0700), 0);
    digest_sha256(BODY, strlen(BODY), entry.hash);
    store_touch(store, &entry);
    reopen();
    assert_int_equal(load().n, 1);
    rmdir(blocked);
}

/* If a document cannot be written, the former one is removed: it could admit people again. The log
 * names the document as all other lines do. */
static void test_cannot_be_written(void **state)
{
    struct stored_document entry = {.project = "abcdefghij", .environment = "staging"};
    char blocked[128];

    (void)state;
    put("staging", BODY);
    snprintf(blocked, sizeof blocked, "%s/documents/new", directory_path());
    unlink(blocked);
    assert_int_equal(mkdir(blocked, 0700), 0); /* in the way of the file that is written aside */
    dones = 0;
    put_body(&entry, "{}", &dones);
    reopen();
    assert_int_equal(dones, 1);
    assert_non_null(strstr(message, "document abcdefghij/staging cannot be written: "));
    assert_int_equal(load().n, 0);
    rmdir(blocked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kept),
        TEST(test_figures),
        TEST(test_cannot_be_listed),
        TEST(test_removed),
        TEST(test_touched),
        TEST(test_touched_by_another),
        TEST(test_touched_by_another_host),
        TEST(test_cannot_be_touched),
        TEST(test_touched_another_body),
        TEST(test_clock),
        TEST(test_removal_is_synced),
        TEST(test_cannot_be_removed),
        TEST(test_disk_stands_still),
        TEST(test_binding_first),
        TEST(test_one_from_the_future),
        TEST(test_environment_called_damaged),
        TEST(test_was_ahead),
        TEST(test_ahead),
        TEST(test_was_ahead_damaged),
        TEST(test_clock_put_back),
        TEST(test_clock_put_back_meanwhile),
        TEST(test_clock_kept),
        TEST(test_asked_before_put_back),
        TEST(test_clock_damaged),
        TEST(test_clock_refused),
        TEST(test_clock_damaged_later),
        TEST(test_reboot),
        TEST(test_of_another),
        TEST(test_disk_hangs_for_long),
        TEST(test_damaged),
        TEST(test_format),
        TEST(test_clock_format),
        TEST(test_renamed),
        TEST(test_cannot_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
