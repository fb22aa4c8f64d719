/* SPDX-License-Identifier: Apache-2.0 */

/*
 * HTTP answers, as a server sends them: status, headers, body. The first byte has flags, and
 * which allocation fails; what follows are the answers to one question after the other (the token
 * endpoint's, the API's, redirects'), each ended by the byte RECORD. libcurl reads them from a
 * socketpair.
 */
#include "access/document.h"
#include "cloudauthd/api/api.h"
#include "cloudauthd/api/pool.h"
#include "tests/fuzz/fuzz.h"

#include <limits.h>
#include <sys/socket.h>

#define RECORD 0x1e
#define SECRET "hunter2hunter2"

#define NOW 1795341600 /* 22 November 2026, 10:00 UTC: what this host takes for the time */

/* CHANGED: the settings change while the first answer comes. */
enum { WITH_OAUTH = 1, WITH_VALIDATOR = 2, POLLS = 4, CHANGED = 8, NO_TOKEN = 16, FAILS = 32 };

static struct cloud_conf conf;

static struct {
    struct api *changes; /* the settings of this one are to change; or NULL */
    pool_done *done;
    void *arg;
    CURL *waiting;
    const uint8_t *at, *end; /* answers that were not read yet */
    int server;              /* -1: no connection is open */
} net = {.server = -1};

static void hang_up(void)
{
    if (net.server >= 0)
        close(net.server);
    net.server = -1;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    const uint8_t *record = memchr(net.at, RECORD, (size_t)(net.end - net.at));
    const uint8_t *until = record == NULL ? net.end : record;
    int pair[2];

    (void)arg;
    (void)purpose;
    (void)address;
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    hang_up();
    net.server = pair[1];
    require(write(pair[1], net.at, (size_t)(until - net.at)) == until - net.at);
    require(shutdown(pair[1], SHUT_WR) == 0);
    net.at = record == NULL ? net.end : record + 1;
    if (net.changes != NULL) {
        strcat(conf.access_url, "/");
        api_configure(net.changes, &conf);
        net.changes = NULL;
    }
    return pair[0];
}

/* In the place of libc's, also for libcurl: the socket of on_open is connected. */
__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *address,
                                                   socklen_t size)
{
    (void)fd;
    (void)address;
    (void)size;
    return 0;
}

time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
    if (out != NULL)
        *out = NOW;
    return NOW;
}

/* ---- In the place of cloudauthd/api/pool.c: one transfer at a time ---- */

struct pool *pool_new(struct loop *loop, pool_done *done, void *arg)
{
    (void)loop;
    net.done = done;
    net.arg = arg;
    return (struct pool *)&net;
}

void pool_free(struct pool *pool)
{
    (void)pool;
}

struct pool_group *pool_add(struct pool *pool, CURL *easy)
{
    require(net.waiting == NULL);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L); /* small bodies come in parts, too */
    net.waiting = easy;
    return (struct pool_group *)pool;
}

void pool_remove(struct pool_group *group, CURL *easy)
{
    (void)group;
    (void)easy;
    net.waiting = NULL;
}

/* ---- The question ---- */

static void on_done(void *arg, const struct api_result *result)
{
    const char *etag = result->validator.etag, *modified = result->validator.modified;

    ++*(unsigned *)arg;
    require(fuzz_printable(etag) && fuzz_printable(modified));
    require(result->retry_after <= API_RETRY_MAX);
    /* Without a token file the request carries no secret, and the answer may have this text. */
    require(conf.token_file[0] == '\0' || strstr(result->detail, SECRET) == NULL);
    require(strlen(result->detail) < 256);
    if (result->verdict == API_OUTAGE)
        require(result->detail[0] != '\0');
    else
        require(result->retry_after == 0);
    if (result->verdict == API_DOCUMENT)
        require(result->length <= DOCUMENT_SIZE_MAX && result->body != NULL);
}

static void make_conf(void)
{
    char directory[64];

    cloud_conf_defaults(&conf);
    require(getcwd(directory, sizeof directory) != NULL);
    stpcpy(stpcpy(conf.token_file, directory), "/secret");
    fuzz_file("secret", SECRET, sizeof SECRET - 1);
    conf.connect_timeout = conf.request_timeout = 10;
    require(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    log_open("log", false);
}

static void ask(struct loop *loop, uint8_t flags)
{
    unsigned calls = 0;
    struct validator validator = {.etag = "\"1\""};
    struct api_request request = {.project = "abcdefghij",
                                  .environment = "production",
                                  .validator = &validator,
                                  .done = on_done,
                                  .arg = &calls};
    struct api *api = api_new(loop, &conf);
    struct api_view view;
    CURL *easy;

    require(api != NULL);
    if ((flags & WITH_VALIDATOR) == 0)
        validator.etag[0] = '\0';
    net.changes = (flags & CHANGED) != 0 ? api : NULL;
    fuzz_fail(flags / FAILS);
    if ((flags & POLLS) != 0)
        api_poll(api, "http://127.0.0.1:80/changes", &validator, on_done, &calls);
    else
        api_get(api, &request);
    while ((easy = net.waiting) != NULL) {
        net.waiting = NULL;
        net.done(net.arg, easy, curl_easy_perform(easy));
    }
    (void)fuzz_failed();
    require(calls == 1);
    api_look(api, &view);
    api_free(api);
    hang_up();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char secret[PATH_MAX];
    static struct loop *loop;

    if (size < 1 || size > 80000)
        return 0;
    if (loop == NULL) {
        make_conf();
        strcpy(secret, conf.token_file);
        require((loop = loop_new()) != NULL);
    }
    strcpy(conf.token_url, (data[0] & WITH_OAUTH) != 0 ? "http://127.0.0.1:80/token" : "");
    strcpy(conf.token_file, (data[0] & NO_TOKEN) != 0 ? "" : secret);
    strcpy(conf.access_url, "http://127.0.0.1:80/{project}/{environment}");
    net.at = data + 1;
    net.end = data + size;
    ask(loop, data[0]);
    return 0;
}
