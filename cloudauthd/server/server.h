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
#define SERVER_OTHERS_MAX      3072  /* of users other than root and cloudauth-keys */
#define SERVER_PER_UID_MAX     256   /* of one user other than root and cloudauth-keys */
#define SERVER_CROWDED         1024  /* from so many on, root's count for their real uid */
#define SERVER_QUIET_MS        2000  /* how long a connection without a question stays open */
#define SERVER_ANSWER_MS       12000 /* and one without an answer: no client waits as long */

struct server;

/* One connection with its question. */
struct connection {
    struct server *server;
    struct context *context;
    struct loop_watch watch;
    bool watched;      /* by the loop; not needed where the question is answered at once */
    bool trusted;      /* the peer is root or cloudauth-keys */
    struct ucred peer; /* the process that connected (SO_PEERCRED, unix(7)) */
    uid_t caller;      /* the user that the connection counts for */
    int64_t deadline;
    LIST_ENTRY(connection) among; /* all of the server's */
    bool asked;
    unsigned char *packet; /* the strings of question point into it */
    struct cloud_question question;
    struct cloud_name name; /* the account's, parsed (login_check_name) */
    bool looked;  /* login_check_name has read the local accounts: an answer given at once need not
                     do it again */
    bool has_key; /* offered is the question's key (offer_check) */
    struct offered_key offered;
    const char *why; /* has_key is not set, or offered has a fault: what is wrong; or NULL */
    struct cache_waiter waiter;
    void **pending; /* NULL, or set to NULL when the connection ends, for work that answers later */
};

/*
 * Binds the socket at CLOUD_SOCKET_PATH with mode 0666, in the place of a stale one. handle is
 * called for each question, and leads to one server_answer, at once or later. NULL, with the reason
 * in the log, on failure, also if another daemon runs.
 */
struct server *server_new(struct context *context, void (*handle)(struct connection *));
void server_free(struct server *server);

/* Sends the answer (its op is set here), then closes and frees the connection. */
void server_answer(struct connection *connection, struct cloud_answer *answer);

/* Questions since the start, for metrics. */
struct server_view {
    uint64_t questions, refused; /* refused: of those, the ones that the peer may not ask */
};
void server_look(const struct server *server, struct server_view *out);

/* The handler refuses a question because its peer may not ask it. */
void server_count_refused(struct server *server);

/* The user that runs the peer. If the peer is root, this is its real uid, because a set-user-ID
 * program (su) connects as root for another user. (uid_t)-1 if the peer has ended or /proc hides
 * it. */
uid_t server_user(const struct connection *connection);

/* Whether the peer is still connected. As long as it is, peer.pid is the process that connected;
 * later the pid may have been given to another process. */
bool server_peer_lives(const struct connection *connection);

#endif
