/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"
#include "cloudauthd/login/pending.h"
#include "common/clock.h"
#include "tests/unit/support.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct offered_key print_a = {.digest = "a"}, print_b = {.digest = "b"};

/* ---- processes ---- */

/* A child that takes a command's name, says so, and lives until its pipe is closed. */
struct child {
    pid_t pid;
    int leash;
};

static void live(const char *name, int ready, int leash)
{
    char byte = 'x';

    if (name != NULL && prctl(PR_SET_NAME, name) != 0)
        _exit(1);
    if (write(ready, &byte, 1) != 1)
        _exit(1);
    _exit(read(leash, &byte, 1) == 0 ? 0 : 1);
}

static struct child start_child(const char *name)
{
    int ready[2], leash[2];
    struct child child;
    char byte;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leash), 0);
    child.pid = fork();
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        close(leash[1]);
        live(name, ready[1], leash[0]);
    }
    close(ready[1]);
    close(leash[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    child.leash = leash[1];
    return child;
}

static void end_child(const struct child *child)
{
    int status;

    close(child->leash);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    assert_int_equal(status, 0);
}

static void assert_same(const struct process *a, const struct process *b)
{
    assert_int_equal(a->pid, b->pid);
    assert_int_equal(a->start, b->start);
}

static void test_self(void **state)
{
    struct process first, second;

    (void)state;
    assert_true(process_find(getpid(), &first));
    assert_int_equal(first.pid, getpid());
    assert_true(process_find(getpid(), &second));
    assert_same(&first, &second);
}

/* To the clock tick, and never later than it was. */
static void test_began(void **state)
{
    const int64_t tick = 1000 / sysconf(_SC_CLK_TCK);
    int64_t before = cloud_clock_ms();
    struct process self, found;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        for (;;)
            pause();
    assert_true(pid > 0);
    assert_true(process_find(pid, &found));
    assert_true(process_began(&found) > before - tick - 1);
    assert_true(process_began(&found) <= cloud_clock_ms());
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(process_find(getpid(), &self));
    assert_true(process_began(&self) <= process_began(&found));
}

static void test_parent(void **state)
{
    struct child child = start_child(NULL);
    struct process self, parent, found;

    (void)state;
    assert_true(process_find(getpid(), &self));
    assert_true(process_find(child.pid, &found));
    assert_int_equal(found.pid, child.pid);
    assert_true(found.start >= self.start);
    assert_true(process_find_parent(child.pid, &parent));
    assert_same(&parent, &self);
    end_child(&child);
}

/* A process chooses its command's name: none may shift the fields after it. */
static void test_odd_commands(void **state)
{
    static const char *const names[] = {
        "a b", ") (", ")", "))) 1 1 1", ") S 1 1 1 1 1", "(((", "a) Z 0 (b", "\n) R 2", "", " ",
    };
    struct process self, parent, found;

    (void)state;
    assert_true(process_find(getpid(), &self));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct child child = start_child(names[i]);
        assert_true(process_find_parent(child.pid, &parent));
        assert_same(&parent, &self);
        assert_true(process_find(child.pid, &found));
        assert_true(found.start >= self.start);
        end_child(&child);
    }
}

/* The name of a process changes; it stays the same process. */
static void test_start_does_not_depend_on_the_command(void **state)
{
    struct process before, after;
    char name[16];

    (void)state;
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_true(process_find(getpid(), &before));
    assert_int_equal(prctl(PR_SET_NAME, ") R 1 1 1 1 1 1"), 0);
    assert_true(process_find(getpid(), &after));
    assert_int_equal(prctl(PR_SET_NAME, name), 0);
    assert_same(&before, &after);
}

static void test_no_such_process(void **state)
{
    struct child child = start_child(NULL);
    struct process found = {4711, 4712};

    (void)state;
    end_child(&child);
    assert_false(process_find(child.pid, &found));
    assert_false(process_find_parent(child.pid, &found));
    assert_false(process_find(0, &found));
    assert_false(process_find(-1, &found));
    assert_false(process_find(INT_MAX, &found));
    assert_false(process_find(INT_MIN, &found));
    assert_false(process_find_parent(0, &found));
    assert_false(process_find_parent(-1, &found));
    assert_true(found.pid == 4711 && found.start == 4712);
}

/* The first process of a pid namespace has no parent in it: 0 is no process. */
static void test_no_parent(void **state)
{
    struct process first, parent;

    (void)state;
    assert_true(process_find(1, &first));
    assert_false(process_find_parent(1, &parent));
}

/* ---- logins ---- */

static struct pending *logins;

static int setup(void **state)
{
    (void)state;
    logins = pending_new();
    return logins == NULL;
}

