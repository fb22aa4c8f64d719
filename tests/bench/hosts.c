/* SPDX-License-Identifier: Apache-2.0 */

/*
 * hosts N URL TOKEN CA WAIT: N hosts that wait at a change feed (docs/api.md), each with a
 * connection of its own by libcurl, as cloudauthd does: the same headers, the next request 200 ms
 * after the one before at the earliest, and after a failure at a random moment of 25 seconds, then
 * every 25 seconds. The first requests are spread over a minute. Ends by a signal.
 *
 * Prints a line for each event, each some tenths of a second late: MILLISECONDS (realtime) HOST
 * WHAT, where WHAT is `send`, `whole`, `changed`, `same` (304) or `failed`.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>

#define PAUSE_MS  200
#define RETRY_MS  25000
#define START_MS  60000
#define SLACK_MS  2000
#define TICK_MS   5
#define NOT_WAITS INT64_MAX

struct host {
    CURLM *multi; /* one for each: so none looks for its connection among those of the others */
    CURL *easy;
    struct curl_slist *headers;
    int64_t curl_due, send_due, sent;
    bool failing;
    char etag[256], body[256];
    size_t body_size;
};

static struct {
    const char *url, *token, *ca;
    long wait;
    int epoll;
    struct host *host;
    size_t count;
} all;

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void event(const struct host *host, const char *what)
{
    printf("%lld %zu %s\n", (long long)now_ms(CLOCK_REALTIME), (size_t)(host - all.host), what);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct host *host = arg;
    size_t room = sizeof host->body - 1 - host->body_size;
    size_t part = count < room ? count : room;

    memcpy(host->body + host->body_size, data, part);
    host->body_size += part;
    return size * count;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct host *host = arg;

    if (count > 6 && strncasecmp(data, "etag: ", 6) == 0) {
        size_t length = strcspn(data, "\r\n");

        if (length - 6 < sizeof host->etag) {
            memcpy(host->etag, data + 6, length - 6);
            host->etag[length - 6] = '\0';
        }
    }
    return size * count;
}

static int on_timer(CURLM *multi, long timeout, void *arg)
{
    struct host *host = arg;

    (void)multi;
    host->curl_due = timeout < 0 ? NOT_WAITS : now_ms(CLOCK_MONOTONIC) + timeout;
    return 0;
}

