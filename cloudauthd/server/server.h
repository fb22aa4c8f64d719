/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_SERVER_H
#define CLOUDAUTHD_SERVER_SERVER_H

#include "cloudauthd/server/context.h"

#include "base/loop.h"
#include "cloudauthd/cache/cache.h"
#include "common/wire.h"

#include <stdbool.h>
#include <sys/socket.h>

/*
 * The socket's side: accepts connections, reads one question each, answers it, closes. A slow or
 * silent client costs a descriptor for SERVER_QUIET_MS and nobody else anything.
 */

#define SERVER_CONNECTIONS_MAX 4096
#define SERVER_OTHERS_MAX      3072 /* of them for others than root and cloudauth-keys */
#define SERVER_PER_UID_MAX     256  /* of one user other than root and cloudauth-keys */
#define SERVER_QUIET_MS        2000 /* a client that asks nothing */
#define SERVER_ANSWER_MS       12000 /* a question that is not answered: longer than any client waits */

struct server;

/* One connection with its question. */
struct connection {
    struct server *server;
    struct context *context;
    struct loop_watch watch;
    bool watched;      /* by the loop: not one that is answered as soon as it is accepted */
    bool trusted;      /* root or cloudauth-keys asks */
    struct ucred peer; /* of the process that connected: the kernel's word (SO_PEERCRED) */
    int64_t deadline;
    struct connection *before, *after;
    bool asked;
    unsigned char *packet; /* what question's strings point into */
    struct cloud_question question;
    struct cloud_name name; /* what the account's name means, once looked at */
    bool looked;            /* so that it is known whether the host has such a user itself */
    struct cache_waiter waiter;
    void **pending; /* work that will answer later: it is told, by a NULL there, when we are gone */
};

/*
 * Binds the socket at CLOUD_SOCKET_PATH, replacing a stale one, mode 0666. NULL with the reason
 * logged. handle is called for each question; it leads to one server_answer, at once or later.
 */
struct server *server_new(struct context *context, void (*handle)(struct connection *));
void server_free(struct server *server);

/* Sends the answer (its op is set here) and ends the connection, which is then gone. */
void server_answer(struct connection *connection, struct cloud_answer *answer);

/* Whether the peer is still there: if so its pid was its own since it connected. */
bool server_peer_lives(const struct connection *connection);

#endif
