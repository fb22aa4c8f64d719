/* SPDX-License-Identifier: Apache-2.0 */

/* accounts.snapshot as the daemon writes it and every process reads it, whole and damaged. */
#include "cloudauthd/accounts/snapshot_write.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NOW   1800000000
#define SEED  0x1234567890abcdefu
#define FILE_ CLOUD_SNAPSHOT_DIRECTORY "/" CLOUD_SNAPSHOT_FILE

static int setup_folder(void **state)
{
    (void)state;
    enter_directory();
    return mkdir(CLOUD_SNAPSHOT_DIRECTORY, 0755);
}

static const struct snapshot_app apps[] = {{"mymagento", "/app"}, {"admin", NULL}};

/* Number i of many; the third has applications. */
static struct cloud_snapshot_record *make(uint32_t i)
{
    char project[32], home[300];
    struct snapshot_account account = {.project = project,
                                       .environment = i % 2 == 0 ? "production" : "staging",
                                       .gecos = "a comment",
                                       .home = home,
                                       .shell = "/bin/bash",
                                       .uid = 200000 + i,
                                       .gid = 300000 + i,
                                       .flags = CLOUD_SNAPSHOT_ACTIVE,
                                       .fresh = NOW + 300,
                                       .expires = NOW + 3600 + i,
                                       .apps = i == 2 ? 2 : 0,
                                       .app = apps};

    snprintf(project, sizeof project, "project%u", i);
    snprintf(home, sizeof home, "/app/%.*s", (int)(i % 250),
             "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
             "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
             "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
             "dddddddddddddddddddddd");
    if (i == 2)
        account.flags |= CLOUD_SNAPSHOT_APPS;
    return snapshot_encode(&account);
}

static bool write_records(int fd, struct cloud_snapshot_record *const *records, size_t n)
{
    const struct snapshot_file file = {
        .created = NOW, .seed = SEED, .state = CLOUD_SNAPSHOT_LIVE, .most = n};
    struct snapshot_writer writer;
    bool ok = snapshot_start(&writer, fd, &file);

    for (size_t i = 0; ok && i < n; i++)
        ok = snapshot_add(&writer, records[i]);
    return snapshot_end(&writer, ok);
}

/* Writes a snapshot of n accounts and returns its bytes against a guard page. */
static struct guarded write_accounts(uint32_t n)
{
    struct cloud_snapshot_record **records = calloc(n + 1, sizeof(void *));
    int fd = open(FILE_, O_RDWR | O_CREAT | O_TRUNC, 0644);
    struct guarded guarded;
    struct stat st;
    char *bytes;

    assert_non_null(records);
    for (uint32_t i = 0; i < n; i++)
        assert_non_null(records[i] = make(i));
    assert_true(fd >= 0);
    assert_true(write_records(fd, records, n));
    assert_int_equal(fstat(fd, &st), 0);
    bytes = malloc((size_t)st.st_size);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    guarded = guarded_copy(bytes, (size_t)st.st_size);
    assert_non_null(guarded.at);
    close(fd);
    free(bytes);
    for (uint32_t i = 0; i < n; i++)
        free(records[i]);
    free(records);
    return guarded;
}

static size_t file_size(void)
{
    struct stat st;

    assert_int_equal(stat(FILE_, &st), 0);
    return (size_t)st.st_size;
}

static void assert_account(const struct cloud_snapshot_account *account, uint32_t i)
{
    char project[32];

    snprintf(project, sizeof project, "project%u", i);
    assert_string_equal(account->project, project);
    assert_string_equal(account->environment, i % 2 == 0 ? "production" : "staging");
    assert_string_equal(account->gecos, "a comment");
    assert_int_equal(strlen(account->home), 5 + i % 250);
    assert_string_equal(account->shell, "/bin/bash");
    assert_int_equal(account->record.uid, 200000 + i);
    assert_int_equal(account->record.gid, 300000 + i);
    assert_int_equal(account->record.fresh, NOW + 300);
    assert_int_equal(account->record.expires, NOW + 3600 + i);
}