/* libcurl may close a socket before it says so; then there is nothing to remove. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct host *host = arg;
    struct epoll_event wanted = {.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) |
                                           (what & CURL_POLL_OUT ? EPOLLOUT : 0U),
                                 .data.u64 = (uint64_t)(host - all.host) << 32 | (uint32_t)fd};

    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE)
        epoll_ctl(all.epoll, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(all.epoll, EPOLL_CTL_MOD, fd, &wanted) != 0)
        epoll_ctl(all.epoll, EPOLL_CTL_ADD, fd, &wanted);
    return 0;
}

static void set_headers(struct host *host)
{
    char line[512];

    curl_slist_free_all(host->headers);
    snprintf(line, sizeof line, "Authorization: Bearer %s", all.token);
    host->headers = curl_slist_append(NULL, line);
    snprintf(line, sizeof line, "Prefer: wait=%ld", all.wait);
    host->headers = curl_slist_append(host->headers, line);
    host->headers = curl_slist_append(host->headers, "Cache-Control: no-cache");
    if (host->etag[0] != '\0') {
        snprintf(line, sizeof line, "If-None-Match: %s", host->etag);
        host->headers = curl_slist_append(host->headers, line);
    }
    curl_easy_setopt(host->easy, CURLOPT_HTTPHEADER, host->headers);
}

static void send_request(struct host *host)
{
    host->send_due = NOT_WAITS;
    host->sent = now_ms(CLOCK_MONOTONIC);
    host->body_size = 0;
    set_headers(host);
    event(host, "send");
    curl_multi_add_handle(host->multi, host->easy);
}

static void finish(struct host *host, CURLcode result)
{
    long status = 0;
    int64_t now = now_ms(CLOCK_MONOTONIC);

    curl_easy_getinfo(host->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(host->multi, host->easy);
    host->body[host->body_size] = '\0';
    if (result == CURLE_OK && (status == 200 || status == 304)) {
        event(host, status == 304                                  ? "same"
                    : strstr(host->body, "\"whole\":true") != NULL ? "whole"
                                                                   : "changed");
        host->send_due = host->sent + PAUSE_MS > now ? host->sent + PAUSE_MS : now;
        host->failing = false;
    } else {
        event(host, "failed");
        host->send_due = now + (host->failing ? RETRY_MS : rand() % RETRY_MS);
        host->failing = true;
    }
}

static void act(struct host *host, curl_socket_t fd, int what)
{
    int running, left;
    const CURLMsg *message;

    curl_multi_socket_action(host->multi, fd, what, &running);
    while ((message = curl_multi_info_read(host->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            finish(host, message->data.result);
}

static void set_up(struct host *host)
{
    int64_t now = now_ms(CLOCK_MONOTONIC);

    host->multi = curl_multi_init();
    host->easy = curl_easy_init();
    if (host->multi == NULL || host->easy == NULL)
        abort();
    host->curl_due = NOT_WAITS;
    host->send_due = now + rand() % START_MS;
    curl_multi_setopt(host->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(host->multi, CURLMOPT_SOCKETDATA, host);
    curl_multi_setopt(host->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(host->multi, CURLMOPT_TIMERDATA, host);
    curl_easy_setopt(host->easy, CURLOPT_URL, all.url);
    curl_easy_setopt(host->easy, CURLOPT_CAINFO, all.ca);
    curl_easy_setopt(host->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(host->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(host->easy, CURLOPT_CONNECTTIMEOUT_MS, 2000L);
    curl_easy_setopt(host->easy, CURLOPT_TIMEOUT_MS, all.wait * 1000 + SLACK_MS);
    curl_easy_setopt(host->easy, CURLOPT_BUFFERSIZE, 1024L);
    curl_easy_setopt(host->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(host->easy, CURLOPT_WRITEDATA, host);
    curl_easy_setopt(host->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(host->easy, CURLOPT_HEADERDATA, host);
}

static void run_due(int64_t now)
{
    for (size_t i = 0; i < all.count; i++) {
        struct host *host = &all.host[i];

        if (host->send_due <= now)
            send_request(host);
        if (host->curl_due <= now) {
            host->curl_due = NOT_WAITS;
            act(host, CURL_SOCKET_TIMEOUT, 0);
        }
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event events[256];

    if (argc != 6 || (all.count = strtoul(argv[1], NULL, 10)) == 0 ||
        (all.wait = strtol(argv[5], NULL, 10)) <= 0) {
        fprintf(stderr, "usage: hosts N URL TOKEN CA WAIT\n");
        return 2;
    }
    all.url = argv[2];
    all.token = argv[3];
    all.ca = argv[4];
    curl_global_init(CURL_GLOBAL_DEFAULT);
    all.epoll = epoll_create1(EPOLL_CLOEXEC);
    all.host = calloc(all.count, sizeof *all.host);
    if (all.epoll < 0 || all.host == NULL)
        abort();
    for (size_t i = 0; i < all.count; i++)
        set_up(&all.host[i]);
    for (int64_t flushed = 0;;) {
        int n = epoll_wait(all.epoll, events, sizeof events / sizeof events[0], TICK_MS);
        int64_t now = now_ms(CLOCK_MONOTONIC);

        for (int i = 0; i < n; i++)
            act(&all.host[events[i].data.u64 >> 32], (curl_socket_t)(uint32_t)events[i].data.u64,
                (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
        run_due(now);
        if (now - flushed > 100) {
            fflush(stdout);
            flushed = now;
        }
    }
}
