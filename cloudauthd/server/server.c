/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/server/server.h"

#include "base/fatal.h"
#include "base/log.h"
#include "base/process.h"
#include "base/table.h"
#include "cloudauthd/server/closer.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG  1024
#define SWEEP_MS 1000 /* milliseconds between searches for overdue connections */
#define ACCEPTS  64   /* the most accepts in one turn of the loop, which a flood must not stop */

/* A user, and how many connections count for the user. Freed when there are none. */
struct caller {
    struct table_node node;
    uid_t uid;
    bool trusted;
    unsigned connections;
};

struct server {
    struct context *context;
    void (*handle)(struct connection *);
    struct loop_watch watch;
    bool paused; /* no connection is accepted until the next sweep */
    struct loop_timer sweep;
    LIST_HEAD(, connection) all;
    struct connection *serving;   /* the connection that serve_new serves; NULL once it has ended */
    unsigned connections, others; /* others: those that count for untrusted users */
    struct table callers;
    struct closer *closer;
    bool told_version;
    struct server_view view;
    unsigned char packet[CLOUD_WIRE_ANSWER_MAX];
};

static bool is_caller(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct caller, node)->uid == *(const uid_t *)key;
}

static struct caller *find_caller(struct server *server, uid_t uid)
{
    struct table_node *node = table_find(
        &server->callers, table_hash(&server->callers, &uid, sizeof uid), is_caller, &uid);

    return node == NULL ? NULL : TABLE_OWNER(node, struct caller, node);
}

static bool is_trusted(const struct server *server, uid_t uid)
{
    return uid == 0 || (uid != (uid_t)-1 && uid == server->context->keys_uid);
}

/* Returns the user's record, and makes it if there is none. */
static struct caller *find_or_add_caller(struct server *server, uid_t uid)
{
    struct caller *caller = find_caller(server, uid);

    if (caller != NULL)
        return caller;
    caller = xcalloc(1, sizeof *caller);
    caller->uid = uid;
    caller->trusted = is_trusted(server, uid);
    table_insert(&server->callers, &caller->node, table_hash(&server->callers, &uid, sizeof uid));
    return caller;
}

/* Counts a connection for its user. False if the user has too many connections, or all untrusted
 * users together have. */
static bool count_caller(struct server *server, struct connection *connection)
{
    bool crowded = server->connections >= SERVER_CROWDED;
    uid_t uid = crowded ? server_user(connection) : connection->peer.uid;
    struct caller *caller;

    if (!is_trusted(server, uid) && server->others >= SERVER_OTHERS_MAX)
        return false;
    caller = find_or_add_caller(server, uid);
    if (!caller->trusted && caller->connections >= SERVER_PER_UID_MAX)
        return false;
    caller->connections++;
    server->others += caller->trusted ? 0 : 1;
    connection->caller = uid;
    return true;
}

static void uncount_caller(struct server *server, uid_t uid)
{
    struct caller *caller = find_caller(server, uid);

    if (caller == NULL)
        return;
    server->others -= caller->trusted ? 0 : 1;
    if (--caller->connections > 0)
        return;
    table_remove(&server->callers, &caller->node);
    free(caller);
}

/* Closes the socket. Root's is closed directly, because root can hold up the daemon in other ways
 * anyway; the closer closes any other. */
static void close_connection(struct server *server, int fd, uid_t uid)
{
    if (uid == 0)
        close(fd);
    else
        closer_close(server->closer, fd, uid);
}

static void connection_end(struct connection *connection)
{
    struct server *server = connection->server;

    if (server->serving == connection)
        server->serving = NULL;
    cache_forget(&connection->waiter);
    if (connection->pending != NULL)
        *connection->pending = NULL;
    if (connection->watched)
        loop_remove(server->context->loop, &connection->watch);
    close_connection(server, connection->watch.fd, connection->peer.uid);
    LIST_REMOVE(connection, among);
    uncount_caller(server, connection->caller);
    server->connections--;
    free(connection->packet);
    free(connection);
}

uid_t server_user(const struct connection *connection)
{
    uid_t uid = connection->peer.uid;

    if (uid != 0 || (process_real_uid(connection->peer.pid, &uid) && server_peer_lives(connection)))
        return uid;
    return (uid_t)-1;
}

bool server_peer_lives(const struct connection *connection)
{
    struct pollfd pollfd = {connection->watch.fd, POLLRDHUP, 0};

    return poll(&pollfd, 1, 0) == 0;
}

void server_look(const struct server *server, struct server_view *out)
{
    *out = server->view;
}

void server_count_refused(struct server *server)
{
    server->view.refused++;
}

