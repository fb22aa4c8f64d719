/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_CLOSER_H
#define CLOUDAUTHD_SERVER_CLOSER_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads from and closes a SOCK_SEQPACKET socket that anybody may write to. Any packet can carry
 * descriptors (SCM_RIGHTS, unix(7)); not taking them gives them back, and who gives the last
 * reference back does the closing, however long that takes: with SO_LINGER until a TCP peer has
 * taken all there was. So a packet that carries any is never taken in the loop. It stays where it
 * is until a thread of its own closes the socket with all that waits in it.
 */

#define CLOSER_WAITING_MAX 1024 /* sockets; the loop closes what is beyond them itself */

struct closer;

enum closer_packet {
    CLOSER_NOTHING, /* no packet: none yet (errno EAGAIN), none any more (0), or an error */
    CLOSER_PLAIN,   /* it was taken */
    CLOSER_LADEN,   /* it carries descriptors, and was not taken */
};

/* NULL, logged, if there is no thread or memory to be had. */
struct closer *closer_new(struct loop *loop);

/* Waits for what is being closed, which it does not let wait for peers. */
void closer_free(struct closer *closer);

/* To be said of a listening socket, for those that are accepted from it. False with errno. */
bool closer_prepare(int listener);

/* Takes a packet. *length is its own, which may be more than size. Never waits. */
enum closer_packet closer_take(int fd, void *buffer, size_t size, size_t *length);

/* The same in one system call, from a peer who is trusted to send no descriptors (root, who has
 * other ways to stop us): those of a laden packet are given back here. */
enum closer_packet closer_take_at_once(int fd, void *buffer, size_t size, size_t *length);

/* Closes the socket, here if nothing in it can hold that up. */
void closer_close(struct closer *closer, int fd);

#endif
