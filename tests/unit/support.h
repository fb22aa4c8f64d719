/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_SUPPORT_H
#define CLOUD_TESTS_SUPPORT_H

/* What unit tests share. Each function fails the current test where it cannot do its work. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A row of the table in main(): the test runs between setup() and teardown() of its file. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The call, made in a process of its own, ends that with status 1 (base/fatal.h). */
void assert_fatal(void (*call)(void *arg), void *arg);

/*
 * Runs each test, with the group's fixtures, in a process forked for it alone: for what a process
 * keeps for its life. Returns the number of processes that failed.
 */
int run_in_processes(const struct CMUnitTest *tests, size_t n, CMFixtureFunction group_setup,
                     CMFixtureFunction group_teardown);

/* ---- A directory of the test's own ----
 *
 * One at a time. It is made below /tmp with mode 0755 and umask 022, and is the working directory
 * until it is removed with all it contains; a test can therefore use relative paths.
 */
void enter_directory(void);
void leave_directory(void);

/* The same as fixtures: of a group of tests, or of each test. */
int setup_directory(void **state);
int teardown_directory(void **state);

/* Its absolute path. */
const char *directory_path(void);

/* The absolute path of a file in it. Valid until the eighth call after this one. */
const char *in_directory(const char *name);

/* ---- Files ---- */

/* Creates the file or replaces its content, and sets its mode to 0644. */
void write_bytes(const char *path, const void *bytes, size_t n);
void write_file(const char *path, const char *text);

/* The same with mode 0600, as a file with a secret has. */
void write_secret(const char *path, const char *text);

/* Reads at most size - 1 bytes, adds a NUL, and returns how many were read. */
size_t read_file(const char *path, char *out, size_t size);

/*
 * What fsync(2) does in unit tests: nothing, because no test loses power, and because a disk that
 * is busy with other work can take seconds for each call. Fails only for a descriptor that is not
 * open. A test that defines fsync() itself calls this.
 */
int skip_sync(int fd);

/* How many descriptors this process has open, plus the one that it takes to count them. */
unsigned open_descriptors(void);

/* ---- Bytes whose end lies against a page without access: one byte too far is a crash ---- */

struct guarded {
    char *at;
    void *map;
    size_t map_size;
};

struct guarded guarded_copy(const void *bytes, size_t n);
void guarded_free(struct guarded *guarded);

#endif