void server_answer(struct connection *connection, struct cloud_answer *answer)
{
    struct server *server = connection->server;
    size_t n;

    answer->op = connection->question.op;
    n = cloud_wire_put_answer(answer, server->packet, sizeof server->packet);
    if (n == 0) {
        struct cloud_answer failure = {.op = answer->op, .reason = "too-large"};
        log_warning("an answer to opcode %u does not fit a packet", (unsigned)answer->op);
        n = cloud_wire_put_answer(&failure, server->packet, sizeof server->packet);
    }
    /* The send buffer of a new socket has space for one answer, so EAGAIN does not occur. A client
     * that has gone needs no answer. */
    if (send(connection->watch.fd, server->packet, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
        errno != EPIPE && errno != ECONNRESET)
        log_warning("an answer could not be sent: %s", strerror(errno));
    connection_end(connection);
}

/* Logs, once, that a peer uses another version of the packets. Only for root and cloudauth-keys
 * (the helper), because any user can send a packet of any version. */
static void tell_version(const struct connection *connection, size_t n)
{
    struct server *server = connection->server;
    unsigned version = cloud_wire_version(server->packet, n);

    if (version == 0 || version == CLOUD_WIRE_VERSION || server->told_version ||
        !connection->trusted)
        return;
    server->told_version = true;
    log_warning(
        "a question has version %u of the packets, and this daemon knows version %u alone: "
        "install all packages in one version, then restart what has loaded the other's modules",
        version, (unsigned)CLOUD_WIRE_VERSION);
}

enum reading { NOTHING_YET, NO_QUESTION, QUESTION };

static enum reading read_question(struct connection *connection)
{
    struct server *server = connection->server;
    size_t got = 0;
    enum closer_packet packet = (connection->peer.uid == 0 ? closer_take_at_once : closer_take)(
        connection->watch.fd, server->packet, CLOUD_WIRE_QUESTION_MAX, &got);

    if (packet == CLOSER_NOTHING && (errno == EAGAIN || errno == EINTR))
        return NOTHING_YET;
    if (packet != CLOSER_PLAIN || got == 0 || got > CLOUD_WIRE_QUESTION_MAX)
        return NO_QUESTION;
    connection->packet = xcalloc(1, got);
    memcpy(connection->packet, server->packet, got);
    if (cloud_wire_get_question(connection->packet, got, &connection->question))
        return QUESTION;
    tell_version(connection, got);
    return NO_QUESTION;
}

/* Reads the question, if it has come, and has it answered. Ends the connection if what has come is
 * not a valid question, or if a trusted peer has hung up, as after a time in which the daemon was
 * stopped: if it asked for a login, it has written the audit line itself. */
static void serve(struct connection *connection)
{
    enum reading reading = read_question(connection);

    if (reading == QUESTION && connection->trusted && !server_peer_lives(connection))
        reading = NO_QUESTION;
    switch (reading) {
    case QUESTION:
        connection->asked = true;
        connection->deadline = cloud_clock_ms() + SERVER_ANSWER_MS;
        connection->server->view.questions++;
        connection->server->handle(connection);
        break;
    case NOTHING_YET:
        break;
    case NO_QUESTION:
    default:
        connection_end(connection);
        break;
    }
}

static void on_connection(void *arg, uint32_t events)
{
    struct connection *connection = arg;

    /* A client that sends more after its question, or hangs up, gets no answer. */
    if (connection->asked || (events & EPOLLIN) == 0)
        connection_end(connection);
    else
        serve(connection);
}

/* Serves a new connection. Most clients have sent their question by now and are answered at once.
 * Only the sockets of the others are watched by the loop, because that costs an epoll_ctl(2). */
static void serve_new(struct connection *connection)
{
    struct server *server = connection->server;

    server->serving = connection;
    serve(connection);
    if (server->serving != connection)
        return;
    server->serving = NULL;
    connection->watched = loop_add(server->context->loop, &connection->watch, EPOLLIN | EPOLLRDHUP);
    if (!connection->watched)
        connection_end(connection);
}

/* Makes a connection, which owns the accepted socket from then on. NULL if there are too many
 * connections or the peer is not known: then the caller still owns the socket. */
static struct connection *admit(struct server *server, int fd, const struct ucred *peer)
{
    struct connection *connection;

    if (peer->uid == (uid_t)-1 || server->connections >= SERVER_CONNECTIONS_MAX ||
        closer_count(server->closer, peer->uid) >= CLOSER_PER_UID_MAX)
        return NULL;
    connection = xcalloc(1, sizeof *connection);
    connection->server = server;
    connection->context = server->context;
    connection->peer = *peer;
    connection->trusted = is_trusted(server, peer->uid);
    connection->deadline = cloud_clock_ms() + SERVER_QUIET_MS;
    connection->watch = (struct loop_watch){fd, on_connection, connection};
    if (!count_caller(server, connection)) {
        free(connection);
        return NULL;
    }
    LIST_INSERT_HEAD(&server->all, connection, among);
    server->connections++;
    return connection;
}

static void start_sweep(struct server *server)
{
    if ((server->paused || !LIST_EMPTY(&server->all)) && !server->sweep.set)
        loop_timer_set(server->context->loop, &server->sweep, SWEEP_MS);
}

static void on_sweep(void *arg)
{
    struct server *server = arg;
    int64_t now = cloud_clock_ms();

    for (struct connection *connection = LIST_FIRST(&server->all), *next; connection != NULL;
         connection = next) {
        next = LIST_NEXT(connection, among);
        if (now >= connection->deadline)
            connection_end(connection);
    }
    if (server->paused)
        server->paused = !loop_add(server->context->loop, &server->watch, EPOLLIN);
    start_sweep(server);
}

/* Whether the closer has space for the sockets of all connections and of one more. */
static bool may_accept(const struct server *server)
{
    return closer_waiting(server->closer) + server->connections < CLOSER_WAITING_MAX;
}

static int accept_connection(const struct server *server, struct ucred *peer)
{
    socklen_t length = sizeof *peer;
    int fd = accept4(server->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    *peer = (struct ucred){.uid = (uid_t)-1};
    if (fd >= 0)
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &length);
    return fd;
}

static void on_listener(void *arg, uint32_t events)
{
    struct server *server = arg;
    struct connection *connection;
    struct ucred peer;

    (void)events;
    for (int i = 0; i < ACCEPTS && may_accept(server); i++) {
        int fd = accept_connection(server, &peer);
        if (fd < 0)
            break;
        connection = admit(server, fd, &peer);
        if (connection == NULL)
            close_connection(server, fd, peer.uid);
        else
            serve_new(connection);
    }
    if (!may_accept(server)) {
        loop_remove(server->context->loop, &server->watch);
        server->paused = true;
    }
    start_sweep(server);
}

/*
 * Takes the lock that lets only one daemon run. Without it, if two daemons were started at the same
 * moment, each could take the other's socket for a stale one; and a daemon that is started while
 * another still writes its state before it ends would write the same files. The mode of the lock
 * file is 0600, so that other users cannot lock it. It is never unlocked: the process ends later
 * than the server.
 */
static void lock_socket(void)
{
    int fd = open(CLOUD_SOCKET_PATH ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        fatal("%s: %s", CLOUD_SOCKET_PATH, strerror(errno == EWOULDBLOCK ? EADDRINUSE : errno));
}

/* Whether the socket is a stale one, left by a daemon that was killed: no process listens on it. */
static bool is_stale(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                 errno == ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return stale;
}

static int listen_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLOUD_SOCKET_PATH};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (is_stale(&address))
        unlink(CLOUD_SOCKET_PATH);
    if (fd < 0 || !closer_prepare(fd) ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(CLOUD_SOCKET_PATH, 0666) != 0 || listen(fd, BACKLOG) != 0)
        fatal("%s: %s", CLOUD_SOCKET_PATH, strerror(errno));
    return fd;
}

