/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/listener.h"

#include "base/log.h"
#include "base/loop.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/metrics/exposition.h"
#include "cloudauthd/metrics/http.h"
#include "cloudauthd/metrics/metrics.h"
#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADERS_MAX    512
#define SWEEP_MS       500
#define DRAIN_MAX      65536 /* bytes from a client, in all */
#define SLICE          1024  /* documents that are looked at in one turn of the loop */
#define SURVEY_MS      5000  /* how long a survey of more than a slice serves */
#define CREDENTIALS_MS 5000
#define ACCEPTS        4 /* in one turn */

enum state { READING, WAITING, SENDING, DRAINING };

enum { SOCKET, PORT, LISTENERS };

struct scrape {
    struct loop_watch watch;
    struct metrics *metrics;
    struct scrape **place; /* of its listener's */
    int64_t deadline;
    enum state state;
    bool head;
    size_t used;
    char request[HTTP_HEAD_MAX];
    char *answer;
    size_t length, sent;
};

struct listener {
    struct loop_watch watch; /* fd -1: none */
    struct metrics *metrics;
    struct scrape *place[METRICS_PLACES]; /* or NULL: free */
};

/* Documents are looked at slice by slice: there may be 200,000. */
struct survey {
    struct loop_timer timer;
    struct health_documents counted;
    size_t bucket, seen;
    bool running, small;
    int64_t at; /* cloud_clock_ms() when it was done; 0: never */
};

struct metrics {
    struct context *context;
    struct listener listener[LISTENERS];
    char path[CLOUD_SOCKET_SIZE]; /* as they are listened on */
    uint32_t port;
    bool ipv6;
    struct loop_timer sweep;
    struct survey survey;
    struct metrics_seen seen;
    int64_t credentials_at;
    char text[METRICS_TEXT_MAX];
};

/* ---- Connections ---- */

static void scrape_end(struct scrape *scrape)
{
    loop_remove(scrape->metrics->context->loop, &scrape->watch);
    close(scrape->watch.fd);
    *scrape->place = NULL;
    free(scrape->answer);
    free(scrape);
}

/* What the client still says is thrown away: a close over unread bytes would reset a TCP
 * connection, and the end of the answer could be lost with it. */
static void drain(struct scrape *scrape)
{
    char bytes[4096];
    ssize_t got = recv(scrape->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT);

    scrape->used += got > 0 ? (size_t)got : 0;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) || scrape->used > DRAIN_MAX)
        scrape_end(scrape);
}

static void send_answer(struct scrape *scrape)
{
    struct loop *loop = scrape->metrics->context->loop;
    ssize_t n = send(scrape->watch.fd, scrape->answer + scrape->sent, scrape->length - scrape->sent,
                     MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        scrape_end(scrape);
        return;
    }
    scrape->sent += n < 0 ? 0 : (size_t)n;
    if (scrape->sent == scrape->length) {
        scrape->state = DRAINING;
        if (shutdown(scrape->watch.fd, SHUT_WR) != 0 || !loop_change(loop, &scrape->watch, EPOLLIN))
            scrape_end(scrape);
    } else if (!loop_change(loop, &scrape->watch, EPOLLOUT)) {
        scrape_end(scrape);
    }
}

