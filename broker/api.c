/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/api.h"

#include "broker/document.h"
#include "broker/files.h"
#include "broker/log.h"

#include "common/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_SCHEME "file://"
#define URL_MAX     (CLOUD_URL_SIZE + 2 * CLOUD_NAME_MAX)

struct api {
    struct loop *loop;
    const struct cloud_conf *conf;
    CURLM *multi;
    struct loop_timer timer;
};

/* One request under way. */
struct transfer {
    struct api *api;
    CURL *easy;
    struct curl_slist *headers;
    api_done *done;
    void *arg;
    bool conditional;
    bool too_large;
    char *body;
    size_t used, room;
    struct api_result result;
    char error[CURL_ERROR_SIZE];
};

static bool expand(const char *template, const char *project, const char *environment, char *out,
                   size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    while (*template != '\0') {
        size_t plain = strcspn(template, "{}");
        cloud_text_add_bytes(&text, template, plain);
        template += plain;
        if (strncmp(template, "{project}", 9) == 0) {
            cloud_text_add(&text, project);
            template += 9;
        } else if (strncmp(template, "{environment}", 13) == 0) {
            cloud_text_add(&text, environment);
            template += 13;
        } else if (*template != '\0') {
            return false;
        }
    }
    return !text.cut;
}

static bool is_loopback(const char *host)
{
    struct in_addr address;

    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* What libcurl itself makes of the URL, so that no two parsers can disagree about its host. */
static bool check_parsed(CURLU *url, char *why, size_t size)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    bool ok = false;

    curl_url_get(url, CURLUPART_USER, &user, 0);
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        snprintf(why, size, "access_url: not a URL with a scheme and a host");
    else if (user != NULL)
        snprintf(why, size, "access_url: no user or password may stand in it");
    else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
        snprintf(why, size, "access_url: only https, http to loopback, and file are possible");
    else if (strcmp(scheme, "http") == 0 && !is_loopback(host))
        snprintf(why, size,
                 "access_url: plain http is refused except to loopback (127.0.0.0/8, "
                 "[::1], localhost)");
    else
        ok = true;
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    return ok;
}

bool api_check(const struct cloud_conf *conf, char *why, size_t size)
{
    const char *template = conf->access_url;
    const char *brace = strchr(template, '{');
    const char *authority = strstr(template, "://");
    char sample[URL_MAX];
    CURLU *url;
    bool ok;

    if (!expand(template, "abcdefghij", "production", sample, sizeof sample)) {
        snprintf(why, size, "access_url: only {project} and {environment} may stand in braces");
        return false;
    }
    if (strncmp(template, FILE_SCHEME, strlen(FILE_SCHEME)) == 0) {
        ok = template[strlen(FILE_SCHEME)] == '/' && brace != NULL;
        if (!ok)
            snprintf(why, size, "access_url: not file:///folder/{project}/{environment}.json");
        return ok;
    }
    /* A host name with a placeholder in it would let a login name choose the server. libcurl takes
     * https:///a for https://a. */
    const char *path = authority == NULL ? NULL : strchr(authority + 3, '/');
    if (path == NULL || path == authority + 3 || brace == NULL || brace < path) {
        snprintf(why, size, "access_url: {project} and {environment} stand in the path");
        return false;
    }
    url = curl_url();
    ok = url != NULL && curl_url_set(url, CURLUPART_URL, sample, 0) == CURLUE_OK;
    if (!ok)
        snprintf(why, size, "access_url: not a URL");
    ok = ok && check_parsed(url, why, size);
    curl_url_cleanup(url);
    return ok;
}

bool api_is_file(const struct api *api)
{
    return strncmp(api->conf->access_url, FILE_SCHEME, strlen(FILE_SCHEME)) == 0;
}

