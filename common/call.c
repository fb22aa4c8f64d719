/* SPDX-License-Identifier: Apache-2.0 */
#include "common/call.h"

#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Limits how long the next connect(2) (SO_SNDTIMEO) or recv(2) (SO_RCVTIMEO) may wait to the time
 * until the deadline. False if the deadline has passed. The kernel counts in ticks: a wait may end
 * one tick early, or last one longer. */
static bool limit_wait(int fd, int option, int64_t deadline)
{
    int64_t left = deadline - cloud_clock_ms();
    const struct timeval most = {left / 1000, left % 1000 * 1000};

    return left > 0 && setsockopt(fd, SOL_SOCKET, option, &most, sizeof most) == 0;
}

/* Connects to the daemon, and waits while its backlog is full. False if the deadline passes first,
 * or on an error that no retry mends. nss_cloud/backoff.c recognizes a hung daemon by the time that
 * this takes. */
static bool connect_before(int fd, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    _Static_assert(sizeof CLOUD_SOCKET_PATH <= sizeof address.sun_path, "socket path too long");
    memcpy(address.sun_path, CLOUD_SOCKET_PATH, sizeof CLOUD_SOCKET_PATH);
    while (limit_wait(fd, SO_SNDTIMEO, deadline)) {
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
            return true;
        if (errno != EAGAIN && errno != EINTR)
            break;
    }
    return false;
}

/* Returns the packet's length, or 0 if no packet came before the deadline or it is longer than the
 * buffer. */
static size_t receive_before(int fd, void *buffer, size_t size, int64_t deadline)
{
    while (limit_wait(fd, SO_RCVTIMEO, deadline)) {
        ssize_t got = recv(fd, buffer, size, MSG_TRUNC);
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
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return CLOUD_UNAVAILABLE;
    /* A new socket has space for a question, so that send(2) need not wait. */
    if (connect_before(fd, deadline) &&
        send(fd, buffer, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n) {
        size_t got = receive_before(fd, buffer, size, deadline);
        ok = got > 0 && cloud_wire_get_answer(buffer, got, answer) && answer->op == question->op;
    }
    close(fd);
    if (!ok)
        memset(answer, 0, sizeof *answer);
    return answer->status;
}