static void find_all(const struct cloud_snapshot *snapshot, uint32_t n)
{
    struct cloud_snapshot_account account;
    char project[32];

    for (uint32_t i = 0; i < n; i++) {
        snprintf(project, sizeof project, "project%u", i);
        assert_true(cloud_snapshot_by_name(snapshot, project, i % 2 == 0 ? "production" : "staging",
                                           &account));
        assert_account(&account, i);
        assert_false(cloud_snapshot_by_name(snapshot, project,
                                            i % 2 == 1 ? "production" : "staging", &account));
        assert_true(cloud_snapshot_by_uid(snapshot, 200000 + i, &account));
        assert_account(&account, i);
        assert_true(cloud_snapshot_by_gid(snapshot, 300000 + i, &account));
        assert_account(&account, i);
    }
    assert_false(cloud_snapshot_by_uid(snapshot, 199999, &account));
    assert_false(cloud_snapshot_by_uid(snapshot, 200000 + n, &account));
    assert_false(cloud_snapshot_by_gid(snapshot, 200000, &account));
    assert_false(cloud_snapshot_by_name(snapshot, "", "", &account));
}

static void test_every_account(void **state)
{
    static const uint32_t sizes[] = {0, 1, 2, 3, 7, 100, 5000};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct guarded file = write_accounts(sizes[i]);
        struct cloud_snapshot snapshot;
        assert_true(cloud_snapshot_open(file.at, file_size(), &snapshot));
        assert_int_equal(snapshot.header.accounts, sizes[i]);
        find_all(&snapshot, sizes[i]);
        guarded_free(&file);
    }
}

static void test_enumeration(void **state)
{
    struct guarded file = write_accounts(100);
    struct cloud_snapshot_account account;
    struct cloud_snapshot snapshot;
    uint64_t at = 0;

    (void)state;
    assert_true(cloud_snapshot_open(file.at, file_size(), &snapshot));
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(cloud_snapshot_next(&snapshot, &at, &account));
        assert_account(&account, i);
    }
    assert_false(cloud_snapshot_next(&snapshot, &at, &account));
    guarded_free(&file);
}

static const char *home_of(const struct cloud_snapshot_account *account, const char *app)
{
    struct cloud_name name = {.app = ""};
    const char *home;

    snprintf(name.app, sizeof name.app, "%s", app);
    return cloud_snapshot_home(account, &name, &home) ? home : NULL;
}

static void test_applications(void **state)
{
    struct guarded file = write_accounts(3);
    struct cloud_snapshot_account account;
    struct cloud_snapshot snapshot;

    (void)state;
    assert_true(cloud_snapshot_open(file.at, file_size(), &snapshot));
    assert_true(cloud_snapshot_by_uid(&snapshot, 200002, &account));
    assert_string_equal(home_of(&account, ""), "/app/dd");
    assert_string_equal(home_of(&account, "mymagento"), "/app");
    assert_string_equal(home_of(&account, "admin"), "/app/dd");
    assert_null(home_of(&account, "other"));
    /* Without a list of applications every application has the account's home. */
    assert_true(cloud_snapshot_by_uid(&snapshot, 200001, &account));
    assert_string_equal(home_of(&account, "other"), "/app/d");
    account.record.flags |= CLOUD_SNAPSHOT_PARTIAL;
    assert_null(home_of(&account, "other"));
    assert_string_equal(home_of(&account, ""), "/app/d");
    guarded_free(&file);
}

static void test_too_many_applications(void **state)
{
    static struct snapshot_app many[200];
    struct snapshot_account account = {.project = "abcdefghij",
                                       .environment = "production",
                                       .gecos = "",
                                       .home = "/app",
                                       .shell = "/bin/sh",
                                       .apps = 200,
                                       .app = many};
    char home[CLOUD_SNAPSHOT_RECORD_MAX + 1];
    struct cloud_snapshot_record *record;

    (void)state;
    for (size_t i = 0; i < 200; i++)
        many[i] = (struct snapshot_app){"an-application-of-that-name", "/app/of/it"};
    record = snapshot_encode(&account);
    assert_non_null(record);
    assert_int_equal(record->flags, CLOUD_SNAPSHOT_PARTIAL);
    assert_true(record->size < 100);
    free(record);
    /* And what does not fit without them is no record. */
    memset(home, 'h', sizeof home);
    home[sizeof home - 1] = '\0';
    account.home = home;
    assert_null(snapshot_encode(&account));
}

