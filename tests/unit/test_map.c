/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kept map while the file is replaced as fast as possible: with many threads, forks at any
 * instant, every descriptor closed, after a chroot. Every answer must be a whole record of a
 * version that existed during the call. Runs under ThreadSanitizer too (tests/run).
 */
#include "nss_cloud/map.h"

#include "cloudauthd/accounts/snapshot_write.h"
#include "nss_cloud/lookup.h"
#include "tests/unit/support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ACCOUNTS 64u
#define FILE_    CLOUD_SNAPSHOT_DIRECTORY "/" CLOUD_SNAPSHOT_FILE
#define THREADS  4
#define CHILDREN 100
#define MAPS_MAX 10 /* one a slot, and those of the writer */

/* Shared with children. */
static struct counts {
    atomic_uint oldest, newest; /* versions that a lookup may answer with */
    atomic_uint answers, wrong, unavailable;
    atomic_bool over;
} * counts;

static struct cloud_snapshot_header *published;

#define EMPTY_ "empty" /* a directory */

static int setup_folder(void **state)
{
    static const char conf[] = "access_url = file:///srv/{project}/{environment}.json\n"
                               "uid_min = 200000\nuid_max = 999999\n"
                               "allow = kept*\nhomes = /*/kept*\n";

    (void)state;
    enter_directory();
    if (mkdir(CLOUD_SNAPSHOT_DIRECTORY, 0755) != 0 || mkdir(EMPTY_, 0755) != 0)
        return 1;
    write_file(CLOUD_CONF_PATH, conf);
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return counts == MAP_FAILED;
}

static struct cloud_snapshot_record *make(uint32_t i, unsigned version, int64_t now)
{
    char project[32], gecos[32], home[64];
    const struct snapshot_account account = {.project = project,
                                             .environment = "production",
                                             .gecos = gecos,
                                             .home = home,
                                             .shell = "/bin/sh",
                                             .uid = 200000 + i,
                                             .gid = 200000 + i,
                                             .fresh = now + 3600,
                                             .expires = now + 7200};

    snprintf(project, sizeof project, "kept%05u", i);
    snprintf(gecos, sizeof gecos, "%u", version);
    snprintf(home, sizeof home, "/%u/%s", version, project);
    return snapshot_encode(&account);
}

/* As the daemon does: writes a file aside, renames it, then retires the old one. Aborts rather than
 * asserts, because other threads run it. */
static void replace(unsigned version)
{
    struct snapshot_file file = {.created = (int64_t)time(NULL),
                                 .seed = version * 0x9e3779b97f4a7c15u,
                                 .state = CLOUD_SNAPSHOT_LIVE,
                                 .most = ACCOUNTS};
    struct snapshot_writer writer;
    struct cloud_snapshot_header *old = published;
    int fd;
    bool ok;

    unlink("new");
    fd = open("new", O_RDWR | O_CREAT | O_EXCL, 0644);
    ok = fd >= 0 && snapshot_start(&writer, fd, &file);
    for (uint32_t i = 0; ok && i < ACCOUNTS; i++) {
        struct cloud_snapshot_record *record = make(i, version, file.created);
        ok = snapshot_add(&writer, record);
        free(record);
    }
    if (!ok || !snapshot_end(&writer, ok))
        abort();
    published = mmap(NULL, sizeof *published, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    atomic_store(&counts->newest, version);
    if (published == MAP_FAILED || rename("new", FILE_) != 0)
        abort();
    if (old != NULL) {
        atomic_store((atomic_uint *)&old->state, CLOUD_SNAPSHOT_RETIRED);
        munmap(old, sizeof *old);
    }
    atomic_store(&counts->oldest, version);
}

/* Makes a lookup and judges its answer. */
static void look(uint32_t i)
{
    char name[32], home[64], buffer[512];
    unsigned oldest = atomic_load(&counts->oldest), version;
    struct passwd passwd;
    struct lookup lookup = {.op = CLOUD_OP_PASSWD_BY_NAME,
                            .name = name,
                            .passwd = &passwd,
                            .buffer = buffer,
                            .size = sizeof buffer};
    int error;
    bool right;

    snprintf(name, sizeof name, "kept%05u", i % ACCOUNTS);
    if (i % 2 == 1) {
        lookup.op = CLOUD_OP_PASSWD_BY_ID;
        lookup.id = 200000 + i % ACCOUNTS;
        lookup.name = NULL;
    }
    switch (lookup_find(&lookup, &error)) {
    case NSS_STATUS_SUCCESS:
        version = (unsigned)strtoul(passwd.pw_gecos, NULL, 10);
        snprintf(home, sizeof home, "/%u/%s", version, name);
        right = version >= oldest && version <= atomic_load(&counts->newest) &&
                strcmp(passwd.pw_name, name) == 0 && strcmp(passwd.pw_dir, home) == 0 &&
                passwd.pw_uid == 200000 + i % ACCOUNTS;
        atomic_fetch_add(right ? &counts->answers : &counts->wrong, 1);
        break;
    case NSS_STATUS_UNAVAIL: /* replaced twice while it was opened: the daemon would answer */
        atomic_fetch_add(&counts->unavailable, 1);
        break;
    default:
        atomic_fetch_add(&counts->wrong, 1);
    }
}

static void *look_on(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; !atomic_load(&counts->over); i++)
        look(i);
    return NULL;
}

