/* SPDX-License-Identifier: Apache-2.0 */

/* A directory as the project API, with a clock that stands still until the test sets it. */
#include "access/document.h"
#include "cloudauthd/api/file.h"
#include "common/conf.h"
#include "tests/unit/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOBODY  65534
#define SETTLED 2 /* seconds, as in file.c */

static char base[64]; /* the directory of the API, with its '/' at the end */
static time_t later;  /* seconds by which the clock is ahead of the last file's change */
static struct timespec changed;
static struct api_result result;
static const struct validator none;

int clock_gettime(clockid_t id, struct timespec *out)
{
    if (id != CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, id, out);
    *out = changed;
    out->tv_sec += later;
    return 0;
}

static const char *in_base(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s%s", base, name);
    return path;
}

static void put(const char *name, const char *text)
{
    struct stat st;

    write_file(in_base(name), text);
    assert_int_equal(stat(in_base(name), &st), 0);
    changed = st.st_ctim;
}

/* A sparse file of that size. */
static void put_size(const char *name, off_t size)
{
    put(name, "");
    assert_int_equal(truncate(in_base(name), size), 0);
}

static void forget_body(void)
{
    if (result.verdict == API_DOCUMENT)
        free((void *)(uintptr_t)result.body);
    memset(&result, 0, sizeof result);
}

static enum api_verdict get_with(const char *name, const struct validator *validator)
{
    const char *path = in_base(name);

    forget_body();
    memset(&result, 0xa5, sizeof result); /* file_get fills all of it */
    file_get(path, strlen(base), validator, &result);
    assert_int_equal(result.verdict == API_OUTAGE, result.detail[0] != '\0');
    assert_int_equal(result.verdict == API_DOCUMENT, result.body != NULL);
    return result.verdict;
}

static enum api_verdict get(const char *name)
{
    return get_with(name, &none);
}

static void assert_document(const char *name, const char *text)
{
    assert_int_equal(get(name), API_DOCUMENT);
    assert_int_equal(result.length, strlen(text));
    assert_memory_equal(result.body, text, result.length);
}

static void assert_outage(const char *name, const char *what)
{
    assert_int_equal(get(name), API_OUTAGE);
    assert_non_null(strstr(result.detail, what));
    assert_string_equal(result.validator.modified, "");
}

static void remove_all(const char *path)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf -- %s", path);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a path of the test's own */
}

static int setup(void **state)
{
    (void)state;
    later = 0;
    enter_directory();
    snprintf(base, sizeof base, "%s/access/", directory_path());
    return mkdir(base, 0755) != 0 || mkdir(in_base("abcdefghij"), 0755) != 0;
}

static int teardown(void **state)
{
    (void)state;
    forget_body();
    leave_directory();
    return 0;
}

static void test_document(void **state)
{
    (void)state;
    put("abcdefghij/staging.json", "{\"version\":1}");
    assert_document("abcdefghij/staging.json", "{\"version\":1}");
    put("abcdefghij/staging.json", "");
    assert_document("abcdefghij/staging.json", "");
}

static void test_absent(void **state)
{
    (void)state;
    assert_int_equal(get("abcdefghij/staging.json"), API_ABSENT);
    assert_int_equal(get("nosuchproject/staging.json"), API_ABSENT);
    put("aproject", "a file where a directory would be");
    assert_int_equal(get("aproject/staging.json"), API_ABSENT);
}

static void test_gone(void **state)
{
    (void)state;
    put("abcdefghij/staging.json", "{}");
    assert_document("abcdefghij/staging.json", "{}");
    assert_int_equal(unlink(in_base("abcdefghij/staging.json")), 0);
    assert_int_equal(get("abcdefghij/staging.json"), API_ABSENT);
}

/* Without its directory there is no answer, and nothing is absent. */
static void test_base_is_missing(void **state)
{
    (void)state;
    remove_all(base);
    assert_outage("abcdefghij/staging.json", "the directory cannot be opened");
}

/* As where the file system that belongs there is not mounted. */
static void test_base_is_empty(void **state)
{
    (void)state;
    assert_int_equal(rmdir(in_base("abcdefghij")), 0);
    assert_outage("abcdefghij/staging.json", "the directory is empty");
    put(".lock", "");
    assert_outage("abcdefghij/staging.json", "the directory is empty");
    put("any", "");
    assert_int_equal(get("abcdefghij/staging.json"), API_ABSENT);
}

