/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_SERVER_H
#define CLOUDAUTHD_SERVER_SERVER_H

#include "cloudauthd/server/context.h"

#include "access/certificate.h"
#include "base/loop.h"
#include "cloudauthd/cache/cache.h"
#include "common/wire.h"

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/socket.h>

/*
 * The daemon's socket: accepts connections, reads one question from each (common/wire.h), has it
 * answered, and closes. A slow or silent client takes up a descriptor for SERVER_QUIET_MS and
 * delays no other client.
 */

#define SERVER_CONNECTIONS_MAX 4096
#define SERVER_OTHERS_MAX      3072 /* connections of all users but root and cloudauth-keys */
#define SERVER_PER_UID_MAX     256  /* connections of one user but root or cloudauth-keys */
/* Connections. From this number on, a connection of a process of root counts for the process's real
 * uid, because any user can start set-user-ID programs. */
#define SERVER_CROWDED   1024
#define SERVER_QUIET_MS  2000  /* milliseconds that a connection without a question stays open */
#define SERVER_ANSWER_MS 12000 /* milliseconds until a question is dropped; clients wait less */

struct server;

/* One connection with its question. */
struct connection {
    struct server *server;
    struct context *context;
    struct loop_watch watch;
    bool watched;      /* the loop watches the socket; not needed if the answer is given at once */
    bool trusted;      /* the peer is root or cloudauth-keys */
    struct ucred peer; /* the process that connected (SO_PEERCRED, unix(7)) */
    uid_t caller;      /* the user that the connection counts for (SERVER_PER_UID_MAX) */
    int64_t deadline;  /* cloud_clock_ms() at which the connection is closed */
    LIST_ENTRY(connection) among; /* link of the list of all connections */
    bool asked;                   /* the question has been received */
    unsigned char *packet; /* the received packet, into which the strings of `question` point */
    struct cloud_question question;
    struct cloud_name name; /* the account's name, parsed by login_check_name */
    bool looked;  /* login_check_name has read the local accounts, which need not be read again for
                     an answer at once */
    bool has_key; /* `offered` holds the key of the question (offer_check) */
    struct offered_key offered;
    const char *why; /* what is wrong with the key of the question, or NULL */
    struct cache_waiter waiter;
    /* NULL, or a pointer elsewhere to this connection, which becomes NULL when the connection
     * ends. */
    void **pending;
};

/* Binds the socket at CLOUD_SOCKET_PATH with mode 0666, in the place of a stale one. handle is
 * called for each question, and leads to one server_answer, at once or later. Ends the process if
 * it cannot bind, also because another daemon runs. */
struct server *server_new(struct context *context, void (*handle)(struct connection *));
void server_free(struct server *server);

/* Sends the answer, of which `op` is set here, then closes and frees the connection. */
void server_answer(struct connection *connection, struct cloud_answer *answer);

/* Figures since the start, for metrics. */
struct server_view {
    uint64_t questions, refused; /* refused: questions that the peer may not ask */
};
void server_look(const struct server *server, struct server_view *out);

/* Counts a question that its handler refuses because the peer may not ask it. */
void server_count_refused(struct server *server);

/* Returns the user that runs the peer. If the peer is root, that is its real uid, because a
 * set-user-ID program (su) connects as root for another user. (uid_t)-1 if the peer has ended or
 * /proc hides it. */
uid_t server_user(const struct connection *connection);

/* Whether the peer is still connected. While it is, peer.pid is the process that connected; later
 * the pid may be another process's. */
bool server_peer_lives(const struct connection *connection);

#endif
