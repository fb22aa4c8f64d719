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
 * A packet can carry descriptors (SCM_RIGHTS, unix(7)). The task that drops the last reference to
 * an open file waits until the file is closed, which can take long: a TCP socket with SO_LINGER
 * blocks until its peer has acknowledged all data, and the blocks of a deleted file are freed. So a
 * user could make the daemon wait. Where the kernel can refuse such packets (SO_PASSRIGHTS, Linux
 * 6.16), the daemon has it refuse them. On older kernels the daemon never receives such a packet,
 * and a socket that holds one is closed by the end of a child process: a process that exits does
 * not wait for SO_LINGER, and the daemon does not wait for the child. If no child can be started,
 * the sockets stay open until one can.
 */

#define CLOSER_WAITING_MAX 8192 /* the most sockets that wait for a child */
/* The most sockets of one user that wait for a child or are being closed by one. A user who has
 * reached this number gets no further connection. */
#define CLOSER_PER_UID_MAX 64

struct closer;

enum closer_packet {
    CLOSER_NOTHING, /* no packet; errno is EAGAIN if none has come yet, 0 if the peer has closed the
                       connection, or the error */
    CLOSER_PLAIN,   /* a packet was received */
    CLOSER_LADEN,   /* the packet carries descriptors, which were not received */
};

struct closer *closer_new(struct loop *loop);

/* Frees the closer. Does not free its memory if a child is alive, which shares that memory. Does
 * not wait for children. Sockets that wait for a child stay open until the daemon ends. */
void closer_free(struct closer *closer);

/* Sets the options of a listening socket. The sockets that are accepted from it inherit them. False
 * with errno. */
bool closer_prepare(int listener);

/* Receives a packet. Sets *length to the packet's length in bytes; if that is more than size, the
 * rest of the packet is lost. Never blocks. */
enum closer_packet closer_take(int fd, void *buffer, size_t size, size_t *length);

/* Receives a packet as closer_take does, but in one system call. Only for a peer that is root,
 * which is trusted not to send descriptors, because root can hold up the daemon in other ways.
 * Descriptors that come all the same are closed within the call, which may block. */
enum closer_packet closer_take_at_once(int fd, void *buffer, size_t size, size_t *length);

/* Closes the socket of a user: at once or, if it holds a packet that could block, by a child. Never
 * blocks. If CLOSER_WAITING_MAX sockets wait for a child already, the socket stays open, with a
 * line in the log. */
void closer_close(struct closer *closer, int fd, uid_t uid);

/* The number of sockets that wait for a child. */
size_t closer_waiting(const struct closer *closer);

/* The number of sockets of a user that wait for a child or are being closed by one. */
size_t closer_count(const struct closer *closer, uid_t uid);

#endif