static void test_base_is_a_file(void **state)
{
    char path[64];

    (void)state;
    remove_all(base);
    snprintf(path, sizeof path, "%s", base);
    path[strlen(path) - 1] = '\0';
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
    assert_outage("abcdefghij/staging.json", "the directory cannot be opened");
}

static void test_base_is_a_link(void **state)
{
    char path[64], target[64];

    (void)state;
    put("abcdefghij/staging.json", "{}");
    snprintf(path, sizeof path, "%.60s", base);
    path[strlen(path) - 1] = '\0';
    snprintf(target, sizeof target, "%s/elsewhere", directory_path());
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_document("abcdefghij/staging.json", "{}");
    assert_int_equal(rename(target, in_base("../away")), 0); /* its target does not exist */
    assert_outage("abcdefghij/staging.json", "the directory cannot be opened");
}

static void test_long_base(void **state)
{
    static char path[2 * CLOUD_URL_SIZE];

    (void)state;
    memset(path, '/', CLOUD_URL_SIZE);
    strcpy(path + CLOUD_URL_SIZE, "a.json");
    file_get(path, CLOUD_URL_SIZE, &none, &result);
    assert_int_equal(result.verdict, API_OUTAGE);
    assert_true(result.detail[0] != '\0');
    file_get(path, CLOUD_URL_SIZE - 1, &none, &result); /* the longest directory that is possible */
    assert_int_equal(result.verdict, API_ABSENT);
}

static void test_directory(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_base("abcdefghij/staging.json"), 0755), 0);
    assert_outage("abcdefghij/staging.json", "not a regular file");
}

/* A FIFO without a writer: the daemon does not wait for one. */
static void test_fifo(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(in_base("abcdefghij/staging.json"), 0644), 0);
    assert_outage("abcdefghij/staging.json", "not a regular file");
}

static void test_device(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/zero", in_base("abcdefghij/staging.json")), 0);
    assert_outage("abcdefghij/staging.json", "not a regular file");
}

/* Such a directory is often published by a link that points to the last deployment. */
static void test_links(void **state)
{
    (void)state;
    put("abcdefghij/first.json", "1");
    put("abcdefghij/second.json", "22");
    assert_int_equal(symlink("first.json", in_base("abcdefghij/staging.json")), 0);
    assert_document("abcdefghij/staging.json", "1");
    assert_int_equal(unlink(in_base("abcdefghij/staging.json")), 0);
    assert_int_equal(symlink("second.json", in_base("abcdefghij/staging.json")), 0);
    assert_document("abcdefghij/staging.json", "22");
    assert_int_equal(unlink(in_base("abcdefghij/second.json")), 0);
    assert_int_equal(get("abcdefghij/staging.json"), API_ABSENT);
}

static void test_link_to_itself(void **state)
{
    (void)state;
    assert_int_equal(symlink("staging.json", in_base("abcdefghij/staging.json")), 0);
    assert_outage("abcdefghij/staging.json", "cannot be opened");
}

static void test_largest(void **state)
{
    (void)state;
    put_size("abcdefghij/staging.json", DOCUMENT_SIZE_MAX);
    assert_int_equal(get("abcdefghij/staging.json"), API_DOCUMENT);
    assert_int_equal(result.length, DOCUMENT_SIZE_MAX);
    put_size("abcdefghij/staging.json", DOCUMENT_SIZE_MAX + 1);
    assert_outage("abcdefghij/staging.json", "cannot be read");
    put_size("abcdefghij/staging.json", (off_t)1 << 40);
    assert_outage("abcdefghij/staging.json", "cannot be read");
}

/* The file has more bytes than its size says: no part of a document is taken. */
static void test_grows(void **state)
{
    (void)state;
    file_get("/proc/self/status", 6, &none, &result); /* its size is 0 */
    assert_int_equal(result.verdict, API_OUTAGE);
    assert_non_null(strstr(result.detail, "cannot be read"));
}