/* Body: borrowed; a HEAD is told only how long it would be. */
static void answer(struct scrape *scrape, unsigned status, const char *type, const char *body,
                   size_t n)
{
    size_t copied = scrape->head ? 0 : n;
    int length;

    scrape->answer = malloc(HEADERS_MAX + copied);
    if (scrape->answer == NULL) {
        scrape_end(scrape);
        return;
    }
    length =
        snprintf(scrape->answer, HEADERS_MAX,
                 "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                 "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                 "Connection: close\r\n\r\n",
                 status, http_phrase(status), type, n, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    memcpy(scrape->answer + length, body, copied);
    scrape->length = (size_t)length + copied;
    scrape->state = SENDING;
    send_answer(scrape);
}

static void answer_status(struct scrape *scrape, unsigned status)
{
    char body[64];
    int n = snprintf(body, sizeof body, "%u %s\n", status, http_phrase(status));

    answer(scrape, status, "text/plain; charset=utf-8", body, (size_t)n);
}

/* ---- The figures ---- */

static size_t write_text(struct metrics *metrics)
{
    struct cloud_text text;
    int64_t now = cloud_clock_ms();

    if (metrics->credentials_at == 0 || now - metrics->credentials_at >= CREDENTIALS_MS) {
        health_credentials(metrics->context, &metrics->seen.credentials);
        metrics->credentials_at = now;
    }
    cloud_text_start(&text, metrics->text, sizeof metrics->text);
    return metrics_write(metrics->context, &metrics->seen, &text) ? text.used : 0;
}

static void answer_waiting(struct metrics *metrics)
{
    size_t n = write_text(metrics);

    for (int i = 0; i < LISTENERS * METRICS_PLACES; i++) {
        struct scrape *scrape = metrics->listener[i / METRICS_PLACES].place[i % METRICS_PLACES];
        if (scrape == NULL || scrape->state != WAITING)
            continue;
        if (n == 0)
            answer_status(scrape, 503);
        else
            answer(scrape, 200, EXPOSITION_TYPE, metrics->text, n);
    }
}

static void see(void *arg, const struct cache_view *view)
{
    struct survey *survey = arg;

    health_count(&survey->counted, view);
    survey->seen++;
}

static bool slice_full(void *arg)
{
    const struct survey *survey = arg;

    return survey->seen >= SLICE;
}

static void on_slice(void *arg)
{
    struct metrics *metrics = arg;
    struct survey *survey = &metrics->survey;

    survey->seen = 0;
    survey->bucket = cache_walk(metrics->context->cache, survey->bucket, see, slice_full, survey);
    if (survey->bucket != 0) {
        survey->small = false;
        /* Where there is no place for a timer, the deadline ends who waits. */
        survey->running = loop_timer_set(metrics->context->loop, &survey->timer, 0);
        return;
    }
    survey->running = false;
    metrics->seen.documents = survey->counted;
    survey->at = cloud_clock_ms();
    answer_waiting(metrics);
}

/* All who wait are answered when the survey is done: often before this returns. */
static void start_survey(struct metrics *metrics)
{
    struct survey *survey = &metrics->survey;

    if (survey->running)
        return;
    if (survey->at != 0 && !survey->small && cloud_clock_ms() - survey->at < SURVEY_MS) {
        answer_waiting(metrics);
        return;
    }
    survey->counted = (struct health_documents){0};
    survey->bucket = 0;
    survey->running = survey->small = true;
    on_slice(metrics);
}

/* ---- Reading ---- */

static void read_request(struct scrape *scrape)
{
    struct metrics *metrics = scrape->metrics;
    ssize_t got = recv(scrape->watch.fd, scrape->request + scrape->used,
                       sizeof scrape->request - scrape->used, MSG_DONTWAIT);
    unsigned status;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        scrape_end(scrape);
        return;
    }
    scrape->used += (size_t)got;
    status = http_judge(scrape->request, scrape->used, METRICS_PATH, &scrape->head);
    if (status == 0)
        return;
    if (status != 200) {
        answer_status(scrape, status);
        return;
    }
    metrics->seen.scrapes++;
    scrape->state = WAITING;
    /* Until there is an answer nothing of the client matters but that it goes. */
    if (!loop_change(metrics->context->loop, &scrape->watch, EPOLLRDHUP))
        scrape_end(scrape);
    else
        start_survey(metrics);
}

static void on_scrape(void *arg, uint32_t events)
{
    struct scrape *scrape = arg;

    (void)events;
    switch (scrape->state) {
    case READING:
        read_request(scrape);
        break;
    case SENDING:
        send_answer(scrape);
        break;
    case DRAINING:
        drain(scrape);
        break;
    case WAITING:
    default:
        scrape_end(scrape);
    }
}

/* ---- Listening ---- */

static void on_sweep(void *arg)
{
    struct metrics *metrics = arg;
    int64_t now = cloud_clock_ms();
    bool left = false;

    for (int i = 0; i < LISTENERS * METRICS_PLACES; i++) {
        struct scrape *scrape = metrics->listener[i / METRICS_PLACES].place[i % METRICS_PLACES];
        if (scrape != NULL && now >= scrape->deadline)
            scrape_end(scrape);
        else if (scrape != NULL)
            left = true;
    }
    if (left)
        loop_timer_set(metrics->context->loop, &metrics->sweep, SWEEP_MS);
}

/* One that is free, or that of the oldest. */
static struct scrape **find_place(struct listener *listener)
{
    struct scrape **place = &listener->place[0];

    for (int i = 0; i < METRICS_PLACES; i++) {
        if (listener->place[i] == NULL)
            return &listener->place[i];
        if (listener->place[i]->deadline < (*place)->deadline)
            place = &listener->place[i];
    }
    scrape_end(*place);
    return place;
}

static bool admit(struct listener *listener, int fd)
{
    struct metrics *metrics = listener->metrics;
    struct scrape **place = find_place(listener);
    struct scrape *scrape = calloc(1, sizeof *scrape);

    if (scrape == NULL)
        return false;
    scrape->metrics = metrics;
    scrape->deadline = cloud_clock_ms() + METRICS_DEADLINE_MS;
    scrape->watch = (struct loop_watch){fd, on_scrape, scrape};
    if (!loop_add(metrics->context->loop, &scrape->watch, EPOLLIN)) {
        free(scrape);
        return false;
    }
    scrape->place = place;
    *place = scrape;
    return true;
}

