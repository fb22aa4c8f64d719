/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct loop *loop;
static struct loop_timer a, b, c;
static char ran[16];

static bool keeps; /* the kernel does not remove a descriptor */

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (what != EPOLL_CTL_DEL || !keeps)
        return __real_epoll_ctl(epoll, what, fd, event);
    errno = ENOMEM;
    return -1;
}

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    assert_non_null(loop);
    a = b = c = (struct loop_timer){0};
    ran[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static void say(void *arg)
{
    strcat(ran, arg);
}

static void stop(void *arg)
{
    say(arg);
    loop_stop(loop);
}

/* A timer that is due can be stopped by another one, and can be set to later. */
static void stop_b_delay_c(void *arg)
{
    say(arg);
    loop_timer_clear(loop, &b);
    loop_timer_set(loop, &c, 5);
}

static void test_due_together(void **state)
{
    (void)state;
    a = (struct loop_timer){.due = stop_b_delay_c, .arg = "a"};
    b = (struct loop_timer){.due = say, .arg = "b"};
    c = (struct loop_timer){.due = stop, .arg = "c"};
    loop_timer_set(loop, &a, 0);
    loop_timer_set(loop, &b, 0);
    loop_timer_set(loop, &c, 0);
    assert_true(loop_run(loop));
    assert_string_equal(ran, "ac");
    assert_false(a.set || b.set || c.set);
}

/* A timer that sets itself to at once runs in the next turn, after the others of this one. */
static void again(void *arg)
{
    say(arg);
    if (strlen(ran) < 4)
        loop_timer_set(loop, &a, 0);
    else
        loop_stop(loop);
}

static void test_again(void **state)
{
    (void)state;
    a = (struct loop_timer){.due = again, .arg = "a"};
    b = (struct loop_timer){.due = say, .arg = "b"};
    loop_timer_set(loop, &a, 0);
    loop_timer_set(loop, &b, 0);
    assert_true(loop_run(loop));
    assert_string_equal(ran, "abaa");
}

/* Set twice, it runs once, at the later call's time. */
static void test_set_twice(void **state)
{
    (void)state;
    a = (struct loop_timer){.due = stop, .arg = "a"};
    b = (struct loop_timer){.due = say, .arg = "b"};
    loop_timer_set(loop, &a, 0);
    loop_timer_set(loop, &b, 0);
    loop_timer_set(loop, &a, 5);
    assert_true(loop_run(loop));
    assert_string_equal(ran, "ba");
}

static void on_ready(void *arg, uint32_t events)
{
    (void)events;
    stop(arg);
}

/* A watch whose descriptor is not removed is called no more, and the descriptor can be added again.
 */
static void test_not_removed(void **state)
{
    int ends[2];
    struct loop_watch first = {.ready = on_ready, .arg = "1"},
                      second = {.ready = on_ready, .arg = "2"};

    (void)state;
    assert_int_equal(pipe(ends), 0);
    first.fd = second.fd = ends[0];
    assert_true(loop_add(loop, &first, EPOLLIN));
    keeps = true;
    loop_remove(loop, &first);
    keeps = false;
    assert_int_equal(write(ends[1], "x", 1), 1);
    a = (struct loop_timer){.due = stop, .arg = "a"};
    loop_timer_set(loop, &a, 0);
    assert_true(loop_run(loop));
    assert_string_equal(ran, "a");
    assert_true(loop_add(loop, &second, EPOLLIN));
    assert_true(loop_run(loop));
    assert_string_equal(ran, "a2");
    loop_remove(loop, &second);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_due_together), TEST(test_again),
                                       TEST(test_set_twice), TEST(test_not_removed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
