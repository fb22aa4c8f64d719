/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_NOTIFY_H
#define CLOUD_BASE_NOTIFY_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Notifies the service manager by the protocol of sd_notify(3), without libsystemd: each message is
 * a datagram to the socket $NOTIFY_SOCKET. No function blocks: a message that the socket does not
 * take at once is dropped, except READY=1, which is sent again until it is taken. */
struct notify {
    int fd; /* -1: there is no manager to notify */
    struct sockaddr_un to;
    socklen_t to_size;
    int64_t ping_ms; /* milliseconds between two WATCHDOG=1; 0: no watchdog */
    struct loop *loop;
    struct loop_timer timer;
    bool ready; /* the socket has taken READY=1 */
};

/* Opens the socket that the environment variable NOTIFY_SOCKET names, and reads WATCHDOG_USEC and
 * WATCHDOG_PID; if NOTIFY_SOCKET is not set, opens none and returns true. False, with a message in
 * `why`, if a variable has no valid value or the socket cannot be opened. Without a socket the
 * functions below do nothing. */
bool notify_open(struct notify *notify, char *why, size_t size);

/* Sends EXTEND_TIMEOUT_USEC=: the manager's start timeout then expires 90 seconds from now at the
 * earliest. */
void notify_extend(const struct notify *notify);

/* Sends READY=1, again and again until the socket takes it. Afterwards, as long as the loop runs,
 * sends WATCHDOG=1 twice in each period of the watchdog. */
void notify_ready(struct notify *notify, struct loop *loop);

/* Sends STOPPING=1 and closes the socket. */
void notify_stop(struct notify *notify);

#endif