static void on_listener(void *arg, uint32_t events)
{
    struct listener *listener = arg;
    struct metrics *metrics = listener->metrics;

    (void)events;
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(listener->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            break;
        if (!admit(listener, fd))
            close(fd);
    }
    if (!metrics->sweep.set)
        loop_timer_set(metrics->context->loop, &metrics->sweep, SWEEP_MS);
}

/* Binds, and for a path sets its mode; -1 with errno. */
static int listen_on(const struct sockaddr *address, socklen_t size, const char *path)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address, size) == 0 && (path == NULL || chmod(path, 0660) == 0) &&
        listen(fd, METRICS_PLACES) == 0)
        return fd;
    on = errno;
    close(fd);
    errno = on;
    return -1;
}

/* A socket that nobody listens on is what a killed daemon left behind. Nothing else is removed. */
static void remove_stale(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED) {
        struct stat st;
        if (lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
            unlink(address->sun_path);
    }
    if (fd >= 0)
        close(fd);
}

static void open_listener(struct metrics *metrics, int which, int fd, const char *what)
{
    struct listener *listener = &metrics->listener[which];

    if (fd < 0) {
        log_error("metrics: %s: %s: not there", what, strerror(errno));
        return;
    }
    listener->watch = (struct loop_watch){fd, on_listener, listener};
    if (loop_add(metrics->context->loop, &listener->watch, EPOLLIN))
        return;
    log_error("metrics: %s: %s", what, strerror(errno));
    close(fd);
    listener->watch.fd = -1;
}

static void open_socket(struct metrics *metrics)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (metrics->path[0] == '\0')
        return;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", metrics->path);
    remove_stale(&address);
    open_listener(metrics, SOCKET,
                  listen_on((const struct sockaddr *)&address, sizeof address, address.sun_path),
                  metrics->path);
}

static void open_port(struct metrics *metrics)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)metrics->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 address6 = {.sin6_family = AF_INET6,
                                    .sin6_port = htons((uint16_t)metrics->port),
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    char what[32];

    if (metrics->port == 0)
        return;
    snprintf(what, sizeof what, metrics->ipv6 ? "[::1]:%u" : "127.0.0.1:%u", metrics->port);
    open_listener(metrics, PORT,
                  metrics->ipv6
                      ? listen_on((const struct sockaddr *)&address6, sizeof address6, NULL)
                      : listen_on((const struct sockaddr *)&address, sizeof address, NULL),
                  what);
}

static void close_listener(struct metrics *metrics, int which)
{
    struct listener *listener = &metrics->listener[which];

    for (int i = 0; i < METRICS_PLACES; i++)
        if (listener->place[i] != NULL)
            scrape_end(listener->place[i]);
    if (listener->watch.fd < 0)
        return;
    loop_remove(metrics->context->loop, &listener->watch);
    close(listener->watch.fd);
    listener->watch.fd = -1;
    if (which == SOCKET)
        unlink(metrics->path);
}

void metrics_configure(struct metrics *metrics)
{
    const struct cloud_conf *conf = &metrics->context->conf;

    metrics->credentials_at = 0;
    if (strcmp(metrics->path, conf->metrics_socket) != 0)
        close_listener(metrics, SOCKET);
    if (metrics->port != conf->metrics_port || metrics->ipv6 != conf->metrics_ipv6)
        close_listener(metrics, PORT);
    memcpy(metrics->path, conf->metrics_socket, sizeof metrics->path);
    metrics->port = conf->metrics_port;
    metrics->ipv6 = conf->metrics_ipv6;
    if (metrics->listener[SOCKET].watch.fd < 0)
        open_socket(metrics);
    if (metrics->listener[PORT].watch.fd < 0)
        open_port(metrics);
}

struct metrics *metrics_new(struct context *context)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics == NULL)
        return NULL;
    metrics->context = context;
    metrics->sweep = (struct loop_timer){.due = on_sweep, .arg = metrics};
    metrics->survey.timer = (struct loop_timer){.due = on_slice, .arg = metrics};
    for (int i = 0; i < LISTENERS; i++) {
        metrics->listener[i].watch.fd = -1;
        metrics->listener[i].metrics = metrics;
    }
    metrics_configure(metrics);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    close_listener(metrics, SOCKET);
    close_listener(metrics, PORT);
    loop_timer_clear(metrics->context->loop, &metrics->sweep);
    loop_timer_clear(metrics->context->loop, &metrics->survey.timer);
    free(metrics);
}
