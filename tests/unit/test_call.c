/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cloud_call against a daemon that misbehaves. The test plays the daemon in the same thread, after
 * connect(2) and after send(2), which the linker wraps (WRAP in tests/tests.mk).
 */
#include "common/call.h"

#include "common/clock.h"
#include "common/wire.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SHORT_MS 150   /* a call that is to run into its deadline */
#define LONG_MS  60000 /* one that is not */

/* What the daemon does. */
static enum play {
    ANSWERS,          /* reads the question and sends the packet */
    CLOSES_AT_ONCE,   /* before the question */
    CLOSES_UNREAD,    /* after the question was sent, without reading it */
    CLOSES_WITHOUT,   /* after it has read the question */
    SILENT,           /* keeps the connection */
    NOT_EVEN_ACCEPTED /* leaves it in the backlog */
} play;

static int listener = -1, accepted = -1;
static char packet[CLOUD_WIRE_ANSWER_MAX + 4096]; /* what is sent */
static size_t packet_size;
static atomic_uint connects;
static atomic_bool connecting; /* a connect(2) is under way */
static unsigned sends;
static bool may_signal;  /* a packet was sent that could have raised SIGPIPE */
static bool question_ok; /* what arrived is the question that was asked */

/* The clock stands still until connect(2) was called so often, however long that takes. */
static unsigned clock_needs;

int64_t cloud_clock_ms(void)
{
    static _Atomic int64_t stood;
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    if (connects >= clock_needs)
        stood = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    return stood;
}

static void stop_clock(unsigned needs)
{
    (void)cloud_clock_ms();
    clock_needs = needs;
}

int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t __real_send(int fd, const void *packet, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *packet, size_t n, int flags);

static void hang_up(void)
{
    if (accepted >= 0)
        close(accepted);
    accepted = -1;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int connected;

    connecting = true;
    connected = __real_connect(fd, address, size);
    connecting = false;
    connects++;
    if (connected == 0 && listener >= 0 && play != NOT_EVEN_ACCEPTED) {
        accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (play == CLOSES_AT_ONCE)
            hang_up();
    }
    return connected;
}

static void read_question(void)
{
    static char got[CLOUD_WIRE_QUESTION_MAX];
    struct cloud_question question;
    ssize_t n = recv(accepted, got, sizeof got, 0);

    question_ok = n > 0 && cloud_wire_get_question(got, (size_t)n, &question) &&
                  question.op == CLOUD_OP_PASSWD_BY_NAME &&
                  strcmp(question.account, "abcdefghij") == 0;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags)
{
    ssize_t sent = __real_send(fd, bytes, n, flags);

    sends++;
    may_signal = may_signal || (flags & MSG_NOSIGNAL) == 0;
    if (sent < 0 || accepted < 0)
        return sent;
    if (play == ANSWERS || play == CLOSES_WITHOUT)
        read_question();
    if (play == ANSWERS)
        (void)!write(accepted, packet, packet_size);
    if (play == ANSWERS || play == CLOSES_WITHOUT || play == CLOSES_UNREAD)
        hang_up();
    return sent;
}

/* ---- the client ---- */

static char buffer[CLOUD_WIRE_ANSWER_MAX];
static struct cloud_answer answer;
static const struct cloud_question question = {.op = CLOUD_OP_PASSWD_BY_NAME,
                                               .account = "abcdefghij"};

static const struct cloud_answer good = {.op = CLOUD_OP_PASSWD_BY_NAME,
                                         .status = CLOUD_OK,
                                         .account = "abcdefghij",
                                         .id = 200001,
                                         .gid = 200002,
                                         .gecos = "",
                                         .home = "/app",
                                         .shell = "/bin/bash"};

static enum cloud_status call(size_t size, int timeout_ms)
{
    memset(&answer, 0xa5, sizeof answer);
    return cloud_call(&question, &answer, buffer, size, timeout_ms);
}

/* No answer: every member is zero, also `reason`, which the daemon's own "unavailable" has. */
static void assert_none(enum cloud_status status)
{
    static const struct cloud_answer zero;

    assert_int_equal(status, CLOUD_UNAVAILABLE);
    assert_memory_equal(&answer, &zero, sizeof zero);
}

