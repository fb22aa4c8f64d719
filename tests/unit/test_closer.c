/* SPDX-License-Identifier: Apache-2.0 */

/* What a peer may have put into a socket, and that its closing waits for nobody. */
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

static int setup(void **state)
{
    int pair[2];

    (void)state;
    loop = loop_new();
    closer = closer_new(loop);
    if (closer == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 ||
        !closer_prepare(pair[0]))
        return -1;
    ours = pair[0];
    theirs = pair[1];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
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
    closer_close(closer, ours);
}

/* They are not given back before the socket is closed, nor do they come here. */
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
    closer_close(closer, ours);
    closer_free(closer); /* waits for it */
    closer = NULL;
    assert_false(is_open(pipe_));
    assert_false(is_open(other));
    close(pipe_);
    close(other);
}

/* Nobody can put one in behind what was looked through. */
static void test_shut(void **state)
{
    (void)state;
    send_text("");
    send_text("hello");
    closer_close(closer, ours);
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

/* The loop goes on, and the thread does not wait either: the test would take ten minutes. */
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
    closer_close(closer, ours);
    closer_free(closer);
    alarm(0);
    closer = NULL;
    for (int i = 0; i < 3; i++) {
        close(listener[i]);
        close(peer[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_packets),
        TEST(test_laden),
        TEST(test_shut),
        TEST(test_lingering),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