static void transfer_free(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    free(transfer->body);
    free(transfer);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;

    n *= size;
    if (n > DOCUMENT_SIZE_MAX - transfer->used) {
        transfer->too_large = true;
        return 0;
    }
    if (n > transfer->room - transfer->used) {
        size_t room = transfer->room * 2 > transfer->used + n ? transfer->room * 2
                                                              : transfer->used + n + 4096;
        char *grown = realloc(transfer->body, room);
        if (grown == NULL)
            return 0;
        transfer->body = grown;
        transfer->room = room;
    }
    memcpy(transfer->body + transfer->used, bytes, n);
    transfer->used += n;
    return n;
}

/* Keeps a header's value if it is that header, fits, and has nothing odd in it. */
static void keep_header(const char *line, size_t n, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);

    if (n <= length || strncasecmp(line, name, length) != 0)
        return;
    line += length;
    n -= length;
    while (n > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
        n--;
    out[0] = '\0';
    if (n >= size)
        return;
    for (size_t i = 0; i < n; i++)
        if (line[i] < ' ' || line[i] == 0x7f)
            return;
    memcpy(out, line, n);
    out[n] = '\0';
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;
    struct api_validator *validator = &transfer->result.validator;

    n *= size;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
        memset(validator, 0, sizeof *validator); /* an interim answer (1xx) came before */
    keep_header(line, n, "etag:", validator->etag, sizeof validator->etag);
    keep_header(line, n, "last-modified:", validator->modified, sizeof validator->modified);
    return n;
}

static void judge(struct transfer *transfer, CURLcode code)
{
    struct api_result *result = &transfer->result;
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        snprintf(result->detail, sizeof result->detail, "%s",
                 transfer->too_large       ? "the body is larger than 4 MiB"
                 : transfer->error[0] != 0 ? transfer->error
                                           : curl_easy_strerror(code));
    } else if (status == 200) {
        result->verdict = API_DOCUMENT;
        result->body = transfer->body == NULL ? "" : transfer->body;
        result->length = transfer->used;
    } else if (status == 304 && transfer->conditional) {
        result->verdict = API_UNCHANGED;
    } else if (status == 404 || status == 410) {
        result->verdict = API_ABSENT;
    } else if (status == 401 || status == 403) {
        snprintf(result->detail, sizeof result->detail,
                 "the API refuses this host's credential (status %ld)", status);
    } else {
        snprintf(result->detail, sizeof result->detail, "the API answered with status %ld", status);
    }
}

static void finish_transfers(struct api *api)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(api->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&transfer);
        curl_multi_remove_handle(api->multi, transfer->easy);
        judge(transfer, code);
        transfer->done(transfer->arg, &transfer->result);
        transfer_free(transfer);
    }
}

/* A socket of libcurl's, and what it waits for. */
struct api_socket {
    struct loop_watch watch;
    struct api *api;
};