static void test_times(void **state)
{
    struct guarded file = write_accounts(2);
    struct cloud_snapshot snapshot;

    (void)state;
    assert_true(cloud_snapshot_open(file.at, file_size(), &snapshot));
    assert_true(cloud_snapshot_current(&snapshot, NOW));
    assert_true(cloud_snapshot_current(&snapshot, NOW - CLOUD_SNAPSHOT_SLACK));
    assert_false(cloud_snapshot_current(&snapshot, NOW - CLOUD_SNAPSHOT_SLACK - 1));
    assert_true(cloud_snapshot_current(&snapshot, NOW + 3601)); /* each record has its own times */
    snapshot.header.created = INT64_MIN;                        /* the least time */
    assert_true(cloud_snapshot_current(&snapshot, NOW));
    snapshot.header.created = INT64_MAX;
    assert_false(cloud_snapshot_current(&snapshot, NOW));
    guarded_free(&file);
}

static void test_retired(void **state)
{
    struct guarded file = write_accounts(2);
    struct cloud_snapshot snapshot;
    uint32_t word = CLOUD_SNAPSHOT_RETIRED;

    (void)state;
    assert_true(cloud_snapshot_open(file.at, file_size(), &snapshot));
    assert_false(cloud_snapshot_retired(&snapshot));
    memcpy(file.at + offsetof(struct cloud_snapshot_header, state), &word, sizeof word);
    assert_true(cloud_snapshot_retired(&snapshot));
    memset(file.at + offsetof(struct cloud_snapshot_header, state), 0, sizeof word);
    assert_true(cloud_snapshot_retired(&snapshot)); /* whatever is not live */
    guarded_free(&file);
}

/* A change of any bit of the header but the state is noticed, and any length but the file's. */
static void test_header_damage(void **state)
{
    struct guarded file = write_accounts(5);
    size_t size = file_size();
    struct cloud_snapshot snapshot;

    (void)state;
    for (size_t bit = 0; bit < 8 * offsetof(struct cloud_snapshot_header, state); bit++) {
        file.at[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(cloud_snapshot_open(file.at, size, &snapshot));
        file.at[bit / 8] ^= (char)(1 << bit % 8);
    }
    guarded_free(&file);
    for (size_t n = 0; n < size; n++) {
        struct guarded part, whole = write_accounts(5);
        part = guarded_copy(whole.at, n);
        assert_false(cloud_snapshot_open(part.at, n, &snapshot));
        guarded_free(&part);
        guarded_free(&whole);
    }
}

/* The file's owner can compute the checksum of any header: the bounds still hold. */
static void test_hostile_header(void **state)
{
    static const size_t fields[] = {offsetof(struct cloud_snapshot_header, bits),
                                    offsetof(struct cloud_snapshot_header, names),
                                    offsetof(struct cloud_snapshot_header, uids),
                                    offsetof(struct cloud_snapshot_header, gids),
                                    offsetof(struct cloud_snapshot_header, records),
                                    offsetof(struct cloud_snapshot_header, records_size)};
    static const uint64_t values[] = {0,         1,   7,          8,          120,
                                      128,       136, UINT32_MAX, UINT64_MAX, UINT64_MAX - 7,
                                      INT64_MAX, 28,  29,         63,         64};
    struct guarded file = write_accounts(50);
    size_t size = file_size(), opened = 0;
    struct cloud_snapshot_header *header = (void *)file.at, good = *header;

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            struct cloud_snapshot_account account;
            struct cloud_snapshot snapshot;
            uint64_t at = 0;
            *header = good;
            memcpy(file.at + fields[i], &values[j], i == 0 ? 4 : 8);
            header->checksum = cloud_snapshot_checksum(
                header->seed, header, offsetof(struct cloud_snapshot_header, checksum));
            if (!cloud_snapshot_open(file.at, size, &snapshot))
                continue;
            opened++;
            for (uint32_t id = 199990; id < 200060; id++) {
                (void)cloud_snapshot_by_uid(&snapshot, id, &account);
                (void)cloud_snapshot_by_gid(&snapshot, id + 100000, &account);
            }
            (void)cloud_snapshot_by_name(&snapshot, "project1", "staging", &account);
            while (cloud_snapshot_next(&snapshot, &at, &account))
                assert_true(at <= size);
        }
    assert_true(opened > 0);
    guarded_free(&file);
}