/* A file that may not be read. root may read it, so the test becomes the user nobody. */
static int verdict_without_rights(const char *name)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 &&
            (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
            _exit(99);
        file_get(in_base(name), strlen(base), &none, &result);
        _exit((int)result.verdict);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_permission(void **state)
{
    (void)state;
    put("abcdefghij/staging.json", "{}");
    assert_int_equal(verdict_without_rights("abcdefghij/staging.json"), API_DOCUMENT);
    assert_int_equal(chmod(in_base("abcdefghij/staging.json"), 0), 0);
    assert_int_equal(verdict_without_rights("abcdefghij/staging.json"), API_OUTAGE);
    assert_int_equal(chmod(in_base("abcdefghij"), 0), 0);
    assert_int_equal(verdict_without_rights("abcdefghij/staging.json"), API_OUTAGE);
    assert_int_equal(verdict_without_rights("abcdefghij/nothing.json"), API_OUTAGE);
    assert_int_equal(verdict_without_rights("nosuchproject/a.json"), API_ABSENT);
    assert_int_equal(chmod(base, 0711), 0); /* it may be searched and not listed */
    assert_int_equal(verdict_without_rights("nosuchproject/a.json"), API_ABSENT);
    assert_int_equal(chmod(base, 0), 0);
    assert_int_equal(verdict_without_rights("nosuchproject/a.json"), API_OUTAGE);
    assert_int_equal(chmod(base, 0755), 0);
    assert_int_equal(chmod(in_base("abcdefghij"), 0755), 0);
}

static void test_unchanged(void **state)
{
    struct validator validator;

    (void)state;
    put("abcdefghij/staging.json", "{}");
    later = SETTLED + 1;
    assert_document("abcdefghij/staging.json", "{}");
    validator = result.validator;
    assert_true(validator.etag[0] != '\0');
    assert_int_equal(get_with("abcdefghij/staging.json", &validator), API_UNCHANGED);
    assert_string_equal(result.validator.etag, validator.etag);
    assert_int_equal(get("abcdefghij/staging.json"), API_DOCUMENT);
    assert_int_equal(unlink(in_base("abcdefghij/staging.json")), 0);
    assert_int_equal(get_with("abcdefghij/staging.json", &validator), API_ABSENT);
}

/* Two writes within one tick of the clock leave the same times behind. */
static void test_changed_just_now(void **state)
{
    struct validator validator;

    (void)state;
    put("abcdefghij/staging.json", "{}");
    assert_document("abcdefghij/staging.json", "{}");
    assert_string_equal(result.validator.etag, "");
    validator = result.validator;
    assert_int_equal(get_with("abcdefghij/staging.json", &validator), API_DOCUMENT);
    later = -3600; /* a clock that was set back does not show the age */
    assert_document("abcdefghij/staging.json", "{}");
    assert_string_equal(result.validator.etag, "");
}

/* Every change is seen, even if size and mtime stay the same. */
static void test_changed(void **state)
{
    struct validator validator;
    struct stat st;

    (void)state;
    put("abcdefghij/staging.json", "one");
    later = SETTLED + 1;
    assert_document("abcdefghij/staging.json", "one");
    validator = result.validator;
    assert_int_equal(stat(in_base("abcdefghij/staging.json"), &st), 0);
    put("abcdefghij/new", "two");
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, in_base("abcdefghij/new"), times, 0), 0);
    char target[256];
    snprintf(target, sizeof target, "%s", in_base("abcdefghij/staging.json"));
    assert_int_equal(rename(in_base("abcdefghij/new"), target), 0);
    assert_int_equal(get_with("abcdefghij/staging.json", &validator), API_DOCUMENT);
    assert_memory_equal(result.body, "two", 3);
    assert_string_not_equal(result.validator.etag, validator.etag);
    validator = result.validator;
    put("abcdefghij/staging.json", "three");
    assert_int_equal(get_with("abcdefghij/staging.json", &validator), API_DOCUMENT);
    assert_memory_equal(result.body, "three", 5);
}

static void test_no_descriptor_left(void **state)
{
    unsigned before;

    (void)state;
    put("abcdefghij/staging.json", "{}");
    before = open_descriptors();
    assert_true(before > 0);
    assert_int_equal(get("abcdefghij/staging.json"), API_DOCUMENT);
    assert_int_equal(get("abcdefghij/nothing.json"), API_ABSENT);
    assert_int_equal(get("abcdefghij"), API_OUTAGE);
    put_size("abcdefghij/staging.json", DOCUMENT_SIZE_MAX + 1);
    assert_int_equal(get("abcdefghij/staging.json"), API_OUTAGE);
    remove_all(base);
    assert_int_equal(get("abcdefghij/staging.json"), API_OUTAGE);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_document),       TEST(test_absent),
        TEST(test_gone),           TEST(test_base_is_missing),
        TEST(test_base_is_empty),  TEST(test_base_is_a_file),
        TEST(test_base_is_a_link), TEST(test_long_base),
        TEST(test_directory),      TEST(test_fifo),
        TEST(test_device),         TEST(test_links),
        TEST(test_link_to_itself), TEST(test_largest),
        TEST(test_grows),          TEST(test_permission),
        TEST(test_unchanged),      TEST(test_changed_just_now),
        TEST(test_changed),        TEST(test_no_descriptor_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
