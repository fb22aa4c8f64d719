/* SPDX-License-Identifier: Apache-2.0 */

/* The client, with a server on loopback in a child process of the test. */
#include "access/document.h"
#include "cloudauthd/api/api.h"
#include "common/clock.h"
#include "tests/unit/support.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECRET "s3cr3t-t0k3n"

static const char *token_path;
static in_port_t port;
static pid_t server;
static struct cloud_conf conf;
static struct loop *loop;
static struct api *api;

#define LONG_S 60 /* seconds: the timeout of a request that is answered */

/* The last result; its body is in text. */
static struct api_result got;
static char text[256];
static unsigned answers;

/* ---- The clocks ---- */

static int64_t boot_shift, wall_shift; /* seconds by which they differ from the kernel's */
static int64_t held_for;               /* seconds: how long the body of "dated" takes */

int64_t cloud_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return ((int64_t)now.tv_sec + boot_shift) * 1000 + now.tv_nsec / 1000000;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += wall_shift;
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* ---- The server ---- */

static void send_text(int fd, const char *what)
{
    if (write(fd, what, strlen(what)) < 0)
        _exit(1);
}

static void send_answer(int fd, const char *status, const char *head, const char *body)
{
    char answer[2048];

    snprintf(answer, sizeof answer,
             "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, head,
             strlen(body), body);
    send_text(fd, answer);
}

static void send_large(int fd)
{
    static char zeros[65536];

    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
    for (size_t i = 0; i < 5000000 / sizeof zeros; i++)
        if (write(fd, zeros, sizeof zeros) < 0)
            return;
}

static const char *header_of(const char *request, const char *name)
{
    static char value[256];
    const char *at = strstr(request, name);

    value[0] = '\0';
    if (at != NULL)
        sscanf(at + strlen(name), "%255[^\r]", value);
    return value;
}

static void send_redirect(int fd, const char *to)
{
    char head[320];

    snprintf(head, sizeof head, "Location: %s\r\n", to);
    send_answer(fd, "302 Found", head, "");
}

/* The credentials of requests and the tokens issued, since this was last read. */
static char seen[512];

static void note(const char *what)
{
    if (strlen(seen) + strlen(what) + 2 < sizeof seen)
        strcat(strcat(seen, what), ";");
}

static void send_seen(int fd)
{
    send_answer(fd, "200 OK", "", seen);
    seen[0] = '\0';
}

/* POST /<token> is answered with that token. */
static bool exchange(int fd, const char *request)
{
    char token[32] = "", body[128];

    if (sscanf(request, "POST /%31[a-z0-9-] ", token) != 1 || strncmp(token, "token-", 6) != 0)
        return false;
    note(token);
    snprintf(body, sizeof body, "{\"access_token\":\"%s\",\"token_type\":\"bearer\"}", token);
    send_answer(fd, "200 OK", "", body);
    return true;
}

static void send_retry(int fd, const char *value)
{
    char head[256], date[64];
    time_t later = time(NULL) + 100;
    struct tm parts;

    if (strcmp(value, "date") == 0) {
        (void)!strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&later, &parts));
        value = date;
    }
    snprintf(head, sizeof head, "Retry-After: %s\r\n", value);
    send_answer(fd, "429 Too Many Requests", head, "");
}

/* Sends an answer of which the body's end comes with the answer to "release". */
static void send_dated(int fd)
{
    char head[128];
    time_t now = time(NULL);
    struct tm parts;

    (void)!strftime(head, sizeof head,
                    "HTTP/1.1 200 OK\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n"
                    "Content-Length: 2\r\n\r\n{",
                    gmtime_r(&now, &parts));
    send_text(fd, head);
}

/* Two of the request's headers. */
static void send_back(int fd, const char *request, const char *const name[2], const char *headers)
{
    char said[512];

    snprintf(said, sizeof said, "%s|", header_of(request, name[0]));
    strcat(said, header_of(request, name[1]));
    send_answer(fd, "200 OK", headers, said);
}

