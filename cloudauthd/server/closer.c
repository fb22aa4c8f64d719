/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/server/closer.h"

#include "base/fatal.h"
#include "base/log.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* since Linux 6.16 */
#endif

#define PACKETS  64 /* the most packets of one socket that drain receives */
#define TICK_MS  10
#define CHILDREN 16
#define STACK    16384

/* A child process, and the users whose sockets it closes. */
struct child {
    pid_t pid; /* 0: this slot has no child */
    size_t n;
    uid_t uid[CLOSER_WAITING_MAX];
    _Alignas(16) unsigned char stack[STACK];
};

struct closer {
    struct loop *loop;
    struct loop_timer tick; /* set while a socket waits or a child lives */
    pid_t pid;              /* process id of the daemon */
    size_t n;
    struct {
        int fd;
        uid_t uid;
    } waiting[CLOSER_WAITING_MAX];
    struct child child[CHILDREN];
};

/* The child process. It shares the daemon's memory, so it calls only functions that leave memory
 * unchanged. It sleeps until the daemon kills it. */
static int run_child(void *arg)
{
    const struct closer *closer = arg;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != closer->pid)
        return 1; /* the daemon has died already */
    for (;;)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

/* Starts a child that has a copy of every descriptor (no CLONE_FILES), closes the waiting sockets
 * in the daemon, and kills the child. So the last reference to a socket is dropped by the end of
 * the child, not by a close(2) here. False if no child can be started. */
static bool start_child(struct closer *closer, struct child *child)
{
    pid_t pid = clone(run_child, child->stack + STACK, CLONE_VM, closer);

    if (pid < 0)
        return false;
    for (size_t i = 0; i < closer->n; i++) {
        close(closer->waiting[i].fd);
        child->uid[i] = closer->waiting[i].uid;
    }
    kill(pid, SIGKILL);
    child->pid = pid;
    child->n = closer->n;
    closer->n = 0;
    return true;
}

/* Reaps the child if it has ended, which has closed its sockets. Returns whether it has ended. */
static bool reap(const struct child *child)
{
    return waitpid(child->pid, NULL, WNOHANG | __WALL) != 0;
}

static void on_tick(void *arg)
{
    struct closer *closer = arg;
    bool lives = false;

    for (struct child *child = closer->child; child < closer->child + CHILDREN; child++) {
        if (child->pid != 0 && reap(child))
            child->pid = 0;
        if (child->pid == 0 && closer->n > 0 && !start_child(closer, child))
            break;
        lives = lives || child->pid != 0;
    }
    if (lives || closer->n > 0)
        loop_timer_set(closer->loop, &closer->tick, TICK_MS);
}

struct closer *closer_new(struct loop *loop)
{
    struct closer *closer = xcalloc(1, sizeof *closer);

    closer->loop = loop;
    closer->tick = (struct loop_timer){.due = on_tick, .arg = closer};
    closer->pid = getpid();
    return closer;
}

void closer_free(struct closer *closer)
{
    loop_timer_clear(closer->loop, &closer->tick);
    for (size_t i = 0; i < CHILDREN; i++)
        if (closer->child[i].pid != 0 && !reap(&closer->child[i]))
            return;
    free(closer);
}

/* With SO_PASSCRED every packet comes with the credentials of its sender, which tells an empty
 * packet from the end of the connection. */
bool closer_prepare(int listener)
{
    const int on = 1, off = 0;

    return (setsockopt(listener, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) == 0 ||
            errno == ENOPROTOOPT) &&
           setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
}

static enum closer_packet receive(int fd, int flags, void *buffer, size_t size, size_t *length)
{
    /* There is space only for the credentials, so descriptors are not received, and MSG_CTRUNC says
     * that some came. */
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

    /* Removes the packet that MSG_PEEK has left in the queue. It is the same packet, because no
     * other thread reads from this socket. */
    if (packet == CLOSER_PLAIN && recv(fd, NULL, 0, MSG_DONTWAIT) < 0)
        return CLOSER_NOTHING;
    return packet;
}

enum closer_packet closer_take_at_once(int fd, void *buffer, size_t size, size_t *length)
{
    return receive(fd, 0, buffer, size, length);
}

/* Shuts the socket down for reading, and receives its packets up to one that carries descriptors.
 * Returns whether no packet is left. */
static bool drain(int fd)
{
    enum closer_packet packet = CLOSER_PLAIN;
    size_t length;

    /* The shutdown comes first, so that no packet arrives later. */
    if (shutdown(fd, SHUT_RD) != 0)
        return false;
    for (int i = 0; i < PACKETS && packet == CLOSER_PLAIN; i++)
        packet = closer_take(fd, NULL, 0, &length);
    return packet == CLOSER_NOTHING && errno == 0;
}

void closer_close(struct closer *closer, int fd, uid_t uid)
{
    if (drain(fd)) {
        close(fd);
        return;
    }
    if (closer->n == CLOSER_WAITING_MAX) {
        log_error("closer: a socket of uid %u stays open", (unsigned)uid);
        return;
    }
    closer->waiting[closer->n].fd = fd;
    closer->waiting[closer->n++].uid = uid;
    if (!closer->tick.set)
        loop_timer_set(closer->loop, &closer->tick, TICK_MS);
}

size_t closer_waiting(const struct closer *closer)
{
    return closer->n;
}

size_t closer_count(const struct closer *closer, uid_t uid)
{
    size_t count = 0;

    if (!closer->tick.set)
        return 0;
    for (size_t i = 0; i < closer->n; i++)
        count += closer->waiting[i].uid == uid;
    for (const struct child *child = closer->child; child < closer->child + CHILDREN; child++)
        for (size_t i = 0; child->pid != 0 && i < child->n; i++)
            count += child->uid[i] == uid;
    return count;
}
