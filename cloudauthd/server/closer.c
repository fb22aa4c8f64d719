/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/server/closer.h"

#include "base/log.h"
#include "base/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAKE_NS 1000000 /* the longest that close(2) of one socket may block */
#define PACKETS 64      /* more than a socket's queue holds (net.unix.max_dgram_qlen, 10) */

struct closer {
    struct worker *worker;
};

struct closing {
    struct work work;
    int fd;
};

/* The signal only has to interrupt close(2). */
static void on_wake(int signal)
{
    (void)signal;
}

/* Sends this thread a signal every WAKE_NS: a socket may hold many that block one after another. */
static bool start_waking(timer_t *timer)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG};
    const struct itimerspec every = {{0, WAKE_NS}, {0, WAKE_NS}};
    sigset_t set;

    event._sigev_un._tid = gettid();
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0)
        return false;
    if (timer_settime(*timer, 0, &every, NULL) == 0)
        return true;
    timer_delete(*timer);
    return false;
}

static void run_closing(struct work *work)
{
    struct closing *closing = (struct closing *)work;
    timer_t timer;
    bool waking = start_waking(&timer);

    if (!waking)
        work->failed = errno;
    close(closing->fd);
    if (waking)
        timer_delete(timer);
}

static void finish_closing(struct work *work)
{
    if (work->failed != 0)
        log_error("closer: no timer: %s", strerror(work->failed));
    free(work);
}

struct closer *closer_new(struct loop *loop)
{
    struct closer *closer = calloc(1, sizeof *closer);
    struct sigaction action = {.sa_handler = on_wake}; /* without SA_RESTART */

    if (closer == NULL)
        return NULL;
    sigaction(SIGURG, &action, NULL);
    closer->worker = worker_new(loop);
    if (closer->worker != NULL)
        return closer;
    free(closer);
    return NULL;
}

void closer_free(struct closer *closer)
{
    if (closer == NULL)
        return;
    worker_free(closer->worker);
    free(closer);
}

/* With SO_PASSCRED every packet has its sender's credentials, which tells an empty packet from the
 * end of the connection. */
bool closer_prepare(int listener)
{
    const int on = 1;

    return setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
}

static enum closer_packet receive(int fd, int flags, void *buffer, size_t size, size_t *length)
{
    /* Space for the credentials alone: descriptors do not fit, and MSG_CTRUNC tells of them. */
    union {
        struct cmsghdr header;
        unsigned char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = {buffer, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    ssize_t got = recvmsg(fd, &message, flags | MSG_TRUNC | MSG_DONTWAIT);

    if (got < 0)
        return CLOSER_NOTHING;
    if ((message.msg_flags & MSG_CTRUNC) != 0)
        return CLOSER_LADEN;
    errno = 0;
    if (message.msg_controllen == 0)
        return CLOSER_NOTHING;
    *length = (size_t)got;
    return CLOSER_PLAIN;
}

enum closer_packet closer_take(int fd, void *buffer, size_t size, size_t *length)
{
    enum closer_packet packet = receive(fd, MSG_PEEK, buffer, size, length);

    /* It is the packet just seen: no other thread reads here. */
    if (packet == CLOSER_PLAIN && recv(fd, NULL, 0, MSG_DONTWAIT) < 0)
        return CLOSER_NOTHING;
    return packet;
}

enum closer_packet closer_take_at_once(int fd, void *buffer, size_t size, size_t *length)
{
    return receive(fd, 0, buffer, size, length);
}

/* Receives the packets without descriptors. Whether none is left. */
static bool drain(int fd)
{
    enum closer_packet packet = CLOSER_PLAIN;
    size_t length;

    /* First, so that no packet arrives afterwards. */
    if (shutdown(fd, SHUT_RD) != 0)
        return false;
    for (int i = 0; i < PACKETS && packet == CLOSER_PLAIN; i++)
        packet = closer_take(fd, NULL, 0, &length);
    return packet == CLOSER_NOTHING && errno == 0;
}

void closer_close(struct closer *closer, int fd)
{
    struct closing *closing;

    if (drain(fd) || worker_pending(closer->worker) >= CLOSER_WAITING_MAX ||
        (closing = calloc(1, sizeof *closing)) == NULL) {
        close(fd);
        return;
    }
    closing->work = (struct work){.run = run_closing, .finish = finish_closing};
    closing->fd = fd;
    worker_add(closer->worker, &closing->work);
}