/* The last is in another case than the credential: the names of hosts have none. */
static const struct redirect {
    const char *what, *to;
} redirects[] = {
    {"here", "echo"},
    {"moved", "unchanged"},
    {"fold", "folded"},
    {"round", "round"},
    {"there", "http://localhost/x"},
    {"repeats", "http://S3CR3T-T0K3N.example.com/x"},
};

static void serve_redirect(int fd, const char *what)
{
    for (size_t i = 0; i < sizeof redirects / sizeof *redirects; i++)
        if (strcmp(what, redirects[i].what) == 0)
            send_redirect(fd, redirects[i].to);
}

/* The path is /<project>/<what to answer>. */
static void serve(int fd, const char *request)
{
    static int held;
    char what[128] = "", to[256];

    if (exchange(fd, request))
        return;
    sscanf(request, "GET /%*[a-z0-9]/%127[a-z0-9-]", what);
    if (strcmp(what, "seen") == 0) {
        send_seen(fd);
        return;
    }
    note(header_of(request, "Authorization: "));
    if (strcmp(what, "echo") == 0)
        send_back(fd, request, (const char *[]){"Authorization: ", "If-None-Match: "},
                  "ETag: \"v1\"\r\nLast-Modified: yesterday\r\n");
    else if (strcmp(what, "modified") == 0)
        send_back(fd, request, (const char *[]){"If-None-Match: ", "If-Modified-Since: "},
                  "Last-Modified: yesterday\r\n");
    else if (strcmp(what, "wants") == 0)
        send_back(fd, request, (const char *[]){"Prefer: ", "Cache-Control: "}, "");
    else if (strcmp(what, "silence") == 0)
        (void)!read(fd, (char[1]){0}, 1); /* until the client goes */
    else if (strcmp(what, "unchanged") == 0)
        send_answer(fd, "304 Not Modified", "", "");
    else if (strcmp(what, "large") == 0)
        send_large(fd);
    else if (strcmp(what, "cut") == 0)
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    else if (strcmp(what, "problem") == 0)
        send_answer(fd, "503 Busy", "Content-Type: application/problem+json; charset=utf-8\r\n",
                    "{\"title\":\"Busy\",\"detail\":\"You are Bearer " SECRET "\"}");
    else if (strcmp(what, "page") == 0)
        send_answer(fd, "503 Busy", "Content-Type: text/html\r\n", "{\"title\":\"Busy\"}");
    else if (strncmp(what, "retry-", 6) == 0)
        send_retry(fd, what + 6);
    else if (strncmp(what, "status-", 7) == 0)
        send_answer(fd, what + 7, "", "");
    else if (strcmp(what, "folded") == 0)
        send_text(fd, "HTTP/1.1 200 OK\r\n more: x\r\nContent-Length: 2\r\n\r\n{}");
    else if (strcmp(what, "gzip") == 0)
        send_answer(fd, "200 OK", "Content-Encoding: gzip\r\n", "{}");
    else if (strcmp(what, "identity") == 0)
        send_answer(fd, "200 OK", "Content-Encoding: identity\r\n", "{}");
    else if (strcmp(what, "gone") == 0)
        send_answer(fd, "404 Not Found", "Content-Encoding: gzip\r\n", "x");
    else if (strcmp(what, "chunked") == 0)
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    else if (strcmp(what, "nested") == 0)
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
    else if (strcmp(what, "twice") == 0)
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                      "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    else if (strcmp(what, "dated") == 0) {
        held = dup(fd);
        send_dated(held);
    } else if (strcmp(what, "release") == 0) {
        send_text(held, "}");
        close(held);
        send_answer(fd, "200 OK", "", "");
    } else if (strcmp(what, "nowhere") == 0)
        send_answer(fd, "302 Found", "", "");
    else if (strcmp(what, "user") == 0) {
        snprintf(to, sizeof to, "http://user@%s/x", header_of(request, "Host: "));
        send_redirect(fd, to);
    } else
        serve_redirect(fd, what);
}

