/* SPDX-License-Identifier: Apache-2.0 */

/* The log of bindings in a real directory. */
#include "base/loop.h"
#include "cloudauthd/state/bindings_log.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char path[] = "owners";
static struct loop *loop;
static struct worker *worker;
static struct bindings_log *bindings;
static int writes, unsynced; /* of files; those that do not sync */
static ssize_t space = -1;   /* bytes that the disk still takes; -1: any number */
static int synced;           /* directories that have been synced */

ssize_t write(int fd, const void *bytes, size_t n)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        writes++;
        unsynced += (fcntl(fd, F_GETFL) & O_DSYNC) == 0;
        if (space == 0) {
            errno = ENOSPC;
            return -1;
        }
        if (space > 0 && n > (size_t)space)
            n = (size_t)space;
        if (space > 0)
            space -= (ssize_t)n;
    }
    return syscall(SYS_write, fd, bytes, n);
}

int fsync(int fd)
{
    struct stat st;

    synced += fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    return skip_sync(fd);
}

static void reopen(void)
{
    if (worker != NULL) {
        worker_free(worker);
        bindings_log_free(bindings);
    }
    worker = worker_new(loop);
    bindings = bindings_log_new(worker, directory_path());
}

static int setup(void **state)
{
    (void)state;
    enter_directory();
    loop = loop_new();
    worker = NULL;
    bindings = NULL;
    reopen();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    worker_free(worker);
    bindings_log_free(bindings);
    loop_free(loop);
    leave_directory();
    return 0;
}

/* The lines that were found, and their strings. */
static struct binding lines[16];
static char projects[16][64], environments[16][64];
static size_t found;

static void take(void *arg, const struct binding *line)
{
    (void)arg;
    assert_true(found < sizeof lines / sizeof lines[0]);
    strcpy(projects[found], line->project);
    strcpy(environments[found], line->environment);
    lines[found] = (struct binding){projects[found], environments[found], line->uid, line->gid};
    found++;
}

static bool damaged;

static size_t load(void)
{
    found = 0;
    bindings_log_load(bindings, take, NULL, &damaged);
    return found;
}

static void test_kept(void **state)
{
    const struct binding first = {"abcdefghij", "production", 200001, 200001};
    const struct binding second = {"abcdefghij", "staging", 200002, 200003};
    int fd;

    (void)state;
    assert_int_equal(load(), 0);
    writes = unsynced = 0;
    bindings_log_add(bindings, &first);
    bindings_log_add(bindings, &second);
    reopen();
    /* A daemon that is killed leaves no line that a loss of power takes back. */
    assert_int_equal(writes, 2);
    assert_int_equal(unsynced, 0);
    assert_int_equal(load(), 2);
    assert_false(damaged);
    assert_string_equal(lines[0].project, "abcdefghij");
    assert_string_equal(lines[0].environment, "production");
    assert_int_equal(lines[0].uid, 200001);
    assert_int_equal(lines[1].gid, 200003);
    assert_string_equal(lines[1].environment, "staging");

    /* A line that a crash has cut short costs itself alone. */
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "200009 2000", 11), 11);
    close(fd);
    bindings_log_add(bindings, &second);
    reopen();
    assert_int_equal(load(), 3);
    assert_true(damaged);
    assert_int_equal(access("owners.damaged", F_OK), 0);
}

static void on_release(void *arg, bool ok)
{
    *(int *)arg = ok ? 1 : -1;
}

