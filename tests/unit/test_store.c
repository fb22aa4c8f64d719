/* SPDX-License-Identifier: Apache-2.0 */

/* The store on a real folder, with a wall clock of the test's own. */
#include "broker/keys.h"
#include "broker/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY "{\"version\": 1}"

static char folder[64];
static struct loop *loop;
static struct store *store;
static time_t wall_clock;
static int64_t boot_clock;

time_t time(time_t *out)
{
    if (out != NULL)
        *out = wall_clock;
    return wall_clock;
}

int64_t loop_now(void)
{
    return boot_clock;
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

static void count_up(void *arg)
{
    ++*(unsigned *)arg;
}

static unsigned dones;

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

static void test_removed(void **state)
{
    struct store_entry entry = {.project = "abcdefghij", .environment = "staging"};

    (void)state;
    put("staging", BODY);
    store_remove(store, "abcdefghij", "staging");
    assert_int_equal(load().n, 0);
    /* One that is still on its way does not come after its removal. */
    for (unsigned i = 0; i < 200; i++) {
        store_put(store, &entry, BODY, strlen(BODY), count_up, &dones);
        store_remove(store, "abcdefghij", "staging");
        if (i % 20 == 19)
            reopen();
        assert_int_equal(load().n, 0);
    }
    reopen();
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
    keys_sha256(BODY, strlen(BODY), "", 0, entry.hash);
    store_touch(store, &entry); /* nothing there: nothing comes of it */
    reopen();
    assert_int_equal(load().n, 0);
    put("staging", BODY);
    keys_sha256(BODY, strlen(BODY), "", 0, entry.hash);
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
    keys_sha256(BODY, strlen(BODY), "", 0, entry.hash);
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
    keys_sha256("{}", 2, "", 0, entry.hash);
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
    assert_int_equal(load().n, 0); /* put back before the fetch: nothing can be told */
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
    keys_sha256(BODY, strlen(BODY), "", 0, entry.hash);
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

static struct store_owner owners[16];
static size_t owners_found;

static void take_owner(void *arg, const struct store_owner *owner)
{
    (void)arg;
    if (owners_found < sizeof owners / sizeof owners[0])
        owners[owners_found++] = *owner;
}

static void test_owners(void **state)
{
    const struct store_owner first = {"abcdefghij", "production", 200001, 200001};
    const struct store_owner second = {"abcdefghij", "staging", 200002, 200003};
    char path[128];
    int fd;

    (void)state;
    owners_found = 0;
    assert_true(store_load_owners(store, take_owner, NULL));
    assert_int_equal(owners_found, 0);
    store_add_owner(store, &first);
    store_add_owner(store, &second);
    reopen();
    assert_true(store_load_owners(store, take_owner, NULL));
    assert_int_equal(owners_found, 2);
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
    store_add_owner(store, &second);
    reopen();
    owners_found = 0;
    assert_true(store_load_owners(store, take_owner, NULL));
    assert_int_equal(owners_found, 3);
    strcat(path, ".damaged");
    assert_int_equal(access(path, F_OK), 0);
}

/* No changed digit gives a uid to somebody else. */
static void test_owners_damaged(void **state)
{
    const struct store_owner owner = {"abcdefghij", "production", 200001, 200001};
    char path[128], line[256];
    ssize_t n;
    int fd;

    (void)state;
    store_add_owner(store, &owner);
    reopen();
    snprintf(path, sizeof path, "%s/owners", folder);
    fd = open(path, O_RDWR | O_CLOEXEC);
    n = read(fd, line, sizeof line);
    assert_true(n > 20);
    for (ssize_t at = 0; at < n; at++) {
        char bad = (char)(line[at] ^ 1);
        assert_int_equal(pwrite(fd, &bad, 1, at), 1);
        owners_found = 0;
        assert_true(store_load_owners(store, take_owner, NULL));
        assert_int_equal(owners_found, 0);
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
        cmocka_unit_test_setup_teardown(test_reboot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owners, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owners_damaged, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