static void serve_all(int listener)
{
    char request[4096];

    for (;;) {
        int fd = accept(listener, NULL, NULL);
        ssize_t n = 0, more = 1;
        request[0] = '\0';
        while (more > 0 && strstr(request, "\r\n\r\n") == NULL) {
            more = read(fd, request + n, sizeof request - 1 - (size_t)n);
            n += more > 0 ? more : 0;
            request[n] = '\0';
        }
        serve(fd, request);
        close(fd);
    }
}

static int start_server(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    enter_directory();
    token_path = in_directory("token");
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    port = ntohs(address.sin_port);
    server = fork();
    if (server == 0) {
        signal(SIGPIPE, SIG_IGN);
        serve_all(listener);
    }
    close(listener);
    return server < 0;
}

static int stop_server(void **state)
{
    (void)state;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    leave_directory();
    return 0;
}

/* ---- The client ---- */

static void start_client(void)
{
    answers = 0;
    loop = loop_new();
    assert_non_null(loop);
    api = api_new(loop, &conf);
    assert_non_null(api);
}

static int setup(void **state)
{
    (void)state;
    boot_shift = wall_shift = held_for = 0;
    cloud_conf_defaults(&conf);
    conf.connect_timeout = conf.request_timeout = LONG_S;
    snprintf(conf.access_url, sizeof conf.access_url, "http://127.0.0.1:%u/{project}/{environment}",
             (unsigned)port);
    start_client();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_free(api);
    loop_free(loop);
    return 0;
}

static void on_done(void *arg, const struct api_result *result)
{
    (void)arg;
    got = *result;
    answers++;
    snprintf(text, sizeof text, "%.*s", (int)result->length,
             result->body == NULL ? "" : (const char *)result->body);
    loop_stop(loop);
}

/* With a new client: a stopped loop cannot run again. */
static void get_with(const char *what, const char *etag)
{
    struct validator validator = {"", ""};

    api_free(api);
    loop_free(loop);
    start_client();
    strcpy(validator.etag, etag);
    api_get(api, &(struct api_request){"abcdefghij", what, &validator, on_done, NULL});
    if (answers == 0)
        assert_true(loop_run(loop));
    assert_int_equal(answers, 1);
    assert_true(conf.token_file[0] == '\0' || strstr(got.detail, SECRET) == NULL);
}

static void get(const char *what)
{
    get_with(what, "");
}

static void outage(const char *what, const char *detail)
{
    get(what);
    assert_int_equal(got.verdict, API_OUTAGE);
    if (strstr(got.detail, detail) == NULL)
        fail_msg("%s: %s, not %s", what, got.detail, detail);
}

static void write_token(const char *token)
{
    write_secret(token_path, token);
    strcpy(conf.token_file, token_path);
}

static void test_document(void **state)
{
    (void)state;
    get("echo");
    assert_int_equal(got.verdict, API_DOCUMENT);
    assert_string_equal(text, "|");
    assert_string_equal(got.validator.etag, "\"v1\"");
    assert_string_equal(got.validator.modified, "");
    get_with("echo", "\"v0\"");
    assert_string_equal(text, "|\"v0\"");
    get_with("unchanged", "\"v0\"");
    assert_int_equal(got.verdict, API_UNCHANGED);
    outage("unchanged", "status 304");
}

static void test_statuses(void **state)
{
    (void)state;
    get("status-404");
    assert_int_equal(got.verdict, API_ABSENT);
    get("status-410");
    assert_int_equal(got.verdict, API_ABSENT);
    outage("status-401", "the API refuses this host's credential (status 401)");
    outage("status-403", "the API refuses this host's credential (status 403)");
    outage("status-500", "the API answered with status 500");
    outage("status-204", "status 204");
    outage("status-300", "status 300");
    outage("large", "the body is larger than 4096 KiB");
    outage("cut", "transfer closed");
}