static void test_released(void **state)
{
    const struct binding owner = {"abcdefghij", "production", 200001, 200001};
    int released = 0;

    (void)state;
    bindings_log_add(bindings, &owner);
    bindings_log_release(bindings, "abcdefghij", "production", on_release, &released);
    bindings_log_add(bindings, &owner);
    reopen();
    assert_int_equal(released, 1);
    assert_int_equal(load(), 3);
    assert_false(bindings_log_is_release(&lines[0]));
    assert_true(bindings_log_is_release(&lines[1]));
    assert_string_equal(lines[1].project, "abcdefghij");
    assert_string_equal(lines[1].environment, "production");
    assert_false(bindings_log_is_release(&lines[2]));
    /* A failure of the disk is reported. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    bindings_log_release(bindings, "abcdefghij", "production", on_release, &released);
    reopen();
    assert_int_equal(released, -1);
    assert_int_equal(rmdir(path), 0);
}

static void on_release_and_stop(void *arg, bool ok)
{
    on_release(arg, ok);
    loop_stop(loop);
}

/* A binding that the disk refuses is tried again, unless it has been released since or a line is
 * under way. */
static void test_refused(void **state)
{
    const struct binding first = {"abcdefghij", "production", 200001, 200001};
    const struct binding second = {"abcdefghij", "staging", 200002, 200002};
    int released = 0;

    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    bindings_log_add(bindings, &first);
    bindings_log_add(bindings, &second);
    bindings_log_release(bindings, "abcdefghij", "staging", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    assert_int_equal(released, -1);
    bindings_log_retry(bindings);
    bindings_log_release(bindings, "abcdefghij", "staging", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    assert_int_equal(rmdir(path), 0);
    released = 0;
    bindings_log_release(bindings, "abcdefghij", "staging", on_release_and_stop, &released);
    bindings_log_retry(bindings); /* not now, or the second one would be bound after its release */
    assert_true(loop_run(loop));
    bindings_log_retry(bindings);
    released = 0; /* the line that is tried again is before that one */
    bindings_log_release(bindings, "cdefghijkl", "production", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    assert_int_equal(released, 1);
    reopen();
    assert_int_equal(load(), 3);
    assert_true(bindings_log_is_release(&lines[0]));
    assert_int_equal(lines[1].uid, 200001);
    assert_true(bindings_log_is_release(&lines[2]));
}

/* A disk that is full in the middle of a line leaves nothing of it. */
static void test_torn(void **state)
{
    const struct binding first = {"abcdefghij", "production", 200001, 200001};
    const struct binding second = {"abcdefghij", "staging", 200002, 200002};
    int released = 0;

    (void)state;
    bindings_log_add(bindings, &first);
    reopen();
    space = 20;
    bindings_log_add(bindings, &second);
    bindings_log_release(bindings, "abcdefghij", "production", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    assert_int_equal(released, -1);
    space = -1;
    bindings_log_retry(bindings);
    bindings_log_release(bindings, "abcdefghij", "production", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    assert_int_equal(released, 1);
    reopen();
    assert_int_equal(load(), 3);
    assert_false(damaged);
    assert_int_equal(lines[1].uid, 200002);
    assert_true(bindings_log_is_release(&lines[2]));
}

/* The directory is synced with the first line: a loss of power leaves the file. */
static void test_created(void **state)
{
    const struct binding owner = {"abcdefghij", "production", 200001, 200001};
    int before = synced, released = 0;

    (void)state;
    bindings_log_add(bindings, &owner);
    bindings_log_release(bindings, "abcdefghij", "production", on_release_and_stop, &released);
    assert_true(loop_run(loop));
    assert_int_equal(released, 1);
    assert_int_equal(synced - before, 1);
}

/* No changed digit gives a uid to another environment. */
static void test_damaged(void **state)
{
    const struct binding owner = {"abcdefghij", "production", 200001, 200001};
    char line[256];
    ssize_t n;
    int fd;

    (void)state;
    bindings_log_add(bindings, &owner);
    reopen();
    fd = open(path, O_RDWR | O_CLOEXEC);
    n = read(fd, line, sizeof line);
    assert_true(n > 20);
    for (ssize_t at = 0; at < n; at++) {
        char bad = (char)(line[at] ^ 1);
        assert_int_equal(pwrite(fd, &bad, 1, at), 1);
        assert_int_equal(load(), 0);
        assert_int_equal(pwrite(fd, line + at, 1, at), 1);
    }
    close(fd);
}

/* What version 0.1.0 wrote is read. */
static void test_format(void **state)
{
    static const char old[] = "200001 200001 abcdefghij production 1d9789eb139a5e52\n"
                              "0 0 abcdefghij production e57c03c3c6e83db1\n"
                              "4294967295 0 klmnopqrst feature-x c73ee5c350c8cc47\n";
    char bytes[sizeof old];
    const struct binding again = {"abcdefghij", "production", 200001, 200001};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(write(fd, old, sizeof old - 1), sizeof old - 1);
    assert_int_equal(load(), 3);
    assert_int_equal(lines[0].uid, 200001);
    assert_true(bindings_log_is_release(&lines[1]));
    assert_string_equal(lines[2].environment, "feature-x");
    assert_int_equal(lines[2].uid, UINT32_MAX);
    /* And the same is written. */
    assert_int_equal(ftruncate(fd, 0), 0);
    bindings_log_add(bindings, &again);
    reopen();
    assert_int_equal(pread(fd, bytes, sizeof bytes, 0), 53);
    assert_memory_equal(bytes, old, 53);
    close(fd);
}

static void load_again(void *arg)
{
    (void)arg;
    bindings_log_load(bindings, take, NULL, &damaged);
}

/* A file that another user could have written is not read, and the daemon does not start. */
static void test_foreign(void **state)
{
    const struct binding binding = {"abcdefghij", "production", 200001, 200001};

    (void)state;
    bindings_log_add(bindings, &binding);
    reopen();
    assert_int_equal(chmod(path, 0602), 0);
    assert_fatal(load_again, NULL);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(load(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kept),    TEST(test_released), TEST(test_refused), TEST(test_torn),
        TEST(test_created), TEST(test_damaged),  TEST(test_format),  TEST(test_foreign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