struct server *server_new(struct context *context, void (*handle)(struct connection *))
{
    struct server *server = xcalloc(1, sizeof *server);

    table_start(&server->callers);
    server->context = context;
    server->handle = handle;
    server->sweep = (struct loop_timer){.due = on_sweep, .arg = server};
    server->closer = closer_new(context->loop);
    lock_socket();
    server->watch = (struct loop_watch){listen_socket(), on_listener, server};
    if (!loop_add(context->loop, &server->watch, EPOLLIN))
        fatal("%s: %s", CLOUD_SOCKET_PATH, strerror(errno));
    return server;
}

/* Shuts the listening socket down, so that no further connection comes, and closes it and the
 * connections in its queue, as far as the closer has space for them. */
static void close_listener(struct server *server)
{
    struct ucred peer;
    int fd;

    shutdown(server->watch.fd, SHUT_RD);
    while (may_accept(server) && (fd = accept_connection(server, &peer)) >= 0)
        close_connection(server, fd, peer.uid);
    if (may_accept(server))
        close(server->watch.fd);
}

void server_free(struct server *server)
{
    for (struct connection *each = LIST_FIRST(&server->all), *next; each != NULL; each = next) {
        next = LIST_NEXT(each, among);
        connection_end(each);
    }
    unlink(CLOUD_SOCKET_PATH);
    loop_remove(server->context->loop, &server->watch);
    loop_timer_clear(server->context->loop, &server->sweep);
    close_listener(server);
    closer_free(server->closer);
    table_end(&server->callers);
    free(server);
}