static void test_problem(void **state)
{
    (void)state;
    outage("problem", "status 503 \"Busy\" \"You are Bearer s3c");
}

static void test_problem_with_secret(void **state)
{
    (void)state;
    write_token(SECRET);
    outage("problem", "status 503 \"Busy\" (withheld: it repeats the credential)");
    outage("repeats", "redirect to another origin (withheld: it repeats the credential)");
    outage("page", "status 503");
    assert_null(strstr(got.detail, "Busy"));
}

static void test_retry_after(void **state)
{
    (void)state;
    get("retry-17");
    assert_int_equal(got.retry_after, 17);
    get("retry-301");
    assert_int_equal(got.retry_after, API_RETRY_MAX);
    get("retry-999999999");
    assert_int_equal(got.retry_after, API_RETRY_MAX);
    get("retry-date"); /* 100 s; time(2) is up to a tick behind the clock, so a second more */
    assert_in_range(got.retry_after, 40, 101);
    get("retry-0");
    assert_int_equal(got.retry_after, 0);
    get("retry--5");
    assert_int_equal(got.retry_after, 0);
    get("status-503");
    assert_int_equal(got.retry_after, 0);
}

static void test_redirects(void **state)
{
    (void)state;
    get_with("here", "\"v0\"");
    assert_int_equal(got.verdict, API_DOCUMENT);
    assert_string_equal(text, "|"); /* "v0" belongs to another URL */
    assert_string_equal(got.validator.etag, "");
    assert_string_equal(got.validator.modified, "");
    get_with("echo", "\"v0\"");
    assert_string_equal(text, "|\"v0\"");
    assert_string_equal(got.validator.etag, "\"v1\"");
    get_with("moved", "\"v0\"");
    assert_int_equal(got.verdict, API_OUTAGE);
    assert_string_equal(got.detail, "the API answered with status 304");
    outage("round", "more than 3 redirects");
    outage("nowhere", "a redirect to nowhere");
    outage("there", "redirect to another origin (http://localhost:80)");
    outage("user", "redirect to another origin");
}

/* What an answer after a redirect begins with is no part of the redirect (transfer.c,
 * renew_handle). libcurl 7.88.1 ends such a transfer with an error. */
static void test_folded_after_redirect(void **state)
{
    (void)state;
    get("fold");
    assert_true(got.verdict == API_OUTAGE || got.verdict == API_DOCUMENT);
}

/* Codings that were not asked for; libcurl would undo each of many on the loop's thread. */
static void test_codings(void **state)
{
    (void)state;
    get("chunked");
    assert_int_equal(got.verdict, API_DOCUMENT);
    assert_string_equal(text, "{}");
    get("identity");
    assert_int_equal(got.verdict, API_DOCUMENT);
    get("gone");
    assert_int_equal(got.verdict, API_ABSENT);
    outage("gzip", "coding that was not asked for");
    outage("nested", "coding that was not asked for");
    outage("twice", "coding that was not asked for");
}

static void test_token(void **state)
{
    (void)state;
    write_token(SECRET "\n");
    get("echo");
    assert_string_equal(text, "Bearer " SECRET "|");
    get("here");
    assert_string_equal(text, "Bearer " SECRET "|");
    write_token("an0th3r");
    get("echo");
    assert_string_equal(text, "Bearer an0th3r|");
    assert_int_equal(chmod(token_path, 0644), 0);
    outage("echo", "credential unusable: token_file ");
}

/* Freed while requests are under way, one of which waits for a token. */
static void test_free_in_mid_flight(void **state)
{
    struct validator validator = {"", ""};

    (void)state;
    write_token(SECRET);
    api_get(api, &(struct api_request){"abcdefghij", "echo", &validator, on_done, NULL});
    snprintf(conf.token_url, sizeof conf.token_url, "http://127.0.0.1:%u/token", (unsigned)port);
    api_configure(api, &conf);
    api_get(api, &(struct api_request){"abcdefghij", "echo", &validator, on_done, NULL});
    api_get(api, &(struct api_request){"abcdefghij", "large", &validator, on_done, NULL});
    assert_int_equal(answers, 0);
}

