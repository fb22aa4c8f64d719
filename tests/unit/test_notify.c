/* SPDX-License-Identifier: Apache-2.0 */

/* A service manager's socket of the test's own, and a clock of its own: cloud_clock_ms() is what it
 * says.
 */
#include "base/notify.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *path;
static char abstract[64];
static struct loop *loop;
static int manager = -1;
static char got[256];

static int bind_manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, name, n + 1);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    n += offsetof(struct sockaddr_un, sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, (socklen_t)n), 0);
    return fd;
}

/* The next message, or "". */
static const char *message(void)
{
    ssize_t n = recv(manager, got, sizeof got - 1, 0);

    got[n < 0 ? 0 : n] = '\0';
    return got;
}

static void stop_loop(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

/* Runs one turn of the loop at that time, with the timers that are due by then. */
static void turn(int64_t at)
{
    struct loop_timer end = {.due = stop_loop};

    fake_ms = at;
    loop_timer_set(loop, &end, 0);
    assert_true(loop_run(loop));
}

static void set(const char *variable, const char *value)
{
    assert_int_equal(value == NULL ? unsetenv(variable) : setenv(variable, value, 1), 0);
}

static bool opens(struct notify *notify, const char *name, const char *usec, const char *pid)
{
    char why[128] = "";

    set("NOTIFY_SOCKET", name);
    set("WATCHDOG_USEC", usec);
    set("WATCHDOG_PID", pid);
    bool ok = notify_open(notify, why, sizeof why);
    assert_int_equal(ok, why[0] == '\0');
    return ok;
}

static void test_no_manager(void **state)
{
    struct notify notify;

    (void)state;
    assert_true(opens(&notify, NULL, NULL, NULL));
    assert_true(opens(&notify, NULL, "2000000", NULL));
    notify_extend(&notify);
    notify_ready(&notify, loop);
    assert_false(notify.timer.set);
    notify_stop(&notify);
    assert_string_equal(message(), "");
}

static void test_bad_variables(void **state)
{
    static const char *const numbers[] = {"", "0", "-1", "1s", "99999999999999999999"};
    char long_name[200];
    struct notify notify;

    (void)state;
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_false(opens(&notify, long_name, NULL, NULL));
    long_name[0] = '/';
    assert_false(opens(&notify, long_name, NULL, NULL));
    assert_false(opens(&notify, "", NULL, NULL));
    assert_false(opens(&notify, "@", NULL, NULL));
    assert_false(opens(&notify, "run/notify", NULL, NULL));
    assert_false(opens(&notify, "vsock:2:1234", NULL, NULL));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_false(opens(&notify, path, numbers[i], NULL));
    assert_false(opens(&notify, path, "2000000", "me"));
    assert_int_equal(notify.fd, -1);
}

/* The longest name that fits is one that the kernel takes. */
static void test_longest_name(void **state)
{
    char name[sizeof((struct sockaddr_un *)0)->sun_path];
    struct notify notify;
    int other = manager;

    (void)state;
    snprintf(name, sizeof name, "%s", abstract);
    memset(name + strlen(name), 'x', sizeof name - 1 - strlen(name));
    name[sizeof name - 1] = '\0';
    manager = bind_manager(name);
    assert_true(opens(&notify, name, NULL, NULL));
    notify_ready(&notify, loop);
    assert_string_equal(message(), "READY=1");
    notify_stop(&notify);
    close(manager);
    manager = other;
}

static void ready_and_pings(const char *name)
{
    struct notify notify;

    assert_true(opens(&notify, name, "2000000", NULL));
    assert_string_equal(message(), "");
    notify_extend(&notify);
    assert_string_equal(message(), "EXTEND_TIMEOUT_USEC=90000000");
    notify_ready(&notify, loop);
    assert_string_equal(message(), "READY=1");
    turn(fake_ms + 999);
    assert_string_equal(message(), "");
    for (int i = 0; i < 5; i++) {
        turn(fake_ms + (i == 0 ? 1 : 1000));
        assert_string_equal(message(), "WATCHDOG=1");
        assert_string_equal(message(), "");
    }
    notify_stop(&notify);
    assert_string_equal(message(), "STOPPING=1");
    turn(fake_ms + 10000);
    assert_string_equal(message(), "");
}

static void test_path(void **state)
{
    (void)state;
    ready_and_pings(path);
}

static void test_abstract(void **state)
{
    int by_path = manager;

    (void)state;
    manager = bind_manager(abstract);
    ready_and_pings(abstract);
    close(manager);
    manager = by_path;
}

/* Without a watchdog, or with that of another process, READY=1 is sent once. */
static void test_no_watchdog(void **state)
{
    char mine[16];
    struct notify notify;

    (void)state;
    assert_true(opens(&notify, path, NULL, NULL));
    notify_ready(&notify, loop);
    assert_string_equal(message(), "READY=1");
    assert_false(notify.timer.set);
    notify_stop(&notify);
    assert_string_equal(message(), "STOPPING=1");
    assert_true(opens(&notify, path, "2000000", "1"));
    assert_int_equal(notify.ping_ms, 0);
    notify_stop(&notify);
    snprintf(mine, sizeof mine, "%d", (int)getpid());
    assert_true(opens(&notify, path, "2000000", mine));
    assert_int_equal(notify.ping_ms, 1000);
    notify_stop(&notify);
}

/* READY=1 is sent again if the queue was full, without waiting. */
static void test_full(void **state)
{
    struct notify notify, crowd;
    unsigned sent = 0;

    (void)state;
    while (*message() != '\0')
        continue;
    assert_true(opens(&crowd, path, NULL, NULL));
    while (sendto(crowd.fd, "X=1", 3, MSG_DONTWAIT, (const struct sockaddr *)&crowd.to,
                  crowd.to_size) == 3)
        sent++;
    assert_int_equal(errno, EAGAIN);
    assert_true(opens(&notify, path, "20000000", NULL));
    notify_ready(&notify, loop);
    assert_true(notify.timer.set);
    turn(fake_ms + 1000);
    while (sent-- > 0)
        assert_string_equal(message(), "X=1");
    assert_string_equal(message(), "");
    turn(fake_ms + 1000);
    assert_string_equal(message(), "READY=1");
    turn(fake_ms + 10000);
    assert_string_equal(message(), "WATCHDOG=1");
    notify_stop(&notify);
    notify_stop(&crowd);
}

static int setup(void **state)
{
    (void)state;
    enter_directory();
    path = in_directory("notify");
    loop = loop_new();
    assert_non_null(loop);
    snprintf(abstract, sizeof abstract, "@cloudauth-notify-%d-", (int)getpid());
    manager = bind_manager(path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(manager);
    loop_free(loop);
    leave_directory();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_manager),   cmocka_unit_test(test_bad_variables),
        cmocka_unit_test(test_longest_name), cmocka_unit_test(test_path),
        cmocka_unit_test(test_abstract),     cmocka_unit_test(test_no_watchdog),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
