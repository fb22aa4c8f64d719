/* SPDX-License-Identifier: Apache-2.0 */
#include "common/call.h"

#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_MS 5 /* milliseconds between attempts to connect while the backlog is full */

/* Waits until poll(2) reports the event. False if the deadline passes first or poll(2) fails. */
static bool wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd pollfd = {fd, events, 0};

    for (;;) {
        int64_t left = deadline - cloud_clock_ms();
        if (left <= 0)
            return false;
        int ready = poll(&pollfd, 1, (int)left);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

/*
 * Connects to the daemon. False if the deadline passes first, or on an error that no retry mends. A
 * non-blocking connect(2) to a Unix socket never returns EINPROGRESS: while the backlog is full it
 * fails with EAGAIN. poll(2) cannot wait for space in the backlog, so this function tries again
 * every RETRY_MS. nss_cloud/backoff.c recognizes a hung daemon by the time that this takes.
 */
static bool connect_before(int fd, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    _Static_assert(sizeof CLOUD_SOCKET_PATH <= sizeof address.sun_path, "socket path too long");
    memcpy(address.sun_path, CLOUD_SOCKET_PATH, sizeof CLOUD_SOCKET_PATH);
    for (;;) {
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
            return true;
        if (errno != EAGAIN && errno != EINTR)
            return false;
        int64_t left = deadline - cloud_clock_ms();
        if (left <= 0)
            return false;
        poll(NULL, 0, left < RETRY_MS ? (int)left : RETRY_MS);
    }
}

static bool send_before(int fd, const void *packet, size_t n, int64_t deadline)
{
    for (;;) {
        ssize_t sent = send(fd, packet, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            return (size_t)sent == n;
        if (errno == EAGAIN) {
            if (!wait_for(fd, POLLOUT, deadline))
                return false;
        } else if (errno != EINTR) {
            return false;
        }
    }
}

/* Returns the packet's length, or 0 if no packet came before the deadline or it is longer than the
 * buffer. */
static size_t receive_before(int fd, void *buffer, size_t size, int64_t deadline)
{
    while (wait_for(fd, POLLIN, deadline)) {
        ssize_t got = recv(fd, buffer, size, MSG_DONTWAIT | MSG_TRUNC);
        if (got >= 0)
            return (size_t)got > size ? 0 : (size_t)got;
        if (errno != EAGAIN && errno != EINTR)
            break;
    }
    return 0;
}

enum cloud_status cloud_call(const struct cloud_question *question, struct cloud_answer *answer,
                             void *buffer, size_t size, int timeout_ms)
{
    int64_t deadline = cloud_clock_ms() + timeout_ms;
    /* Question and answer share the buffer: the question is sent before the answer comes. */
    size_t n = cloud_wire_put_question(question, buffer, size);
    bool ok = false;
    int fd;

    memset(answer, 0, sizeof *answer);
    if (n == 0)
        return CLOUD_UNAVAILABLE;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return CLOUD_UNAVAILABLE;
    if (connect_before(fd, deadline) && send_before(fd, buffer, n, deadline)) {
        size_t got = receive_before(fd, buffer, size, deadline);
        ok = got > 0 && cloud_wire_get_answer(buffer, got, answer) && answer->op == question->op;
    }
    close(fd);
    if (!ok)
        memset(answer, 0, sizeof *answer);
    return answer->status;
}