/* The call fails before its deadline. */
static void assert_none_at_once(size_t size)
{
    int64_t start = cloud_clock_ms();

    assert_none(call(size, LONG_MS));
    assert_true(cloud_clock_ms() - start < LONG_MS / 2);
}

static void assert_none_at_deadline(void)
{
    int64_t start = cloud_clock_ms();

    assert_none(call(sizeof buffer, SHORT_MS));
    assert_true(cloud_clock_ms() - start >=
                SHORT_MS); /* by which nss_cloud/backoff.c knows a wait */
    assert_true(cloud_clock_ms() - start < LONG_MS);
}

static void will_answer(const struct cloud_answer *what)
{
    packet_size = cloud_wire_put_answer(what, packet, sizeof packet);
    assert_true(packet_size > 0);
    play = ANSWERS;
}

static void will_send(const void *bytes, size_t n)
{
    assert_true(n <= sizeof packet);
    memcpy(packet, bytes, n);
    packet_size = n;
    play = ANSWERS;
}

/* ---- set-up ---- */

static int listen_at(int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLOUD_SOCKET_PATH};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, backlog) == 0)
        return fd;
    close(fd);
    return -1;
}

static unsigned fds_before;

static int setup(void **state)
{
    (void)state;
    connects = sends = clock_needs = 0;
    question_ok = may_signal = false;
    play = SILENT;
    fds_before = open_descriptors();
    listener = listen_at(8);
    return fds_before == 0 || listener < 0;
}

/* No case leaves a descriptor open. */
static int teardown(void **state)
{
    (void)state;
    hang_up();
    if (listener >= 0)
        close(listener);
    listener = -1;
    unlink(CLOUD_SOCKET_PATH);
    return open_descriptors() != fds_before;
}

/* ---- the tests ---- */

static void test_answer(void **state)
{
    (void)state;
    will_answer(&good);
    assert_int_equal(call(sizeof buffer, LONG_MS), CLOUD_OK);
    assert_true(question_ok);
    assert_string_equal(answer.account, "abcdefghij");
    assert_int_equal(answer.id, 200001);
    assert_int_equal(answer.gid, 200002);
    assert_string_equal(answer.home, "/app");
    assert_string_equal(answer.shell, "/bin/bash");
    assert_true(answer.home > buffer && answer.home < buffer + sizeof buffer);
    assert_int_equal(sends, 1);
}

static void test_every_status(void **state)
{
    static const enum cloud_status statuses[] = {CLOUD_ABSENT, CLOUD_REFUSED, CLOUD_UNAVAILABLE};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct cloud_answer other = {.op = CLOUD_OP_PASSWD_BY_NAME,
                                     .status = statuses[i],
                                     .reason = "outage",
                                     .message = "try again"};
        will_answer(&other);
        assert_int_equal(call(sizeof buffer, LONG_MS), statuses[i]);
        assert_string_equal(answer.reason, "outage"); /* the daemon's reason */
    }
}

static void test_no_socket(void **state)
{
    (void)state;
    assert_int_equal(unlink(CLOUD_SOCKET_PATH), 0);
    assert_none_at_once(sizeof buffer);
    assert_int_equal(sends, 0);
}

static void test_dead_socket(void **state)
{
    (void)state;
    close(listener);
    listener = -1;
    assert_none_at_once(sizeof buffer);
    assert_int_equal(atomic_load(&connects), 1);
}

