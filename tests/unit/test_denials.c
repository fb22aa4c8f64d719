/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"
#include "cloudauthd/state/denials_file.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FINGERPRINT "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static unsigned syncs_failing;      /* so many of the next syncs of a directory fail, ... */
static unsigned file_syncs_failing; /* ... and of a file */

int fsync(int fd)
{
    struct stat st = {0};
    unsigned *failing = &file_syncs_failing;

    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        failing = &syncs_failing;
    if (*failing > 0) {
        --*failing;
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static const char *path;
static struct loop *loop;
static const unsigned char zeros[KEY_FINGERPRINT_SIZE];

static struct denial made(const char *line)
{
    struct denial denial;
    const char *why;

    assert_true(denials_parse(line, strlen(line), &denial, &why));
    return denial;
}

static void test_lines(void **state)
{
    static const char *const good[] = {
        "key\t" FINGERPRINT "\t0\t1\tstolen", "user\talice\t1800000000\t0\t",
        "user\tAnna M\xc3\xbcller\t0\t0\t", "environment\tabcdefghij/staging\t0\t0\ta reason",
        "certificate\t18446744073709551615@" FINGERPRINT "\t0\t0\t"};
    static const char *const bad[] = {
        "", "key", "user\talice\t0\t0", "user\talice\t0\t0\t\t", "user\t\t0\t0\t",
        "group\talice\t0\t0\t", "user\talice\t-1\t0\t", "user\talice\t01\t0\t",
        "user\talice\t999999999999\t0\t", "user\tal\x01ice\t0\t0\t", "user\talice\t0\t0\tre\x1bson",
        "key\tSHA256:AAAA\t0\t0\t", "certificate\t" FINGERPRINT "\t0\t0\t",
        "certificate\t07@" FINGERPRINT "\t0\t0\t", "certificate\t7@SHA256:AAAA\t0\t0\t",
        "key\tMD5:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\t0\t0\t",
        /* the last character has unused bits that are not 0 */
        "key\tSHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\t0\t0\t",
        "environment\tabcdefghij\t0\t0\t", "environment\tab/staging\t0\t0\t",
        "environment\tabcdefghij/\t0\t0\t", "environment\tabcdefghij/../x\t0\t0\t"};
    char again[DENIAL_LINE_SIZE];
    struct denial denial;
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        denial = made(good[i]);
        denials_format(&denial, again);
        assert_string_equal(again, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        why = NULL;
        if (denials_parse(bad[i], strlen(bad[i]), &denial, &why))
            fail_msg("taken: %s", bad[i]);
        assert_non_null(why);
    }
}

/* Stops the loop, which runs until the worker is done. */
static void on_done(void *arg, const char *problem)
{
    const char **out = arg;

    *out = problem == NULL ? "" : "problem";
    loop_stop(loop);
}

static const char *add(struct denials_file *file, const char *line)
{
    struct denial denial = made(line);
    const char *said = NULL, *why;
    const struct denials_change change = {&denial, true, on_done, &said};

    if (!denials_file_change(file, &change, &why))
        return why;
    assert_true(denials_file_busy(file));
    assert_false(denials_file_change(file, &change, &why));
    assert_true(loop_run(loop));
    assert_non_null(said);
    return said;
}

static const char *take(struct denials_file *file, const char *line)
{
    struct denial denial = line == NULL ? made("user\tx\t0\t0\t") : made(line);
    const char *said = NULL, *why;
    const struct denials_change change = {line == NULL ? NULL : &denial, false, on_done, &said};

    if (!denials_file_change(file, &change, &why))
        return why;
    assert_true(loop_run(loop));
    return said;
}

static bool is_denied(const struct denials_file *file, const char *user, const char *environment)
{
    const struct denial_match match = {.project = "abcdefghij",
                                       .environment = environment,
                                       .user_id = "u-1",
                                       .username = user,
                                       .fingerprint = zeros};

    return denials_match(denials_file_list(file), &match, (int64_t)time(NULL));
}

static struct worker *worker;

static struct denials_file *open_file(void)
{
    worker = worker_new(loop);
    return denials_file_new(worker, directory_path());
}

static void close_file(struct denials_file *file)
{
    worker_free(worker);
    denials_file_free(file);
}

static void test_matches(void **state)
{
    struct denials_file *file = open_file();

    (void)state;
    assert_non_null(file);
    assert_false(denials_match(NULL, &(struct denial_match){0}, 0));
    assert_false(is_denied(file, "alice", "staging"));
    assert_string_equal(add(file, "user\talice\t0\t0\t"), "");
    assert_true(is_denied(file, "alice", "staging"));
    assert_false(is_denied(file, "alic", "staging"));
    assert_false(is_denied(file, "alicea", "staging"));
    assert_string_equal(add(file, "user\tu-1\t0\t0\t"), "");
    assert_true(is_denied(file, "anybody", "staging"));
    assert_string_equal(take(file, "user\tu-1\t0\t0\t"), "");
    assert_string_equal(add(file, "environment\tabcdefghij/staging\t0\t0\t"), "");
    assert_true(is_denied(file, "bob", "staging"));
    assert_false(is_denied(file, "bob", "stagin"));
    assert_false(is_denied(file, "bob", "staging2"));
    assert_true(denials_environment(denials_file_list(file), "abcdefghij", "staging", 1));
    assert_false(denials_environment(denials_file_list(file), "abcdefghi", "staging", 1));
    assert_string_equal(add(file, "key\t" FINGERPRINT "\t0\t0\t"), "");
    assert_true(is_denied(file, "bob", "production"));
    assert_string_equal(take(file, NULL), "");
    assert_false(is_denied(file, "alice", "staging"));
    close_file(file);
}

static void test_until(void **state)
{
    struct denials_file *file = open_file();
    const struct denial_match match = {"abcdefghij", "staging", "u-1", "alice", zeros, NULL, 0};

    (void)state;
    assert_string_equal(add(file, "user\talice\t4000000000\t0\t"), "");
    assert_true(denials_match(denials_file_list(file), &match, 3999999999));
    assert_false(denials_match(denials_file_list(file), &match, 4000000000));
    /* A denial of the same subject replaces it. */
    assert_string_equal(add(file, "user\talice\t1\t0\t"), "");
    assert_null(denials_at(denials_file_list(file), 1));
    close_file(file);
}

/* A clock that was ahead for a moment ends no denial for good, whatever changes in that moment. */
static void test_clock_was_ahead(void **state)
{
    const struct denial_match match = {"abcdefghij", "staging", "u-1", "alice", zeros, NULL, 0};
    struct denials_file *file = open_file();

    (void)state;
    assert_string_equal(add(file, "user\talice\t1000\t0\t"), "");
    assert_false(denials_match(denials_file_list(file), &match, (int64_t)time(NULL)));
    assert_string_equal(add(file, "user\tbob\t0\t0\t"), "");
    assert_string_equal(take(file, "user\tbob\t0\t0\t"), "");
    close_file(file);
    file = open_file();
    assert_true(denials_match(denials_file_list(file), &match, 999));
    assert_string_equal(take(file, "user\talice\t0\t0\t"), "");
    assert_false(denials_match(denials_file_list(file), &match, 999));
    close_file(file);
}

/* Of a full list the denial that has expired first makes room, and no other. */
static void test_full_of_expired(void **state)
{
    static char lines[DENIALS_MAX * 32];
    unsigned char hash[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    struct denials_file *file;
    size_t n = 0;
    FILE *disk = fopen(path, "we");

    (void)state;
    for (int i = 0; i < DENIALS_MAX; i++)
        n += (size_t)snprintf(lines + n, sizeof lines - n, "user\tu%d\t%d\t0\t\n", i,
                              i == 0   ? 0
                              : i == 7 ? 999
                                       : 1000);
    assert_true(digest_sha256(lines, n, hash));
    digest_hex(hash, sizeof hash, hex);
    assert_true(fprintf(disk, "cloudauth denials 1\nsha256 %s\n%s", hex, lines) > 0);
    assert_int_equal(fclose(disk), 0);
    file = open_file();
    assert_string_equal(denials_at(denials_file_list(file), DENIALS_MAX - 1)->subject, "u4095");
    /* One that takes the place of another needs none of theirs. */
    assert_string_equal(add(file, "user\tu0\t0\t0\tagain"), "");
    assert_non_null(denials_at(denials_file_list(file), DENIALS_MAX - 1));
    assert_string_equal(take(file, "user\tu4095\t0\t0\t"), "");
    assert_non_null(denials_at(denials_file_list(file), DENIALS_MAX - 2));
    assert_string_equal(add(file, "user\teve\t1000\t0\t"), "");
    assert_string_equal(add(file, "user\tbob\t0\t0\t"), "");
    assert_string_equal(denials_at(denials_file_list(file), 5)->subject, "u6");
    assert_string_equal(denials_at(denials_file_list(file), 6)->subject, "u8");
    assert_string_equal(denials_at(denials_file_list(file), DENIALS_MAX - 2)->subject, "eve");
    assert_string_equal(denials_at(denials_file_list(file), DENIALS_MAX - 1)->subject, "bob");
    close_file(file);
}

static void test_survives(void **state)
{
    struct denials_file *file = open_file();

    (void)state;
    assert_string_equal(add(file, "user\talice\t0\t7\tgone"), "");
    close_file(file);
    file = open_file();
    assert_true(is_denied(file, "alice", "staging"));
    assert_false(is_denied(file, "bob", "staging"));
    assert_string_equal(denials_at(denials_file_list(file), 0)->reason, "gone");
    close_file(file);
}

/* What version 0.1.0 wrote is read, and the same is written. */
static void test_format(void **state)
{
    static const char old[] =
        "cloudauth denials 1\n"
        "sha256 bf2aa7149722893ebbd43244cd4817a5b953bc73c3b927c3abdfc771f871f65d\n"
        "user\talice\t0\t7\tgone\n"
        "environment\tabcdefghij/staging\t0\t0\t\n";
    char bytes[sizeof old] = "";
    struct denials_file *file;
    FILE *disk = fopen(path, "we");

    (void)state;
    assert_int_equal(fwrite(old, 1, sizeof old - 1, disk), sizeof old - 1);
    assert_int_equal(fclose(disk), 0);
    file = open_file();
    assert_false(denials_file_list(file)->damaged);
    assert_true(is_denied(file, "alice", "production"));
    assert_true(is_denied(file, "bob", "staging"));
    assert_string_equal(add(file, "user\tbob\t0\t0\t"), "");
    assert_string_equal(take(file, "user\tbob\t0\t0\t"), "");
    close_file(file);
    disk = fopen(path, "re");
    assert_int_equal(fread(bytes, 1, sizeof bytes, disk), sizeof old - 1);
    assert_int_equal(fclose(disk), 0);
    assert_string_equal(bytes, old);
}

/* While any byte of the file is changed everyone is denied, until all denials are removed. */
static void test_damaged(void **state)
{
    char bytes[512], copy[512];
    size_t n;
    struct denials_file *file = open_file();

    (void)state;
    assert_string_equal(add(file, "user\talice\t0\t7\tgone"), "");
    close_file(file);
    n = read_file(path, bytes, sizeof bytes);
    for (size_t at = 0; at <= n; at++) {
        memcpy(copy, bytes, n);
        if (at < n)
            copy[at] ^= 1;
        write_bytes(path, copy, at < n ? n : n - 1);
        file = open_file();
        assert_true(is_denied(file, "bob", "staging"));
        assert_true(denials_file_list(file)->damaged);
        assert_null(denials_at(denials_file_list(file), 0));
        close_file(file);
    }
    file = open_file();
    assert_non_null(strstr(add(file, "user\talice\t0\t0\t"), "damaged"));
    assert_non_null(strstr(take(file, "user\talice\t0\t0\t"), "damaged"));
    assert_string_equal(take(file, NULL), "");
    assert_false(is_denied(file, "alice", "staging"));
    close_file(file);
}

/* The daemon ends if it has no descriptor to read the file: the file need not be damaged. */
static void test_unread(void **state)
{
    struct denials_file *file = open_file();
    int status, next;
    pid_t child;

    (void)state;
    assert_string_equal(add(file, "user\talice\t0\t7\tgone"), "");
    close_file(file);
    child = fork();
    if (child == 0) {
        next = dup(0);
        close(next);
        /* The directory can be opened, and no file in it. */
        (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)next + 1, (rlim_t)next + 1});
        (void)denials_file_new(NULL, directory_path());
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    file = open_file();
    assert_true(is_denied(file, "alice", "staging"));
    assert_false(is_denied(file, "bob", "staging"));
    close_file(file);
}

/* A denial that cannot be written is in force, and the failure is reported; one whose removal
 * cannot be written stays in force. */
static void test_disk_fails(void **state)
{
    struct denials_file *file = open_file();
    char aside[80];

    (void)state;
    snprintf(aside, sizeof aside, "%s/new", directory_path());
    unlink(aside);
    assert_int_equal(mkdir(aside, 0700), 0);
    assert_string_equal(add(file, "user\talice\t0\t0\t"), "problem");
    assert_true(is_denied(file, "alice", "staging"));
    assert_false(denials_file_busy(file));
    assert_string_equal(take(file, "user\talice\t0\t0\t"), "problem");
    assert_true(is_denied(file, "alice", "staging"));
    assert_int_equal(rmdir(aside), 0);
    assert_string_equal(take(file, "user\talice\t0\t0\t"), "");
    assert_false(is_denied(file, "alice", "staging"));
    close_file(file);
}

/* The file has its name when the directory cannot be synced: a removal that has failed is undone
 * there, too. */
static void test_directory_fails(void **state)
{
    struct denials_file *file = open_file();

    (void)state;
    assert_string_equal(add(file, "user\talice\t0\t0\t"), "");
    syncs_failing = 1;
    assert_string_equal(take(file, "user\talice\t0\t0\t"), "problem");
    assert_true(is_denied(file, "alice", "staging"));
    close_file(file);
    file = open_file();
    assert_true(is_denied(file, "alice", "staging"));
    close_file(file);
    /* A list that is damaged stays so. */
    write_file(path, "");
    file = open_file();
    assert_true(is_denied(file, "bob", "staging"));
    syncs_failing = 1;
    assert_string_equal(take(file, NULL), "problem");
    close_file(file);
    file = open_file();
    assert_true(is_denied(file, "bob", "staging"));
    close_file(file);
}

/* A failure before the file has its name leaves the former one: the lines of a damaged list may be
 * all that tells an operator who is to be denied. */
static void test_file_fails(void **state)
{
    static const char damaged[] = "user\talice\t0\t0\t\n";
    struct denials_file *file;
    char left[sizeof damaged] = "";
    FILE *stream;

    (void)state;
    write_file(path, damaged);
    file = open_file();
    file_syncs_failing = 1;
    assert_string_equal(take(file, NULL), "problem");
    assert_int_equal(file_syncs_failing, 0);
    close_file(file);
    stream = fopen(path, "re");
    assert_non_null(stream);
    assert_int_equal(fread(left, 1, sizeof left, stream), sizeof damaged - 1);
    fclose(stream);
    assert_string_equal(left, damaged);
}

static int empty(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static int start(void **state)
{
    (void)state;
    loop = loop_new();
    assert_non_null(loop);
    enter_directory();
    path = in_directory("denials");
    return 0;
}

static int end(void **state)
{
    (void)state;
    leave_directory();
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test_setup(test_matches, empty),
        cmocka_unit_test_setup(test_until, empty),
        cmocka_unit_test_setup(test_clock_was_ahead, empty),
        cmocka_unit_test_setup(test_full_of_expired, empty),
        cmocka_unit_test_setup(test_survives, empty),
        cmocka_unit_test_setup(test_format, empty),
        cmocka_unit_test_setup(test_damaged, empty),
        cmocka_unit_test_setup(test_unread, empty),
        cmocka_unit_test_setup(test_disk_fails, empty),
        cmocka_unit_test_setup(test_directory_fails, empty),
        cmocka_unit_test_setup(test_file_fails, empty),
    };

    return cmocka_run_group_tests(tests, start, end);
}
