/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_SERVER_SERVER_H
#define CLOUDAUTHD_SERVER_SERVER_H

#include "cloudauthd/server/context.h"

#include "access/keys.h"
#include "access/policy.h"
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
    bool has_key;           /* the question has a key, which is this one (offer_start) */
    struct key key;         /* borrows from packet */
    struct cache_waiter waiter;
    void **pending; /* work that will answer later: it is told, by a NULL there, when we are gone */
};

/* Who may ask a question, by the uid of the peer. */
enum who {
    ANYONE,
    KEYS_USER, /* root and cloudauth-keys */
    ROOT,
};

/* The result of a handler's first look at a question. */
enum step {
    ANSWERED,       /* it has been answered, or will be without the dispatcher */
    NEEDS_DOCUMENT, /* the answer depends on the document of connection->name */
};

/* How the questions of one opcode are answered; each of the functions leads to one server_answer,
 * unless start returns NEEDS_DOCUMENT. answer and refuse may be NULL if it never does. */
struct request {
    enum who who;
    enum cache_need need;
    enum step (*start)(struct connection *);
    /* With a document that this host may use and that is for this host. */
    void (*answer)(struct connection *, const struct cache_answer *);
    /* Without such a document. */
    void (*refuse)(struct connection *, enum policy_reason, const struct cache_answer *);
};

/*
 * Binds the socket at CLOUD_SOCKET_PATH, replacing a stale one, mode 0666. NULL with the reason
 * logged. handle is called for each question; it leads to one server_answer, at once or later.
 */
struct server *server_new(struct context *context, void (*handle)(struct connection *));
void server_free(struct server *server);

/* Sends the answer (its op is set here) and ends the connection, which is then gone. */
void server_answer(struct connection *connection, struct cloud_answer *answer);

/* Questions since the start, for metrics. */
struct server_view {
    uint64_t questions, refused; /* refused: of those, the ones that the peer may not ask */
};
void server_look(const struct server *server, struct server_view *out);

/* The handler refuses a question because its peer may not ask it. */
void server_count_refused(struct server *server);

/* Whether the peer is still there: if so its pid was its own since it connected. */
bool server_peer_lives(const struct connection *connection);

#endif