static unsigned count_records(const struct cloud_snapshot *snapshot)
{
    struct cloud_snapshot_account account;
    uint64_t at = 0;
    unsigned n = 0;

    while (cloud_snapshot_next(snapshot, &at, &account))
        n++;
    return n;
}

/* A flipped bit anywhere else: an account is found unchanged or not at all, and a walk finds all
 * the others. */
static void test_damage(void **state)
{
    struct guarded file = write_accounts(20);
    size_t size = file_size(), missing = 0;

    (void)state;
    for (size_t at = sizeof(struct cloud_snapshot_header); at < size; at++) {
        struct cloud_snapshot_account account;
        struct cloud_snapshot snapshot;
        char was = file.at[at];
        file.at[at] = (char)(was ^ (1 << at % 8));
        assert_true(cloud_snapshot_open(file.at, size, &snapshot));
        for (uint32_t i = 0; i < 20; i++) {
            char project[32];
            bool found;
            snprintf(project, sizeof project, "project%u", i);
            found = cloud_snapshot_by_name(&snapshot, project,
                                           i % 2 == 0 ? "production" : "staging", &account);
            if (found)
                assert_account(&account, i);
            missing += !found;
            if (cloud_snapshot_by_uid(&snapshot, 200000 + i, &account))
                assert_account(&account, i);
        }
        assert_true(count_records(&snapshot) >= 19);
        file.at[at] = was;
    }
    assert_true(missing > 0);
    guarded_free(&file);
}

/* Records with valid checksums and lengths that lead beyond the record, or to no NUL. */
static void test_hostile_lengths(void **state)
{
    struct guarded file = write_accounts(1);
    struct cloud_snapshot_account account;
    struct cloud_snapshot snapshot;
    struct cloud_snapshot_record *record;

    (void)state;
    assert_true(cloud_snapshot_open(file.at, file_size(), &snapshot));
    record = (void *)(file.at + snapshot.header.records);
    for (size_t i = 0; i < CLOUD_SNAPSHOT_STRINGS; i++)
        for (uint32_t n = 0; n <= UINT16_MAX; n += n < 300 ? 1 : 61) {
            uint16_t was = record->length[i];
            bool found;
            record->length[i] = (uint16_t)n;
            record->checksum = cloud_snapshot_record_checksum(SEED, record);
            found = cloud_snapshot_by_uid(&snapshot, 200000, &account);
            assert_true(!found || account.shell + strlen(account.shell) < account.end);
            assert_true(found || n != was);
            assert_true(!found || i > 0 || n == was);
            record->length[i] = was;
        }
    guarded_free(&file);
}

/* Finds the text in both fields, and does not after any of its letters changed. */
static void find_and_spoil(struct cloud_snapshot *snapshot, const char *text)
{
    struct cloud_snapshot_account account;
    char *bytes = (char *)(uintptr_t)snapshot->map;
    uint64_t at = 0;

    assert_true(cloud_snapshot_by_name(snapshot, text, text, &account));
    assert_string_equal(account.project, text);
    while (cloud_snapshot_next(snapshot, &at, &account) && strcmp(account.project, text) != 0)
        ;
    at -= account.record.size;
    for (size_t i = 0; i <= 2 * strlen(text); i++) {
        struct cloud_snapshot_record *record = (void *)(bytes + snapshot->header.records + at);
        if (record->strings[i] == '\0')
            continue;
        record->strings[i] ^= 1;
        record->checksum = cloud_snapshot_record_checksum(SEED, record);
        assert_false(cloud_snapshot_by_name(snapshot, text, text, &account));
        record->strings[i] ^= 1;
        record->checksum = cloud_snapshot_record_checksum(SEED, record);
    }
}