/* The token endpoint closes without an answer while two requests wait. */
static void test_exchange(void **state)
{
    struct validator validator = {"", ""};

    (void)state;
    write_token(SECRET);
    snprintf(conf.token_url, sizeof conf.token_url, "http://127.0.0.1:%u/token", (unsigned)port);
    api_get(api, &(struct api_request){"abcdefghij", "echo", &validator, on_done, NULL});
    api_get(api, &(struct api_request){"abcdefghij", "echo", &validator, on_done, NULL});
    assert_true(loop_run(loop));
    assert_int_equal(answers, 2);
    assert_non_null(strstr(got.detail, "the token endpoint: "));
    memset(&got, 0, sizeof got);
    boot_shift = -LONG_S; /* the second of the back-off is not over yet */
    api_get(api, &(struct api_request){"abcdefghij", "echo", &validator, on_done, NULL});
    assert_int_equal(answers, 3); /* at once */
    assert_non_null(strstr(got.detail, "the token endpoint: "));
}

static void on_silence(void *arg, const struct api_result *result)
{
    struct validator validator = {"", ""};

    (void)arg;
    assert_int_equal(result->verdict, API_OUTAGE);
    assert_non_null(strstr(result->detail, "timed out"));
    conf.request_timeout = LONG_S;
    api_get(api, &(struct api_request){"abcdefghij", "echo", &validator, on_done, NULL});
}

/* A silent connection is given up, and the next request succeeds. Over HTTP/2: tests/e2e. */
static void test_silence(void **state)
{
    struct validator validator = {"", ""};

    (void)state;
    conf.request_timeout = 1;
    api_get(api, &(struct api_request){"abcdefghij", "silence", &validator, on_silence, NULL});
    assert_true(loop_run(loop));
    assert_int_equal(got.verdict, API_DOCUMENT);
}

static void poll_with(const char *what)
{
    static const struct validator before = {"", "before"};

    api_free(api);
    loop_free(loop);
    start_client();
    snprintf(conf.changes_url, sizeof conf.changes_url, "http://127.0.0.1:%u/changes/%s",
             (unsigned)port, what);
    api_poll(api, conf.changes_url, &before, on_done, NULL);
    assert_true(loop_run(loop));
    assert_int_equal(answers, 1);
}

/* A document is compared by its ETag alone, a page of the feed by Last-Modified, too. */
static void test_last_modified(void **state)
{
    static const struct validator before = {"", "before"};

    (void)state;
    api_get(api, &(struct api_request){"abcdefghij", "modified", &before, on_done, NULL});
    assert_true(loop_run(loop));
    assert_string_equal(text, "|");
    assert_string_equal(got.validator.modified, "");
    poll_with("modified");
    assert_string_equal(text, "|before");
    assert_string_equal(got.validator.modified, "yesterday");
}

/* A poll says how long it may take, is not counted among the requests for documents, and has a
 * bound of its own. With a feed no cache may answer, for documents neither. */
