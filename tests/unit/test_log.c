/* SPDX-License-Identifier: Apache-2.0 */

/* Log lines to a log daemon of the test, which reads only when the test says so. */
#include "base/log.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define TOO_LONG (2 * LOG_LINE_MAX)
#define LINES    200 /* of 1 KB: more than a socket takes, less than is kept */

static const char *path;
static struct loop *loop;
static struct loop_watch daemon_socket = {.fd = -1};
static char got[LOG_LINE_MAX + 1]; /* the last line */
static size_t largest;             /* datagram that sendto takes */

ssize_t sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to,
               socklen_t size)
{
    if (n > largest) {
        errno = EMSGSIZE;
        return -1;
    }
    return (ssize_t)syscall(SYS_sendto, fd, bytes, n, flags, to, size);
}

static int bind_daemon(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Reads a line into got; false if there is none. */
static bool take(void)
{
    ssize_t n = recv(daemon_socket.fd, got, sizeof got - 1, MSG_DONTWAIT);

    got[n < 0 ? 0 : n] = '\0';
    assert_true(n < 0 || strlen(got) == (size_t)n);
    return n >= 0;
}

static void expect(const char *text)
{
    assert_true(take());
    assert_non_null(strstr(got, "]: "));
    assert_string_equal(strstr(got, "]: ") + 3, text);
}

static int setup(void **state)
{
    (void)state;
    enter_directory();
    path = in_directory("log");
    largest = LOG_LINE_MAX;
    daemon_socket.fd = bind_daemon();
    log_open(path, false);
    loop = loop_new();
    assert_non_null(loop);
    log_start(loop);
    return take(); /* what another test has left */
}

static int teardown(void **state)
{
    (void)state;
    log_stop();
    loop_free(loop);
    close(daemon_socket.fd);
    leave_directory();
    return 0;
}

/* ---- The line ---- */

time_t time(time_t *out)
{
    const time_t now = 1799136000; /* 5 January 2027, 08:00:00 UTC */

    if (out != NULL)
        *out = now;
    return now;
}

/* As glibc's syslog(3) sends it. */
static void test_form(void **state)
{
    char expected[128];

    (void)state;
    setenv("TZ", "AHEAD-5:30", 1);
    log_open(path, false);
    log_write(LOG_AUTHPRIV | LOG_NOTICE, "refuse account=a");
    assert_true(take());
    snprintf(expected, sizeof expected, "<85>Jan  5 13:30:00 cloudauthd[%d]: refuse account=a",
             (int)getpid());
    assert_string_equal(got, expected);
    unsetenv("TZ");
    tzset();
    assert_false(take());
}

static void test_escaped(void **state)
{
    (void)state;
    log_write(LOG_DAEMON | LOG_ERR, "a\n<0>b\r\t\x1b[0m\x7f\x80\xff~ \\");
    expect("a\\x0a<0>b\\x0d\\x09\\x1b[0m\\x7f\\x80\\xff~ \\");
    log_write(LOG_DAEMON | LOG_ERR, "%s%n");
    expect("%s%n");
}

/* cloudauthd's own messages; a long one is cut. */
static void test_levels(void **state)
{
    char text[1100];

    (void)state;
    log_error("%s %d", "one", 1);
    assert_true(take());
    assert_memory_equal(got, "<27>", 4);
    assert_string_equal(strstr(got, "]: ") + 3, "one 1");
    log_warning("two");
    assert_true(take());
    assert_memory_equal(got, "<28>", 4);
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    errno = EINTR;
    log_info("%s", text);
    assert_int_equal(errno, EINTR);
    assert_true(take());
    assert_memory_equal(got, "<30>", 4);
    assert_int_equal(strlen(strstr(got, "]: ") + 3), 1023);
}

static void test_long_line(void **state)
{
    static char line[TOO_LONG];

    (void)state;
    memset(line, 'a', sizeof line - 1);
    log_write(LOG_DAEMON | LOG_ERR, line);
    assert_true(take());
    assert_int_equal(strlen(got), LOG_LINE_MAX - 1);
    /* Never a part of an escape sequence. */
    memset(line, '\xff', sizeof line - 1);
    log_write(LOG_DAEMON | LOG_ERR, line);
    assert_true(take());
    assert_string_equal(got + strlen(got) - 4, "\\xff");
}

static void test_errno(void **state)
{
    (void)state;
    unlink(path);
    errno = EINTR;
    log_write(LOG_DAEMON | LOG_ERR, "kept");
    assert_int_equal(errno, EINTR);
    close(daemon_socket.fd);
    daemon_socket.fd = bind_daemon();
    errno = ERANGE;
    log_write(LOG_DAEMON | LOG_ERR, "sent");
    assert_int_equal(errno, ERANGE);
    expect("kept");
    expect("sent");
}

static void test_stderr(void **state)
{
    char said[256] = "", expected[128];
    int kept = dup(STDERR_FILENO), ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    log_write(LOG_DAEMON | LOG_INFO, "not there");
    log_open(path, true);
    log_write(LOG_DAEMON | LOG_INFO, "there\n");
    dup2(kept, STDERR_FILENO);
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    snprintf(expected, sizeof expected, "cloudauthd[%d]: there\\x0a\n", (int)getpid());
    assert_string_equal(said, expected);
    expect("not there");
    expect("there\\x0a");
    close(ends[0]);
    close(ends[1]);
    close(kept);
}

/* ---- The log daemon ---- */

static unsigned next; /* number of the line that is expected */
static uint64_t lost;

static void on_line(void *arg, uint32_t events)
{
    const char *text;

    (void)arg;
    (void)events;
    assert_true(take());
    text = strstr(got, "]: ") + 3;
    if (strstr(text, "lost") == NULL) {
        assert_int_equal(strtoul(text, NULL, 10), next);
        next++;
        return;
    }
    assert_memory_equal(got, "<28>", 4);
    assert_non_null(strstr(text, " log lines were lost"));
    lost = strtoul(text, NULL, 10);
    loop_stop(loop);
}

static void write_number(unsigned number)
{
    char line[1100];

    snprintf(line, sizeof line, "%u %01000u", number, 0u);
    log_write(LOG_DAEMON | LOG_INFO, line);
}

/* The log daemon is stopped and its socket full: no call waits, what fits is kept, the rest
 * counted. */
static void test_stopped(void **state)
{
    const unsigned lines = 2 * LOG_KEPT_MAX / 1000 + 1000;

    (void)state;
    alarm(60); /* the end of a test that waits for the daemon */
    for (unsigned i = 0; i < lines; i++)
        write_number(i);
    next = 0;
    lost = 0;
    daemon_socket.ready = on_line;
    assert_true(loop_add(loop, &daemon_socket, EPOLLIN));
    assert_true(loop_run(loop));
    assert_in_range(next, LOG_KEPT_MAX / 1100, lines - 1);
    assert_int_equal(next + lost, lines);
    loop_remove(loop, &daemon_socket);
    alarm(0);
    log_write(LOG_DAEMON | LOG_INFO, "well again");
    expect("well again");
    assert_false(take());
}

/* The report is in the place of the lost lines, also if a line comes before the timer. */
static void test_loss_in_its_place(void **state)
{
    bool told = false, after = false;

    (void)state;
    alarm(60);
    for (unsigned i = 0; i < 2 * LOG_KEPT_MAX / 1000; i++)
        write_number(i);
    log_write(LOG_DAEMON | LOG_INFO, "small");
    for (unsigned i = 0; i < 10; i++)
        assert_true(take());
    log_write(LOG_DAEMON | LOG_INFO, "after");
    while (!after) {
        if (!take()) {
            log_stop(); /* which tries once more */
            continue;
        }
        assert_null(strstr(got, "small"));
        after = strstr(got, "after") != NULL;
        assert_int_equal(after, told);
        told = told || strstr(got, " log lines were lost") != NULL;
    }
    alarm(0);
    assert_false(take());
}

static void test_restarted(void **state)
{
    (void)state;
    log_write(LOG_DAEMON | LOG_INFO, "before");
    expect("before");
    close(daemon_socket.fd);
    log_write(LOG_DAEMON | LOG_INFO, "refused");
    unlink(path);
    log_write(LOG_DAEMON | LOG_INFO, "no socket");
    daemon_socket.fd = bind_daemon();
    log_write(LOG_DAEMON | LOG_INFO, "after");
    expect("refused");
    expect("no socket");
    expect("after");
    assert_false(take());
}

/* A new log daemon replaces one that is stopped but still has the old socket. */
static void test_replaced(void **state)
{
    int old = daemon_socket.fd;
    unsigned n = 0, from;

    (void)state;
    for (unsigned i = 0; i < LINES; i++)
        write_number(i);
    unlink(path);
    daemon_socket.fd = bind_daemon();
    log_stop();
    assert_true(take());
    from = (unsigned)strtoul(strstr(got, "]: ") + 3, NULL, 10);
    assert_in_range(from, 1, LINES - 1);
    /* The lines before went to the old socket. */
    for (ssize_t more = 1; more > 0; n += more > 0)
        more = recv(old, got, sizeof got, MSG_DONTWAIT);
    assert_int_equal(n, from);
    close(old);
    for (n = from + 1; n < LINES; n++) {
        while (!take())
            log_stop();
        assert_int_equal(strtoul(strstr(got, "]: ") + 3, NULL, 10), n);
    }
}

/* A line that is too large for the kernel does not block others. */
static void test_too_large(void **state)
{
    static char line[1000];

    (void)state;
    memset(line, 'a', sizeof line - 1);
    largest = 500;
    log_write(LOG_DAEMON | LOG_INFO, line);
    log_write(LOG_DAEMON | LOG_INFO, "small");
    expect("1 log lines were lost");
    expect("small");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_form),      TEST(test_escaped),
        TEST(test_levels),    TEST(test_long_line),
        TEST(test_errno),     TEST(test_stderr),
        TEST(test_stopped),   TEST(test_loss_in_its_place),
        TEST(test_restarted), TEST(test_replaced),
        TEST(test_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