static int teardown(void **state)
{
    (void)state;
    pending_free(logins);
    return 0;
}

static struct process monitor(size_t i)
{
    return (struct process){(pid_t)(1000 + i), 5000 + i};
}

static bool remembers(struct process process, const char *account, const struct offered_key *print)
{
    const struct login *login = pending_find(logins, &process, account);

    return login != NULL && offered_key_equal(&login->session.offered, print);
}

static struct login *remember(struct process process, const char *account,
                              const struct offered_key *print)
{
    struct login *login = pending_remember(logins, &process, account, print);

    assert_non_null(login);
    assert_string_equal(login->session.account, account);
    assert_false(login->granted);
    assert_string_equal(login->session.user, "");
    return login;
}

static void test_remembered(void **state)
{
    struct login *login = remember(monitor(1), "abcdefghij", &print_a);

    (void)state;
    login->granted = true;
    strcpy(login->session.user, "alice");
    struct process process = monitor(1);
    assert_ptr_equal(pending_find(logins, &process, "abcdefghij"), login);
    assert_true(login->granted);
    assert_string_equal(login->session.user, "alice");
}

static void test_nothing_remembered(void **state)
{
    (void)state;
    struct process process = monitor(1), none = {0, 0};

    assert_null(pending_find(logins, &process, "abcdefghij"));
    assert_null(pending_find(logins, &process, ""));
    assert_null(pending_find(logins, &none, ""));
}

static void test_other_process(void **state)
{
    (void)state;
    remember(monitor(1), "abcdefghij", &print_a);
    struct process later = {1001, 5002}, other = {1002, 5001};
    assert_null(pending_find(logins, &later, "abcdefghij"));
    assert_null(pending_find(logins, &other, "abcdefghij"));
}

static void test_other_account(void **state)
{
    (void)state;
    remember(monitor(1), "abcdefghij", &print_a);
    assert_false(remembers(monitor(1), "abcdefghij_stg", &print_a));
    assert_false(remembers(monitor(1), "abcdefghi", &print_a));
    assert_false(remembers(monitor(1), "", &print_a));
    assert_true(remembers(monitor(1), "abcdefghij", &print_a));
}

/* The key that signs is asked for last. */
static void test_last_line_wins(void **state)
{
    struct login *login = remember(monitor(1), "abcdefghij", &print_a);

    (void)state;
    login->granted = true;
    strcpy(login->session.user, "alice");
    remember(monitor(1), "abcdefghij", &print_b); /* forgets the grant too */
    assert_true(remembers(monitor(1), "abcdefghij", &print_b));
    remember(monitor(1), "abcdefghij_stg", &print_a);
    assert_false(remembers(monitor(1), "abcdefghij", &print_b));
    assert_true(remembers(monitor(1), "abcdefghij_stg", &print_a));
}

static void test_oldest_makes_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < PENDING_MAX; i++)
        remember(monitor(i), "abcdefghij", &print_a);
    remember(monitor(0), "abcdefghij", &print_b); /* now 1 is the oldest */
    remember(monitor(PENDING_MAX), "abcdefghij", &print_a);
    assert_false(remembers(monitor(1), "abcdefghij", &print_a));
    assert_true(remembers(monitor(0), "abcdefghij", &print_b));
    for (size_t i = 2; i <= PENDING_MAX; i++)
        assert_true(remembers(monitor(i), "abcdefghij", &print_a));
    remember(monitor(PENDING_MAX + 1), "abcdefghij", &print_a);
    assert_false(remembers(monitor(2), "abcdefghij", &print_a));
    assert_true(remembers(monitor(3), "abcdefghij", &print_a));
}

static void test_long_account(void **state)
{
    char account[CLOUD_NAME_MAX + 2];
    struct process process = monitor(1);

    (void)state;
    memset(account, 'a', sizeof account);
    account[CLOUD_NAME_MAX + 1] = '\0';
    assert_null(pending_remember(logins, &process, account, &print_a));
    assert_null(pending_find(logins, &process, account));
    account[CLOUD_NAME_MAX] = '\0';
    remember(process, account, &print_a);
    assert_true(remembers(process, account, &print_a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_began),
        cmocka_unit_test(test_parent),
        cmocka_unit_test(test_odd_commands),
        cmocka_unit_test(test_start_does_not_depend_on_the_command),
        cmocka_unit_test(test_no_such_process),
        cmocka_unit_test(test_no_parent),
        TEST(test_remembered),
        TEST(test_nothing_remembered),
        TEST(test_other_process),
        TEST(test_other_account),
        TEST(test_last_line_wins),
        TEST(test_oldest_makes_place),
        TEST(test_long_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
