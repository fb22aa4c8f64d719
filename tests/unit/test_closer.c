/* SPDX-License-Identifier: Apache-2.0 */

/* Descriptors that a peer puts into a socket, and that their closing delays no one but a child. */
#include "cloudauthd/server/closer.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct closer *closer;
static int ours, theirs;
static bool no_process;

int __real_clone(int (*run)(void *), void *stack, int flags, void *arg);
int __wrap_clone(int (*run)(void *), void *stack, int flags, void *arg);

int __wrap_clone(int (*run)(void *), void *stack, int flags, void *arg)
{
    errno = EAGAIN;
    return no_process ? -1 : __real_clone(run, stack, flags, arg);
}

/* A kernel before 6.16 has no SO_PASSRIGHTS: then every packet can carry descriptors. */
static bool set_rights(int on)
{
    return setsockopt(ours, SOL_SOCKET, 83, &on, sizeof on) == 0 || errno == ENOPROTOOPT;
}

static int setup(void **state)
{
    int pair[2];

    (void)state;
    no_process = false;
    loop = loop_new();
    closer = closer_new(loop);
    if (closer == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    ours = pair[0];
    theirs = pair[1];
    return closer_prepare(ours) && set_rights(1) ? 0 : -1;
}

/* The loop ends when nothing is left to be closed, or when the turns have passed. */
static struct loop_timer turn;
static int turns;

static void on_turn(void *arg)
{
    (void)arg;
    if (closer_count(closer, 1000) + closer_count(closer, 1001) == 0 || --turns == 0)
        loop_stop(loop);
    else
        loop_timer_set(loop, &turn, 1);
}

static void run_loop(int most)
{
    turn = (struct loop_timer){.due = on_turn};
    turns = most;
    loop_timer_set(loop, &turn, 0);
    assert_true(loop_run(loop));
}

static void close_all(void)
{
    run_loop(60000);
    assert_int_equal(closer_count(closer, 1000) + closer_count(closer, 1001), 0);
}

static int teardown(void **state)
{
    (void)state;
    close_all();
    closer_free(closer);
    loop_free(loop);
    close(theirs);
    return 0;
}

static void send_text(const char *text)
{
    assert_int_equal(send(theirs, text, strlen(text), 0), strlen(text));
}

static void send_descriptor(const char *text, int fd)
{
    union {
        struct cmsghdr header;
        unsigned char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};

    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    assert_int_equal(sendmsg(theirs, &message, 0), strlen(text));
}

/* A pipe's writing end, of which the other side of a socket has the only reference. */
static int send_pipe(const char *text)
{
    int pipe_[2];

    assert_int_equal(pipe2(pipe_, O_CLOEXEC | O_NONBLOCK), 0);
    send_descriptor(text, pipe_[1]);
    close(pipe_[1]);
    return pipe_[0];
}

static bool is_open(int pipe_)
{
    char byte;

    return read(pipe_, &byte, 1) < 0;
}

static void test_packets(void **state)
{
    char buffer[8];
    size_t length = 0;

    (void)state;
    assert_int_equal(closer_take(ours, buffer, sizeof buffer, &length), CLOSER_NOTHING);
    assert_int_equal(errno, EAGAIN);
    send_text("");
    send_text("hello");
    send_text("longer than it may be");
    assert_int_equal(closer_take(ours, buffer, sizeof buffer, &length), CLOSER_PLAIN);
    assert_int_equal(length, 0);
    assert_int_equal(closer_take(ours, buffer, sizeof buffer, &length), CLOSER_PLAIN);
    assert_int_equal(length, 5);
    assert_memory_equal(buffer, "hello", 5);
    assert_int_equal(closer_take(ours, buffer, sizeof buffer, &length), CLOSER_PLAIN);
    assert_int_equal(length, 21);
    shutdown(theirs, SHUT_WR);
    assert_int_equal(closer_take(ours, buffer, sizeof buffer, &length), CLOSER_NOTHING);
    assert_int_equal(errno, 0);
    closer_close(closer, ours, 1000);
}

/* They are not released before the socket is closed, nor do they enter this process. */
static void test_laden(void **state)
{
    char buffer[8];
    size_t length;
    int pipe_ = send_pipe("hello"), other = send_pipe(""), next = dup(0);

    (void)state;
    close(next);
    assert_int_equal(closer_take(ours, buffer, sizeof buffer, &length), CLOSER_LADEN);
    assert_int_equal(closer_take(ours, buffer, sizeof buffer, &length), CLOSER_LADEN);
    assert_int_equal(dup(0), next);
    close(next);
    assert_true(is_open(pipe_));
    closer_close(closer, ours, 1000);
    close_all();
    assert_int_equal(dup(0), ours); /* nor does the socket stay open here */
    close(ours);
    assert_false(is_open(pipe_));
    assert_false(is_open(other));
    close(pipe_);
    close(other);
}

/* A packet with descriptors is refused to its sender, by a kernel that can refuse it. */
static void test_refused(void **state)
{
    union {
        struct cmsghdr header;
        unsigned char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct iovec part = {(void *)(uintptr_t) "hello", 5};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    const int off = 0;

    (void)state;
    if (setsockopt(ours, SOL_SOCKET, 83, &off, sizeof off) != 0)
        skip();
    assert_true(set_rights(1) && closer_prepare(ours));
    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof off), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    assert_int_equal(sendmsg(theirs, &message, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, EPERM);
    closer_close(closer, ours, 1000);
}

/* No packet can follow those that were examined. */
static void test_shut(void **state)
{
    (void)state;
    send_text("");
    send_text("hello");
    closer_close(closer, ours, 1000);
    assert_int_equal(send(theirs, "", 0, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(fcntl(ours, F_GETFD), -1); /* it was closed here */
}

/* A TCP connection that waits when it is closed, up to ten minutes for a peer who takes nothing. */
static int make_lingering(int *listener, int *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct linger linger = {1, 600};
    socklen_t size = sizeof address;
    static const char bytes[65536];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(*listener, 1), 0);
    assert_int_equal(getsockname(*listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    *peer = accept4(*listener, NULL, NULL, SOCK_CLOEXEC);
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    return fd;
}

/* Neither the loop nor the child waits: this would take ten minutes for each of the three. Until
 * the child has closed them, they count for the user that sent them. */
static void test_lingering(void **state)
{
    int listener[3], peer[3];

    (void)state;
    send_text("hello");
    for (int i = 0; i < 3; i++) {
        int fd = make_lingering(&listener[i], &peer[i]);
        send_descriptor("", fd);
        close(fd);
    }
    alarm(60);
    closer_close(closer, ours, 1000);
    assert_int_equal(closer_count(closer, 1000), 1);
    assert_int_equal(closer_count(closer, 1001), 0);
    assert_int_equal(closer_waiting(closer), 1);
    close_all();
    alarm(0);
    for (int i = 0; i < 3; i++) {
        close(listener[i]);
        close(peer[i]);
    }
}

/* Without a process to be had, and at the end of the daemon, the socket stays open. */
static void test_no_process(void **state)
{
    int pipe_ = send_pipe("hello");

    (void)state;
    no_process = true;
    closer_close(closer, ours, 1000);
    run_loop(50);
    assert_int_equal(closer_count(closer, 1000), 1);
    assert_true(is_open(pipe_));
    closer_free(closer);
    assert_true(is_open(pipe_));
    close(ours); /* as the end of the process does */
    assert_false(is_open(pipe_));
    close(pipe_);
    closer = closer_new(loop);
}

/* Many sockets of two users: each child takes all that wait. */
static void test_many(void **state)
{
    int pair[2], pipes[200];
    const int on = 1;

    (void)state;
    closer_close(closer, ours, 1000);
    close(theirs);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
        theirs = pair[1];
        pipes[i] = send_pipe("hello");
        closer_close(closer, pair[0], i < 150 ? 1000 : 1001);
        close(theirs);
    }
    theirs = -1;
    assert_int_equal(closer_count(closer, 1000), 150);
    assert_int_equal(closer_count(closer, 1001), 50);
    close_all();
    for (int i = 0; i < 200; i++) {
        assert_false(is_open(pipes[i]));
        close(pipes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_packets),   TEST(test_laden),      TEST(test_refused), TEST(test_shut),
        TEST(test_lingering), TEST(test_no_process), TEST(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
