/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_CLOSER_H
#define CLOUDAUTHD_SERVER_CLOSER_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads from and closes SOCK_SEQPACKET sockets to which any user may write.
 *
 * A packet can carry descriptors (SCM_RIGHTS, unix(7)). The task that drops the last reference to a
 * descriptor waits until it is closed, which can take long: a TCP socket with SO_LINGER blocks
 * until its peer has acknowledged all data, and the last reference to a deleted file frees its
 * blocks. So a user could make the daemon wait. Where the kernel can refuse such packets
 * (SO_PASSRIGHTS, Linux 6.16) the daemon has it refuse them. Elsewhere the daemon never receives
 * one, and has a socket that holds one closed by the end of a child process: a process that exits
 * does not wait for SO_LINGER, and the daemon does not wait for the child. If no process or memory
 * is to be had, the sockets stay open until it is.
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

/* NULL if out of memory. */
struct closer *closer_new(struct loop *loop);

/* Does not wait for children. Sockets that wait for a child stay open until the process ends. */
void closer_free(struct closer *closer);

/* Prepares a listening socket, and with it the sockets that are accepted from it. False with
 * errno. */
bool closer_prepare(int listener);

/* Receives a packet. *length is the packet's, which may be more than size. Never blocks. */
enum closer_packet closer_take(int fd, void *buffer, size_t size, size_t *length);

/* Receives a packet in one system call, from root, which is trusted not to send descriptors (root
 * can hold up the daemon in other ways). Descriptors that come all the same are closed here. */
enum closer_packet closer_take_at_once(int fd, void *buffer, size_t size, size_t *length);

/* Closes the socket of a user: at once, or in a child if it holds a packet that could block. Never
 * blocks. At most CLOSER_WAITING_MAX sockets may wait for a child. */
void closer_close(struct closer *closer, int fd, uid_t uid);

/* The number of sockets that wait for a child. */
size_t closer_waiting(const struct closer *closer);

/* The number of sockets of a user that wait for a child or are being closed by one. */
size_t closer_count(const struct closer *closer, uid_t uid);

#endif
