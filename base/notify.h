/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_NOTIFY_H
#define CLOUD_BASE_NOTIFY_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * What the service manager is told, in the protocol of sd_notify(3), without its library: one
 * datagram a message to the socket that $NOTIFY_SOCKET names. Nothing here waits: a message that
 * the manager does not take at once is lost, but for READY=1, which is sent until it is taken.
 */
struct notify {
    int fd; /* -1: nobody is to be told */
    struct sockaddr_un to;
    socklen_t to_size;
    int64_t ping_ms; /* between two WATCHDOG=1; 0: no watchdog */
    struct loop *loop;
    struct loop_timer timer;
    bool ready; /* the manager knows */
};

/* What the manager put into the environment; NULL: nothing. Strings are not kept. */
struct notify_wishes {
    const char *socket;        /* NOTIFY_SOCKET: a path, or '@' and an abstract name */
    const char *watchdog_usec; /* WATCHDOG_USEC: pings may not be further apart */
    const char *watchdog_pid;  /* WATCHDOG_PID: whose pings they are */
};

/* False, with a message in why, where the wishes cannot be read: then nobody is told. Without
 * wishes it is true, and nobody is told either. */
bool notify_open(struct notify *notify, const struct notify_wishes *wishes, char *why, size_t size);

/* The daemon can be asked from now on; and as long as the loop turns, it says so twice in the time
 * that the watchdog allows. */
void notify_ready(struct notify *notify, struct loop *loop);

/* The end is wanted. Closes. */
void notify_stop(struct notify *notify);

#endif