/* Names of every length: they are hashed and compared by words. */
static void test_every_length(void **state)
{
    char text[CLOUD_PROJECT_MAX + 1];
    struct cloud_snapshot_record *records[CLOUD_PROJECT_MAX];
    struct cloud_snapshot snapshot;
    int fd = open(FILE_, O_RDWR | O_CREAT | O_TRUNC, 0644);
    void *map;

    (void)state;
    for (size_t n = 1; n <= CLOUD_PROJECT_MAX; n++) {
        const struct snapshot_account one = {
            .project = text, .environment = text, .gecos = "", .home = "/", .shell = "/"};
        memset(text, 'a', n);
        text[n] = '\0';
        assert_non_null(records[n - 1] = snapshot_encode(&one));
    }
    assert_true(fd >= 0 && write_records(fd, records, CLOUD_PROJECT_MAX));
    map = mmap(NULL, file_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_true(cloud_snapshot_open(map, file_size(), &snapshot));
    for (size_t n = 1; n <= CLOUD_PROJECT_MAX; n++) {
        memset(text, 'a', n);
        text[n] = '\0';
        find_and_spoil(&snapshot, text);
        free(records[n - 1]);
    }
    cloud_snapshot_unmap(&snapshot);
    close(fd);
}

/* Indexes full of one position: the search ends. */
static void test_endless_index(void **state)
{
    struct guarded file = write_accounts(300);
    struct cloud_snapshot_account account;
    struct cloud_snapshot snapshot;
    uint64_t hash;

    (void)state;
    assert_true(cloud_snapshot_open(file.at, file_size(), &snapshot));
    hash = cloud_snapshot_hash_id(SEED, 999) >> 32 << 32 | 1;
    for (uint64_t i = 0; i < (uint64_t)1 << snapshot.header.bits; i++)
        memcpy(file.at + snapshot.header.uids + 8 * i, &hash, 8);
    assert_false(cloud_snapshot_by_uid(&snapshot, 999, &account));
    guarded_free(&file);
}

/* A search ends after CLOUD_SNAPSHOT_PROBES steps. */
static void test_steps(void **state)
{
    struct guarded file = write_accounts(300);
    struct cloud_snapshot_account account;
    struct cloud_snapshot snapshot;
    uint64_t *index, mask, hash, bucket = 0, at;

    (void)state;
    assert_true(cloud_snapshot_open(file.at, file_size(), &snapshot));
    assert_true(cloud_snapshot_by_uid(&snapshot, 200007, &account));
    index = (void *)(file.at + snapshot.header.uids);
    mask = ((uint64_t)1 << snapshot.header.bits) - 1;
    hash = cloud_snapshot_hash_id(SEED, 200007);
    for (at = hash; bucket >> 32 != hash >> 32; at++)
        bucket = index[at & mask];
    for (uint64_t i = 0; i <= mask; i++)
        index[i] = ~hash | 1;
    index[(hash + CLOUD_SNAPSHOT_PROBES - 1) & mask] = bucket;
    assert_true(cloud_snapshot_by_uid(&snapshot, 200007, &account));
    index[(hash + CLOUD_SNAPSHOT_PROBES - 1) & mask] = ~hash | 1;
    index[(hash + CLOUD_SNAPSHOT_PROBES) & mask] = bucket;
    assert_false(cloud_snapshot_by_uid(&snapshot, 200007, &account));
    guarded_free(&file);
}

/* Another version, another size or magic, though the checksum is right. */
static void test_other_header(void **state)
{
    struct guarded file = write_accounts(3);
    struct cloud_snapshot_header *header = (void *)file.at, good = *header;
    struct cloud_snapshot snapshot;

    (void)state;
    for (int i = 0; i < 4; i++) {
        *header = good;
        header->version += i == 0;
        header->size += i == 1 ? 8 : 0;
        header->magic += i == 2;
        header->checksum = cloud_snapshot_checksum(
            header->seed, header, offsetof(struct cloud_snapshot_header, checksum));
        assert_int_equal(cloud_snapshot_open(file.at, file_size(), &snapshot), i == 3);
    }
    guarded_free(&file);
}

/* Many accounts of one id, which bindings keep apart: each is found by its name, and one by the
 * id. */
static void test_many_of_one_id(void **state)
{
    enum { MANY = 2000 };
    struct cloud_snapshot_record *records[MANY];
    struct cloud_snapshot_account account;
    struct cloud_snapshot snapshot;
    void *map;
    int fd = open(FILE_, O_RDWR | O_CREAT | O_TRUNC, 0644);

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        records[i] = make(i);
        assert_non_null(records[i]);
        records[i]->uid = records[i]->gid = 200000;
    }
    assert_true(write_records(fd, records, MANY));
    map = mmap(NULL, file_size(), PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_true(cloud_snapshot_open(map, file_size(), &snapshot));
    assert_true(cloud_snapshot_by_uid(&snapshot, 200000, &account));
    assert_string_equal(account.project, records[0]->strings);
    assert_true(cloud_snapshot_by_gid(&snapshot, 200000, &account));
    assert_string_equal(account.project, records[0]->strings);
    assert_true(cloud_snapshot_by_name(&snapshot, "project1235", "staging", &account));
    munmap(map, file_size());
    close(fd);
    for (uint32_t i = 0; i < MANY; i++)
        free(records[i]);
}

/* Names of which no seed makes the hashes differ: they weigh the same in sum. The file has as many
 * of them as find a bucket, and all other accounts. */
static void test_names_of_one_hash(void **state)
{
    enum { MANY = 300 };
    struct cloud_snapshot_record *records[MANY + 1];
    struct cloud_snapshot snapshot;
    struct cloud_snapshot_account account;
    char name[112 + 1] = "";
    void *map;
    unsigned n = 0;
    int fd = open(FILE_, O_RDWR | O_CREAT | O_TRUNC, 0644);

    (void)state;
    memset(name, 'a', sizeof name - 1);
    for (unsigned bits = 0; n < MANY; bits++) {
        const struct snapshot_account one = {.project = "abcdefghij",
                                             .environment = name,
                                             .gecos = "",
                                             .home = "/app",
                                             .shell = "/bin/sh",
                                             .uid = 400000 + n,
                                             .gid = 400000 + n};
        for (unsigned i = 0; i < 13; i++)
            name[8 * i + 7] = (bits >> i & 1) != 0 ? 'q' : '1'; /* bit 62 of a word */
        if (__builtin_popcount(bits) % 4 == 0)
            assert_non_null(records[n++] = snapshot_encode(&one));
    }
    assert_non_null(records[n++] = make(1));
    assert_true(write_records(fd, records, n));
    map = mmap(NULL, file_size(), PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_true(cloud_snapshot_open(map, file_size(), &snapshot));
    assert_true(cloud_snapshot_by_name(&snapshot, "project1", "staging", &account));
    assert_true(cloud_snapshot_by_uid(&snapshot, 400000, &account));
    assert_int_equal(count_records(&snapshot), CLOUD_SNAPSHOT_PROBES + 1);
    assert_int_equal(snapshot.header.accounts, CLOUD_SNAPSHOT_PROBES + 1);
    munmap(map, file_size());
    close(fd);
    while (n > 0)
        free(records[--n]);
}

static void test_disk_full(void **state)
{
    struct cloud_snapshot_record *record = make(1);
    int fd = open(FILE_, O_RDONLY);

    (void)state;
    assert_non_null(record);
    assert_false(write_records(fd, &record, 1));
    assert_int_not_equal(errno, 0);
    close(fd);
    free(record);
}

static bool can_map(void)
{
    struct cloud_snapshot snapshot;
    struct cloud_snapshot_account account;

    if (!cloud_snapshot_map(&snapshot))
        return false;
    assert_true(cloud_snapshot_by_uid(&snapshot, 200001, &account));
    cloud_snapshot_unmap(&snapshot);
    return true;
}

static uid_t another(void)
{
    return geteuid() + 1;
}

bool __real_cloud_owned_by(uid_t seen, uid_t owner);
bool __wrap_cloud_owned_by(uid_t seen, uid_t owner);

/* As in a process without /proc, in a user namespace. */
bool __wrap_cloud_owned_by(uid_t seen, uid_t owner)
{
    bool owned = __real_cloud_owned_by(seen, owner);

    errno = ENOENT;
    return owned;
}

/* The file is refused, and not for one that this process does not see. */
static void assert_refused(void)
{
    assert_false(can_map());
    assert_int_equal(errno, EPERM);
}

/* Whether the file is read depends on who could have written it. */
static void test_whose_file(void **state)
{
    struct guarded file = write_accounts(3);

    (void)state;
    guarded_free(&file);
    assert_true(can_map());
    assert_int_equal(chmod(FILE_, 0664), 0);
    assert_refused();
    assert_int_equal(chmod(FILE_, 0646), 0);
    assert_refused();
    assert_int_equal(chmod(FILE_, 0644), 0);
    assert_int_equal(chmod(CLOUD_SNAPSHOT_DIRECTORY, 0775), 0);
    assert_refused();
    assert_int_equal(chmod(CLOUD_SNAPSHOT_DIRECTORY, 0757), 0);
    assert_refused();
    assert_int_equal(chmod(CLOUD_SNAPSHOT_DIRECTORY, 0755), 0);
    assert_int_equal(chmod(".", 0777), 0);
    assert_refused();
    assert_int_equal(chmod(".", 0755), 0);
    assert_true(can_map());
    test_here.snapshot_parent_owner = another;
    assert_refused();
    test_here.snapshot_parent_owner = geteuid;
    if (geteuid() == 0) {
        assert_int_equal(chown(FILE_, 12345, 0), 0);
        assert_refused();
        assert_int_equal(chown(CLOUD_SNAPSHOT_DIRECTORY, 12345, 0), 0);
        assert_true(can_map());
        assert_int_equal(chown(FILE_, 0, 0), 0);
        assert_refused();
        assert_int_equal(chown(CLOUD_SNAPSHOT_DIRECTORY, 0, 0), 0);
    }
}

static void test_no_links(void **state)
{
    struct guarded file = write_accounts(3);

    (void)state;
    guarded_free(&file);
    assert_int_equal(rename(FILE_, CLOUD_SNAPSHOT_DIRECTORY "/elsewhere"), 0);
    assert_false(can_map());
    assert_int_equal(errno, ENOENT);
    assert_int_equal(symlink("elsewhere", FILE_), 0);
    assert_false(can_map());
    assert_int_equal(unlink(FILE_), 0);
    assert_int_equal(mkfifo(FILE_, 0644), 0);
    assert_false(can_map());
    assert_int_equal(rename(CLOUD_SNAPSHOT_DIRECTORY "/elsewhere", FILE_), 0);
    assert_true(can_map());
    assert_int_equal(rename(CLOUD_SNAPSHOT_DIRECTORY, "elsewhere"), 0);
    assert_int_equal(symlink("elsewhere", CLOUD_SNAPSHOT_DIRECTORY), 0);
    assert_false(can_map());
    assert_int_equal(unlink(CLOUD_SNAPSHOT_DIRECTORY), 0);
    assert_int_equal(rename("elsewhere", CLOUD_SNAPSHOT_DIRECTORY), 0);
    assert_true(can_map());
    assert_int_equal(truncate(FILE_, 0), 0);
    assert_false(can_map());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_account),  cmocka_unit_test(test_enumeration),
        cmocka_unit_test(test_applications),   cmocka_unit_test(test_too_many_applications),
        cmocka_unit_test(test_times),          cmocka_unit_test(test_retired),
        cmocka_unit_test(test_header_damage),  cmocka_unit_test(test_hostile_header),
        cmocka_unit_test(test_damage),         cmocka_unit_test(test_endless_index),
        cmocka_unit_test(test_steps),          cmocka_unit_test(test_other_header),
        cmocka_unit_test(test_many_of_one_id), cmocka_unit_test(test_names_of_one_hash),
        cmocka_unit_test(test_disk_full),      cmocka_unit_test(test_hostile_lengths),
        cmocka_unit_test(test_every_length),   cmocka_unit_test(test_whose_file),
        cmocka_unit_test(test_no_links),
    };

    return cmocka_run_group_tests(tests, setup_folder, teardown_directory);
}
