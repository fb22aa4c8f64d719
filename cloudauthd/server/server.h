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
 * answered, and closes the connection. A client that is slow or silent occupies a descriptor for
 * little more than SERVER_QUIET_MS, and delays no other client.
 */

#define SERVER_CONNECTIONS_MAX 4096
#define SERVER_OTHERS_MAX      3072 /* connections of all users other than root and cloudauth-keys */
#define SERVER_PER_UID_MAX     256  /* connections of one such user */
/* From this number of connections on, a connection from a process of root counts for the real uid
 * of the process, because any user can start set-user-ID programs. */
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
    uid_t caller;      /* the user for whom the connection counts (SERVER_PER_UID_MAX) */
    int64_t deadline;  /* cloud_clock_ms() at which the connection is closed */
    LIST_ENTRY(connection) among; /* in the server's list of all connections */
    bool asked;                   /* the question has been received */
    unsigned char *packet; /* the received packet, into which the strings of `question` point */
    struct cloud_question question;
    struct cloud_name name; /* the account's login name, parsed (login_check_name, refresh_check) */
    bool looked;  /* login_check_name has just read the local accounts: an answer that is given at
                     once need not read them again */
    bool has_key; /* `offered` is the key of the question (login_parse_key) */
    struct offered_key offered;
    const char *why; /* what is wrong with the key of the question, or NULL */
    struct cache_waiter waiter;
    /* NULL, or the address of another module's pointer to this connection. That pointer becomes
     * NULL when the connection ends. */
    void **pending;
};

/* Binds the socket at CLOUD_SOCKET_PATH with mode 0666, and replaces a stale one. handle is called
 * for each question, and must lead to exactly one server_answer, at once or later. Ends the process
 * if the socket cannot be bound, also if another daemon runs. */
struct server *server_new(struct context *context, void (*handle)(struct connection *));
void server_free(struct server *server);

/* Sends the answer, whose `op` is set here; then closes and frees the connection. */
void server_answer(struct connection *connection, struct cloud_answer *answer);

/* Figures since the start, for metrics. */
struct server_view {
    uint64_t questions, refused; /* refused: because the peer may not ask them */
};
void server_look(const struct server *server, struct server_view *out);

/* Counts a question that is refused because the peer may not ask it. */
void server_count_refused(struct server *server);

/* Returns the uid of the user who runs the peer. If the peer is root, that is its real uid, because
 * a set-user-ID program such as su connects as root for another user. (uid_t)-1 if the peer has
 * ended or /proc hides it. */
uid_t server_user(const struct connection *connection);

/* Whether the peer is still connected. If so, peer.pid is the pid of the process that connected; if
 * not, another process may have that pid by now. */
bool server_peer_lives(const struct connection *connection);

#endif