static void *replace_on(void *arg)
{
    (void)arg;
    for (unsigned version = atomic_load(&counts->newest) + 1; !atomic_load(&counts->over);
         version++)
        replace(version);
    return NULL;
}

static void start_counting(void)
{
    atomic_store(&counts->answers, 0);
    atomic_store(&counts->wrong, 0);
    atomic_store(&counts->unavailable, 0);
    atomic_store(&counts->over, false);
    replace(atomic_load(&counts->newest) + 1);
}

static void stop_counting(void)
{
    print_message("%u answers, %u unavailable, %u versions\n", atomic_load(&counts->answers),
                  atomic_load(&counts->unavailable), atomic_load(&counts->newest));
    assert_int_equal(atomic_load(&counts->wrong), 0);
    assert_true(atomic_load(&counts->answers) > atomic_load(&counts->unavailable));
}

static unsigned maps(void)
{
    char line[512];
    unsigned n = 0;
    FILE *file = fopen("/proc/self/maps", "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        n += strstr(line, CLOUD_SNAPSHOT_FILE) != NULL;
    fclose(file);
    return n;
}

/* No reader is counted in: its map would be a third one, beside the current one and the writer's.
 */
static void assert_no_reader_counted(void)
{
    replace(atomic_load(&counts->newest) + 1);
    look(0);
    assert_int_equal(maps(), 2);
}

/* Threads look up while the file is replaced some thousands of times. */
static void test_threads(void **state)
{
    pthread_t threads[THREADS], writer;
    unsigned first;

    (void)state;
    start_counting();
    first = atomic_load(&counts->newest);
    pthread_create(&writer, NULL, replace_on, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, look_on, NULL);
    while (atomic_load(&counts->newest) < first + 500 || atomic_load(&counts->answers) < 20000)
        usleep(1000);
    atomic_store(&counts->over, true);
    pthread_join(writer, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stop_counting();
    assert_true(maps() <= MAPS_MAX);
    assert_no_reader_counted();
}

/* The work of a child that was forked at any instant. */
static void look_in_child(void)
{
    for (uint32_t i = 0; i < 50; i++)
        look(i);
}

static void *fork_on(void *arg)
{
    (void)arg;
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        if (child == 0) {
            look_in_child();
            if (fork() == 0) /* and its own child */
                look_in_child();
            while (wait(NULL) > 0)
                ;
            _exit(0);
        }
        if (child < 0 || waitpid(child, NULL, 0) != child)
            abort();
    }
    return NULL;
}

/* Forks while other threads are anywhere in a lookup. */
static void test_fork_storm(void **state)
{
    pthread_t threads[THREADS], writer, forker;

    (void)state;
    start_counting();
    pthread_create(&writer, NULL, replace_on, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, look_on, NULL);
    pthread_create(&forker, NULL, fork_on, NULL);
    pthread_join(forker, NULL);
    atomic_store(&counts->over, true);
    pthread_join(writer, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stop_counting();
}

static void *look_until_cancelled(void *arg)
{
    (void)arg;
    for (uint32_t i = 0;; i++) {
        look(i);
        pthread_testcancel();
    }
    return NULL;
}

/* Threads that are cancelled at any instant leak nothing. */
static void test_cancelled(void **state)
{
    pthread_t threads[THREADS], writer;
    unsigned before = open_descriptors();

    (void)state;
    start_counting();
    pthread_create(&writer, NULL, replace_on, NULL);
    for (int round = 0; round < 50; round++) {
        unsigned answers = atomic_load(&counts->answers);
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, look_until_cancelled, NULL);
        while (atomic_load(&counts->answers) < answers + 100)
            usleep(100);
        for (int i = 0; i < THREADS; i++)
            pthread_cancel(threads[i]);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    atomic_store(&counts->over, true);
    pthread_join(writer, NULL);
    stop_counting();
    assert_no_reader_counted();
    assert_int_equal(open_descriptors(), before);
}

/* Lookups work in a child of vfork(2), which shares the memory. */
static void test_vfork(void **state)
{
    unsigned answers;

    (void)state;
    start_counting();
    look(0);
    answers = atomic_load(&counts->answers);
    for (int i = 0; i < 20; i++) {
        pid_t child;
        replace(atomic_load(&counts->newest) + 1);
        child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): what hosts do */
        if (child == 0) {
            look(0); /* NOLINT(clang-analyzer-unix.Vfork) */
            _exit(0);
        }
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    assert_int_equal(atomic_load(&counts->answers), answers + 20);
    assert_int_equal(atomic_load(&counts->wrong), 0);
    assert_no_reader_counted();
}

/* In a child that has lost every slot to forks, each lookup has a map of its own. */
static void test_no_slot_left(void **state)
{
    struct map reader[MAPS_MAX];
    unsigned before, answers, held = 0;

    (void)state;
    start_counting();
    look(0);
    do {
        assert_true(held < MAPS_MAX);
        replace(atomic_load(&counts->newest) + 1);
        assert_true(map_settings(&reader[held]));
        map_snapshot(&reader[held]);
    } while (reader[held++].slot != MAP_OWN);
    before = maps();
    replace(atomic_load(&counts->newest) + 1);
    answers = atomic_load(&counts->answers);
    for (uint32_t i = 0; i < 100; i++)
        look(i);
    assert_int_equal(atomic_load(&counts->answers), answers + 100);
    assert_int_equal(atomic_load(&counts->wrong), 0);
    assert_int_equal(maps(), before);
    while (held > 0)
        map_release(&reader[--held]);
    assert_no_reader_counted();
}

/* A host process may close every descriptor: none is the module's. */
static void test_no_descriptor(void **state)
{
    unsigned before = open_descriptors(), answers;

    (void)state;
    start_counting();
    answers = atomic_load(&counts->answers);
    look(0);
    look(1);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(atomic_load(&counts->answers), answers + 2);
}

/* In a child that has run prepare(), lookups by name and by uid are both answered, or neither is.
 */
static void in_child(bool (*prepare)(void), unsigned answered)
{
    unsigned answers = atomic_load(&counts->answers), before = atomic_load(&counts->unavailable);
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (!prepare())
            _exit(1);
        look(0);
        look(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(atomic_load(&counts->wrong), 0);
    assert_int_equal(atomic_load(&counts->answers), answers + answered);
    assert_int_equal(atomic_load(&counts->unavailable), before + 2 - answered);
}

/* The directory is out of reach from here on, as after chroot(2). */
static bool leave(void)
{
    return chdir(EMPTY_) == 0;
}

static bool leave_and_retire(void)
{
    atomic_store((atomic_uint *)&published->state, CLOUD_SNAPSHOT_RETIRED);
    return leave();
}

static bool no_room(void)
{
    const struct rlimit none = {0, 0};

    return setrlimit(RLIMIT_NOFILE, &none) == 0;
}

static bool no_room_and_retire(void)
{
    atomic_store((atomic_uint *)&published->state, CLOUD_SNAPSHOT_RETIRED);
    return no_room();
}

static void test_out_of_reach(void **state)
{
    (void)state;
    start_counting();
    look(0);
    in_child(leave, 2);
    in_child(leave_and_retire, 2);
}

/* A process without a free descriptor can open neither the new file nor the daemon's socket. That
 * must not keep a withdrawn account alive in it. */
static void test_no_room(void **state)
{
    (void)state;
    start_counting();
    look(0);
    in_child(no_room, 2);
    in_child(no_room_and_retire, 0);
}

/* A file was retired, has no successor, and there is no daemon: the answer is UNAVAIL. */
static void test_taken_back(void **state)
{
    (void)state;
    start_counting();
    look(0);
    atomic_store((atomic_uint *)&published->state, CLOUD_SNAPSHOT_RETIRED);
    look(0);
    assert_int_equal(atomic_load(&counts->answers), 1);
    assert_int_equal(atomic_load(&counts->unavailable), 1);
    assert_int_equal(atomic_load(&counts->wrong), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),      cmocka_unit_test(test_fork_storm),
        cmocka_unit_test(test_cancelled),    cmocka_unit_test(test_vfork),
        cmocka_unit_test(test_no_slot_left), cmocka_unit_test(test_no_descriptor),
        cmocka_unit_test(test_out_of_reach), cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_taken_back),
    };

    return cmocka_run_group_tests(tests, setup_folder, teardown_directory);
}