static void test_not_a_socket(void **state)
{
    (void)state;
    assert_int_equal(unlink(CLOUD_SOCKET_PATH), 0);
    close(open(CLOUD_SOCKET_PATH, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    assert_none_at_once(sizeof buffer);
}

static void test_socket_of_another_type(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLOUD_SOCKET_PATH};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(unlink(CLOUD_SOCKET_PATH), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_none_at_once(sizeof buffer);
    close(fd);
}

static void test_silent(void **state)
{
    (void)state;
    play = SILENT;
    assert_none_at_deadline();
    assert_int_equal(sends, 1);
}

static void test_not_accepted(void **state)
{
    (void)state;
    play = NOT_EVEN_ACCEPTED;
    assert_none_at_deadline();
}

static void test_no_time(void **state)
{
    (void)state;
    play = SILENT;
    assert_none(call(sizeof buffer, 0));
    hang_up();
    assert_none(call(sizeof buffer, -1000));
}

/* Not every kernel raises SIGPIPE for such a socket, so the flag is checked, too. */
static volatile sig_atomic_t pipe_signals;

static void on_pipe(int signal_number)
{
    (void)signal_number;
    pipe_signals++;
}

static void test_closes(void **state)
{
    static const enum play ways[] = {CLOSES_AT_ONCE, CLOSES_UNREAD, CLOSES_WITHOUT};
    struct sigaction action = {.sa_handler = on_pipe}, before;

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, &action, &before), 0);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        play = ways[i];
        assert_none_at_once(sizeof buffer);
    }
    assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
    assert_int_equal(pipe_signals, 0);
    assert_false(may_signal);
    assert_int_equal(sends, 3); /* nothing is tried twice */
}

static void test_garbage(void **state)
{
    static const char garbage[] = "HTTP/1.1 200 OK\r\n\r\n";
    static const char zeros[64];

    (void)state;
    will_send(garbage, sizeof garbage);
    assert_none_at_once(sizeof buffer);
    will_send(zeros, sizeof zeros);
    assert_none_at_once(sizeof buffer);
    will_send("", 0);
    assert_none_at_once(sizeof buffer);
    will_send("C", 1);
    assert_none_at_once(sizeof buffer);
}

/* The question sent back, which the buffer contains already, is no answer either. */
static void test_echo(void **state)
{
    (void)state;
    packet_size = cloud_wire_put_question(&question, packet, sizeof packet);
    play = ANSWERS;
    assert_int_equal(call(sizeof buffer, LONG_MS), CLOUD_UNAVAILABLE);
    assert_true(question_ok);
    assert_null(answer.home);
    assert_int_equal(answer.id, 0);
}

static void test_cut_and_longer(void **state)
{
    size_t whole;

    (void)state;
    will_answer(&good);
    whole = packet_size;
    for (packet_size = 0; packet_size < whole; packet_size++)
        assert_none_at_once(sizeof buffer);
    packet[whole] = 0;
    packet_size = whole + 1;
    assert_none_at_once(sizeof buffer);
    packet_size = whole;
    assert_int_equal(call(sizeof buffer, LONG_MS), CLOUD_OK);
}

static void test_another_opcode(void **state)
{
    struct cloud_answer other = good;

    (void)state;
    other.op = CLOUD_OP_PASSWD_BY_ID;
    will_answer(&other);
    assert_none_at_once(sizeof buffer);
    other = (struct cloud_answer){.op = CLOUD_OP_PAM_ACCOUNT,
                                  .status = CLOUD_OK,
                                  .reason = "granted",
                                  .message = "",
                                  .home = "",
                                  .mounts = ""};
    will_answer(&other);
    assert_none_at_once(sizeof buffer);
    other = (struct cloud_answer){
        .op = CLOUD_OP_KEYS, .status = CLOUD_ABSENT, .reason = "key-unknown", .message = ""};
    will_answer(&other);
    assert_none_at_once(sizeof buffer);
}

/* A buffer of the answer's size is enough; with a byte less there is no answer, not part of one. */
static void test_too_long_an_answer(void **state)
{
    (void)state;
    will_answer(&good);
    assert_int_equal(call(packet_size, LONG_MS), CLOUD_OK);
    assert_none_at_once(packet_size - 1);
    packet_size++; /* the part that fits is a valid answer, but not the one that was sent */
    assert_none_at_once(packet_size - 1);
    packet_size = sizeof packet;
    assert_none_at_once(sizeof buffer);
}

static void test_question_does_not_fit(void **state)
{
    (void)state;
    will_answer(&good);
    assert_none_at_once(0);
    assert_none_at_once(8);
    assert_int_equal(atomic_load(&connects), 0);
}