static void on_socket_ready(void *arg, uint32_t events)
{
    struct api_socket *ready = arg;
    struct api *api = ready->api;
    int running;
    int what = ((events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
               ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
               ((events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);

    curl_multi_socket_action(api->multi, ready->watch.fd, what, &running);
    finish_transfers(api);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct api *api = arg;
    struct api_socket *entry = known;
    uint32_t events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (entry != NULL) {
            loop_remove(api->loop, &entry->watch);
            curl_multi_assign(api->multi, fd, NULL);
            free(entry);
        }
        return 0;
    }
    if (entry != NULL)
        return loop_change(api->loop, &entry->watch, events) ? 0 : -1;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return -1;
    entry->api = api;
    entry->watch = (struct loop_watch){fd, on_socket_ready, entry};
    if (!loop_add(api->loop, &entry->watch, events) ||
        curl_multi_assign(api->multi, fd, entry) != CURLM_OK) {
        free(entry);
        return -1;
    }
    return 0;
}

static void on_timer_due(void *arg)
{
    struct api *api = arg;
    int running;

    curl_multi_socket_action(api->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_transfers(api);
}

static int on_timer(CURLM *multi, long milliseconds, void *arg)
{
    struct api *api = arg;

    (void)multi;
    if (milliseconds < 0)
        loop_timer_clear(api->loop, &api->timer);
    else if (!loop_timer_set(api->loop, &api->timer, milliseconds))
        return -1;
    return 0;
}

struct api *api_new(struct loop *loop, const struct cloud_conf *conf)
{
    struct api *api = calloc(1, sizeof *api);

    if (api == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (api->multi = curl_multi_init()) == NULL) {
        free(api);
        return NULL;
    }
    api->loop = loop;
    api->conf = conf;
    api->timer = (struct loop_timer){.due = on_timer_due, .arg = api};
    curl_multi_setopt(api->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(api->multi, CURLMOPT_SOCKETDATA, api);
    curl_multi_setopt(api->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(api->multi, CURLMOPT_TIMERDATA, api);
    return api;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    curl_multi_cleanup(api->multi);
    loop_timer_clear(api->loop, &api->timer);
    free(api);
    curl_global_cleanup();
}

void api_configure(struct api *api, const struct cloud_conf *conf)
{
    api->conf = conf;
}

static bool add_header(struct transfer *transfer, const char *name, const char *value)
{
    char line[384];
    struct curl_slist *grown;

    if (value[0] == '\0')
        return true;
    snprintf(line, sizeof line, "%s: %s", name, value);
    grown = curl_slist_append(transfer->headers, line);
    if (grown == NULL)
        return false;
    transfer->headers = grown;
    transfer->conditional = true;
    return true;
}

/*
 * Everything that the environment or libcurl's defaults could slip in is set here: no proxy but
 * the configuration's, no redirect, no netrc, no other protocol, no signal.
 */
static void set_options(struct transfer *transfer, const char *url)
{
    const struct cloud_conf *conf = transfer->api->conf;
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)conf->connect_timeout * 1000);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)conf->request_timeout * 1000);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "cloudauthd/" CLOUD_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void get_file(const char *url, const struct cloud_conf *conf,
                     const struct api_validator *validator, api_done *done, void *arg)
{
    struct api_result result;
    const char *template = conf->access_url + strlen(FILE_SCHEME);
    const char *end = strchr(template, '{');

    while (end > template && end[-1] != '/')
        end--;
    files_get(url + strlen(FILE_SCHEME), (size_t)(end - template), validator, &result);
    done(arg, &result);
    if (result.verdict == API_DOCUMENT)
        free((void *)(uintptr_t)result.body);
}

static struct transfer *transfer_new(struct api *api, const char *url,
                                     const struct api_validator *validator)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);

    if (transfer == NULL)
        return NULL;
    transfer->api = api;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL || !add_header(transfer, "If-None-Match", validator->etag) ||
        !add_header(transfer, "If-Modified-Since", validator->modified)) {
        transfer_free(transfer);
        return NULL;
    }
    set_options(transfer, url);
    return transfer;
}

void api_get(struct api *api, const char *project, const char *environment,
             const struct api_validator *validator, api_done *done, void *arg)
{
    struct api_result failure = {0};
    char url[URL_MAX];
    struct transfer *transfer;

    if (!expand(api->conf->access_url, project, environment, url, sizeof url)) {
        snprintf(failure.detail, sizeof failure.detail, "access_url: too long once filled in");
        done(arg, &failure);
        return;
    }
    if (api_is_file(api)) {
        get_file(url, api->conf, validator, done, arg);
        return;
    }
    transfer = transfer_new(api, url, validator);
    if (transfer != NULL) {
        transfer->done = done;
        transfer->arg = arg;
        if (curl_multi_add_handle(api->multi, transfer->easy) == CURLM_OK)
            return;
        transfer_free(transfer);
    }
    snprintf(failure.detail, sizeof failure.detail, "no memory for a request");
    done(arg, &failure);
}