static void test_poll(void **state)
{
    struct api_view view;
    struct timespec start, end;

    (void)state;
    get("wants");
    assert_string_equal(text, "|");
    conf.changes_wait = 7;
    poll_with("wants");
    assert_string_equal(text, "wait=7|no-cache");
    api_look(api, &view);
    for (int i = 0; i < API_OUTCOMES; i++)
        assert_int_equal(view.requests[i], 0);
    get("wants");
    assert_string_equal(text, "|no-cache");
    conf.changes_wait = 1;
    conf.request_timeout = 1;
    clock_gettime(CLOCK_MONOTONIC, &start);
    poll_with("silence");
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_int_equal(got.verdict, API_OUTAGE);
    assert_in_range((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000,
                    2900, 30000);
}

/* ---- Settings change while a request is under way ---- */

/* Checks what the server saw since the last time, by a request without credential. */
static void expect_seen(const char *what)
{
    conf.token_file[0] = conf.token_url[0] = '\0';
    get("seen");
    assert_string_equal(text, what);
}

static void forget_seen(void)
{
    get("seen");
}

static void use_tokens(const char *name)
{
    write_token(SECRET);
    snprintf(conf.token_url, sizeof conf.token_url, "http://127.0.0.1:%u/%s", (unsigned)port, name);
}

static void change(const char *new_token, const char *new_endpoint)
{
    snprintf(conf.access_url, sizeof conf.access_url,
             "http://127.0.0.1:%u/new/{project}/{environment}", (unsigned)port);
    if (new_endpoint != NULL)
        use_tokens(new_endpoint);
    else
        write_token(new_token);
    api_configure(api, &conf);
}

/* Sends a request; before its answer comes, the settings name another API. */
static void get_across(const char *what, const char *new_token, const char *new_endpoint)
{
    struct validator validator = {"", ""};

    api_get(api, &(struct api_request){"abcdefghij", what, &validator, on_done, NULL});
    assert_int_equal(answers, 0);
    change(new_token, new_endpoint);
    assert_true(loop_run(loop));
    assert_int_equal(answers, 1);
}

static void back_to_old_url(void)
{
    snprintf(conf.access_url, sizeof conf.access_url, "http://127.0.0.1:%u/{project}/{environment}",
             (unsigned)port);
}

/* A new client, whose loop has not run yet. */
static void start_anew(void)
{
    api_free(api);
    loop_free(loop);
    start_client();
}

static void assert_changed(void)
{
    assert_int_equal(got.verdict, API_OUTAGE);
    assert_string_equal(got.detail, "the settings changed");
}

static void test_changed_before_redirect(void **state)
{
    (void)state;
    forget_seen();
    write_token("old");
    start_anew();
    get_across("here", "new", NULL);
    assert_changed();
    back_to_old_url();
    expect_seen("Bearer old;");
}

/* A request that needs no further credential succeeds. */
static void test_changed_before_answer(void **state)
{
    (void)state;
    forget_seen();
    write_token("old");
    start_anew();
    get_across("echo", "new", NULL);
    assert_int_equal(got.verdict, API_DOCUMENT);
    assert_string_equal(text, "Bearer old|");
    back_to_old_url();
    expect_seen("Bearer old;");
}

static void test_changed_while_waiting(void **state)
{
    (void)state;
    forget_seen();
    use_tokens("token-old");
    start_anew();
    get_across("echo", NULL, "token-new");
    assert_changed();
    back_to_old_url();
    expect_seen("token-old;token-new;");
}

static void on_token_known(void *arg, const struct api_result *result)
{
    struct validator validator = {"", ""};

    (void)arg;
    assert_int_equal(result->verdict, API_DOCUMENT);
    api_get(api, &(struct api_request){"abcdefghij", "status-401", &validator, on_done, NULL});
    change(NULL, "token-new");
}

/* The token is known and sent at once; it is refused after the settings changed. */
static void test_changed_before_refusal(void **state)
{
    struct validator validator = {"", ""};

    (void)state;
    forget_seen();
    use_tokens("token-old");
    start_anew();
    api_get(api, &(struct api_request){"abcdefghij", "echo", &validator, on_token_known, NULL});
    assert_true(loop_run(loop));
    assert_changed();
    back_to_old_url();
    expect_seen("token-old;Bearer token-old;Bearer token-old;");
}

/* Settings that say neither where nor with what to ask do not end a request. */
static void test_changed_otherwise(void **state)
{
    struct validator validator = {"", ""};

    (void)state;
    write_token("old");
    start_anew();
    api_get(api, &(struct api_request){"abcdefghij", "here", &validator, on_done, NULL});
    conf.keys_fresh++;
    api_configure(api, &conf);
    assert_true(loop_run(loop));
    assert_int_equal(got.verdict, API_DOCUMENT);
    assert_string_equal(text, "Bearer old|");
}

/* ---- The API's clock ---- */

static void ask_for(const char *what, api_done *done)
{
    static const struct validator none;

    api_get(api, &(struct api_request){"abcdefghij", what, &none, done, NULL});
}

static void on_released(void *arg, const struct api_result *result)
{
    (void)arg;
    (void)result;
}

/* The header has come before the answer to "echo", but the loop may meet that one first: time
 * passes when all that had come is read. */
static struct loop_timer reading;
static int turns;

static void on_turn(void *arg)
{
    (void)arg;
    if (--turns > 0) {
        loop_timer_set(loop, &reading, 0);
        return;
    }
    boot_shift += held_for;
    wall_shift += held_for;
    ask_for("release", on_released);
}

static void on_header_there(void *arg, const struct api_result *result)
{
    (void)arg;
    (void)result;
    turns = 2; /* this turn of the loop, and a whole one */
    reading = (struct loop_timer){.due = on_turn};
    loop_timer_set(loop, &reading, 0);
}

static void ask_dated(api_done *done)
{
    ask_for("dated", done);
    ask_for("echo", on_header_there);
}

static int64_t wall_ahead(void)
{
    return (int64_t)time(NULL) - cloud_clock_ms() / 1000;
}

/* Whether the API's clock is known to be that of the kernel. */
static bool knows_clock(void)
{
    return llabs(api_ahead(api) - (wall_ahead() - wall_shift + boot_shift)) <= 2;
}

/* Date is compared with the time at which it came, not with that of the body's end. */
static void test_clock_of_slow_answer(void **state)
{
    (void)state;
    assert_int_equal(api_ahead(api), INT64_MAX);
    held_for = 1000;
    ask_dated(on_done);
    assert_true(loop_run(loop));
    assert_string_equal(text, "{}");
    assert_true(knows_clock());
}

static void on_dated(void *arg, const struct api_result *result)
{
    (void)result;
    assert_true(knows_clock());
    wall_shift -= 86400; /* back, and right again */
    assert_true(knows_clock());
    wall_shift += 86400;
    assert_true(knows_clock());
    wall_shift += 7200;
    assert_int_equal(api_ahead(api), INT64_MAX);
    wall_shift -= 7200;
    assert_int_equal(api_ahead(api), INT64_MAX);
    wall_shift += 3600; /* an answer that comes after the step counts */
    ask_dated(on_done);
    (void)arg;
}

/* A clock that is set forward tells perhaps of a paused machine: what the API said before is no
 * longer compared with the time since boot. */
static void test_clock_set_forward(void **state)
{
    (void)state;
    ask_dated(on_dated);
    assert_true(loop_run(loop));
    assert_true(knows_clock());
    wall_shift = 0;
    assert_true(knows_clock());
}

static void test_nobody_there(void **state)
{
    (void)state;
    strcpy(conf.access_url, "http://127.0.0.1:1/{project}/{environment}");
    outage("echo", "Failed to connect");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_document),
        TEST(test_statuses),
        TEST(test_problem),
        TEST(test_problem_with_secret),
        TEST(test_retry_after),
        TEST(test_redirects),
        TEST(test_folded_after_redirect),
        TEST(test_codings),
        TEST(test_token),
        TEST(test_free_in_mid_flight),
        TEST(test_exchange),
        TEST(test_nobody_there),
        TEST(test_silence),
        TEST(test_last_modified),
        TEST(test_poll),
        TEST(test_changed_before_redirect),
        TEST(test_changed_before_answer),
        TEST(test_changed_while_waiting),
        TEST(test_changed_before_refusal),
        TEST(test_changed_otherwise),
        TEST(test_clock_of_slow_answer),
        TEST(test_clock_set_forward),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
