/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_CLOSER_H
#define CLOUDAUTHD_SERVER_CLOSER_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads from and closes SOCK_SEQPACKET sockets that any user may write to. A packet can carry
 * descriptors (SCM_RIGHTS, unix(7)), and the process that drops the last reference to a descriptor
 * does its closing, however long that takes: a TCP socket with SO_LINGER blocks until its peer has
 * acknowledged all data. So the loop's thread never receives a packet with descriptors. Such a
 * packet stays in the socket until the closer's own thread closes the socket with all it holds.
 */

#define CLOSER_WAITING_MAX 1024 /* sockets; the loop's thread closes those beyond that itself */

struct closer;

enum closer_packet {
    CLOSER_NOTHING, /* no packet: errno is EAGAIN if none has come, 0 at the end, or an error */
    CLOSER_PLAIN,   /* it was received */
    CLOSER_LADEN,   /* it carries descriptors, and was not received */
};

/* NULL, logged, if there is no thread or no memory for it. */
struct closer *closer_new(struct loop *loop);

/* Returns when all sockets are closed, which no peer can delay: a close(2) that blocks is
 * interrupted. */
void closer_free(struct closer *closer);

/* Prepares a listening socket; the sockets accepted from it inherit that. False with errno. */
bool closer_prepare(int listener);

/* Receives a packet. *length is the packet's, which may be more than size. Never blocks. */
enum closer_packet closer_take(int fd, void *buffer, size_t size, size_t *length);

/* The same in one system call, for a peer that is trusted to send no descriptors (root, which has
 * other ways to hold up the daemon): those of a laden packet are closed here. */
enum closer_packet closer_take_at_once(int fd, void *buffer, size_t size, size_t *length);

/* Closes the socket: here if it holds no packet that could block, else in the thread. */
void closer_close(struct closer *closer, int fd);

#endif
