/* SPDX-License-Identifier: Apache-2.0 */

/* Directories of files that change, with a real loop. The clock goes on by TURN_MS with each turn
 * of it: the kernel reports a change to the next turn, however late that comes. */
#include "cloudauthd/api/file_watch.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TURN_MS 10

static struct loop *loop;
static struct loop_timer turn;
static int64_t end;
static unsigned calls;

static void on_changed(void *arg)
{
    (void)arg;
    calls++;
}

static void on_turn(void *arg)
{
    (void)arg;
    fake_ms += TURN_MS;
    if (fake_ms >= end)
        loop_stop(loop);
    else
        loop_timer_set(loop, &turn, 0);
}

/* How often `changed` is called within that time. */
static unsigned calls_within(int64_t milliseconds)
{
    calls = 0;
    end = fake_ms + milliseconds;
    loop_timer_set(loop, &turn, 0);
    assert_true(loop_run(loop));
    return calls;
}

static int start(void **state)
{
    (void)setup_directory(state);
    loop = loop_new();
    assert_non_null(loop);
    turn = (struct loop_timer){.due = on_turn};
    file_watch_start(loop, on_changed, NULL);
    return 0;
}

static int stop(void **state)
{
    loop_free(loop);
    return teardown_directory(state);
}

static void watch(const char *path)
{
    file_watch_add(in_directory(path));
    file_watch_commit();
}

static void test_changes(void **state)
{
    (void)state;
    assert_int_equal(mkdir("a", 0755), 0);
    assert_int_equal(mkdir("b", 0755), 0);
    assert_int_equal(calls_within(1), 0);
    file_watch_add(in_directory("a/staging.json"));
    file_watch_add(in_directory("b/staging.json"));
    file_watch_add(in_directory("none/staging.json"));
    file_watch_commit();
    assert_int_equal(calls_within(250), 1);

    /* Many changes are few calls. */
    for (int i = 0; i < 100; i++)
        write_file("a/new", "{}");
    assert_int_equal(rename("a/new", "a/staging.json"), 0);
    assert_int_equal(calls_within(250), 1);
    assert_int_equal(calls_within(250), 0);
    assert_int_equal(unlink("a/staging.json"), 0);
    assert_int_equal(calls_within(250), 1);

    /* What is not added again is not watched any longer. */
    watch("a/staging.json");
    (void)calls_within(250); /* the kernel says that it was removed */
    write_file("b/staging.json", "{}");
    assert_int_equal(calls_within(250), 0);
    write_file("a/staging.json", "{}");
    assert_int_equal(calls_within(250), 1);

    /* Another directory in its place. */
    assert_int_equal(rename("a", "c"), 0);
    assert_int_equal(rename("b", "a"), 0);
    assert_int_equal(calls_within(250), 1);
    watch("a/staging.json");
    assert_in_range(calls_within(500), 1, 2);
    write_file("c/staging.json", "{}");
    assert_int_equal(calls_within(250), 0);
    write_file("a/staging.json", "{ }");
    assert_int_equal(calls_within(250), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_changes, start, stop)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
