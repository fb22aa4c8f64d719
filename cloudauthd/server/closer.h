/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_CLOSER_H
#define CLOUDAUTHD_SERVER_CLOSER_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads from and closes SOCK_SEQPACKET sockets that any user may write to. A packet can carry
 * descriptors (SCM_RIGHTS, unix(7)), and the task that drops the last reference to a descriptor
 * does its closing, however long that takes: a TCP socket with SO_LINGER blocks until its peer has
 * acknowledged all data, the last reference to a deleted file frees its blocks. So the daemon
 * accepts no such packet where the kernel can refuse it (SO_PASSRIGHTS, Linux 6.16); elsewhere it
 * never receives one, and a socket that holds one is closed by the end of a child process, because
 * an exiting task waits for no SO_LINGER and the loop does not wait for the child. Without a
 * process or memory to be had the sockets stay open until there is.
 */

#define CLOSER_WAITING_MAX 8192 /* sockets that wait for a child */
#define CLOSER_PER_UID_MAX 64   /* sockets of one user, beyond which it is to be refused */

struct closer;

enum closer_packet {
    CLOSER_NOTHING, /* no packet: errno is EAGAIN if none has come, 0 if the peer has closed the
                       connection, else the error */
    CLOSER_PLAIN,   /* it was received */
    CLOSER_LADEN,   /* it carries descriptors, and was not received */
};

/* NULL if memory is out. */
struct closer *closer_new(struct loop *loop);

/* Waits for no child. Sockets that still wait for one stay open until the process ends. */
void closer_free(struct closer *closer);

/* Prepares a listening socket; the sockets accepted from it inherit that. False with errno. */
bool closer_prepare(int listener);

/* Receives a packet. *length is the packet's, which may be more than size. Never blocks. */
enum closer_packet closer_take(int fd, void *buffer, size_t size, size_t *length);

/* The same in one system call, for a peer that is trusted to send no descriptors (root, which has
 * other ways to hold up the daemon): those of a laden packet are closed here. */
enum closer_packet closer_take_at_once(int fd, void *buffer, size_t size, size_t *length);

/* Closes the socket of a user: here if it holds no packet that could block, else in a child. At
 * most CLOSER_WAITING_MAX may wait. Never blocks. */
void closer_close(struct closer *closer, int fd, uid_t uid);

/* The sockets that wait for a child. */
size_t closer_waiting(const struct closer *closer);

/* The sockets of a user that are not closed yet: that wait for a child, or are closed by one. */
size_t closer_count(const struct closer *closer, uid_t uid);

#endif