static void test_question_is_incomplete(void **state)
{
    struct cloud_question bad = {.op = CLOUD_OP_PASSWD_BY_NAME};

    (void)state;
    assert_none(cloud_call(&bad, &answer, buffer, sizeof buffer, LONG_MS));
    bad.op = CLOUD_OP_END;
    assert_none(cloud_call(&bad, &answer, buffer, sizeof buffer, LONG_MS));
    assert_int_equal(atomic_load(&connects), 0);
}

/* ---- a full backlog ---- */

#define CROWD_MOST 64
static int crowd[CROWD_MOST];
static size_t crowd_size;

static void fill_backlog(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLOUD_SOCKET_PATH};
    int connected = 0;

    play = NOT_EVEN_ACCEPTED;
    for (crowd_size = 0; connected == 0; crowd_size++) {
        assert_true(crowd_size < CROWD_MOST);
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fd >= 0);
        crowd[crowd_size] = fd;
        connected = __real_connect(fd, (const struct sockaddr *)&address, sizeof address);
    }
    assert_int_equal(errno, EAGAIN);
}

static void leave_backlog(void)
{
    while (crowd_size > 0)
        close(crowd[--crowd_size]);
}

static void test_full_backlog(void **state)
{
    (void)state;
    fill_backlog();
    stop_clock(2);
    assert_none_at_deadline();
    assert_true(connects > 1);
    assert_int_equal(sends, 0);
    leave_backlog();
}

/* Whether the main thread sleeps in connect(2). */
static bool waits_to_connect(void)
{
    char stat[512] = "";
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    const char *state;

    assert_true(fd >= 0 && read(fd, stat, sizeof stat - 1) > 0);
    close(fd);
    state = strrchr(stat, ')');
    return atomic_load(&connecting) && state != NULL && state[2] == 'S';
}

/* Empties the backlog while a connect(2) waits, and answers the first with a question. */
static void *serve_late(void *arg)
{
    char got[512];
    int64_t bound = cloud_clock_ms() + LONG_MS;
    ssize_t n = 0;

    (void)arg;
    while (!waits_to_connect() && cloud_clock_ms() < bound)
        poll(NULL, 0, 1);
    while (n <= 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        n = recv(fd, got, sizeof got, 0);
        if (n > 0)
            (void)!write(fd, packet, packet_size);
        close(fd);
    }
    return NULL;
}

static void test_backlog_that_empties(void **state)
{
    pthread_t thread;

    (void)state;
    fill_backlog();
    will_answer(&good);
    play = NOT_EVEN_ACCEPTED; /* by the thread only */
    for (size_t i = 0; i < crowd_size; i++)
        shutdown(crowd[i], SHUT_RDWR); /* so that none of them blocks the thread */
    assert_int_equal(pthread_create(&thread, NULL, serve_late, NULL), 0);
    assert_int_equal(call(sizeof buffer, LONG_MS), CLOUD_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&connects), 1);
    leave_backlog();
}

/* ---- signals of the host process ---- */

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    alarms++;
}

/* Signals interrupt the wait, and make it neither shorter nor longer. */
static void test_signals(void **state)
{
    const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_alarm}, before;

    (void)state;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    play = SILENT;
    assert_none_at_deadline();
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_true(alarms > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answer),
        TEST(test_every_status),
        TEST(test_no_socket),
        TEST(test_dead_socket),
        TEST(test_not_a_socket),
        TEST(test_socket_of_another_type),
        TEST(test_silent),
        TEST(test_not_accepted),
        TEST(test_no_time),
        TEST(test_closes),
        TEST(test_garbage),
        TEST(test_echo),
        TEST(test_cut_and_longer),
        TEST(test_another_opcode),
        TEST(test_too_long_an_answer),
        TEST(test_question_does_not_fit),
        TEST(test_question_is_incomplete),
        TEST(test_full_backlog),
        TEST(test_backlog_that_empties),
        TEST(test_signals),
    };

    return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
