/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/api.h"

#include "access/document.h"
#include "base/log.h"
#include "cloudauthd/api/credentials.h"
#include "cloudauthd/api/file.h"
#include "cloudauthd/api/oauth.h"
#include "cloudauthd/api/problem.h"

#include "common/clock.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define FILE_SCHEME     "file://"
#define CONNECTIONS_MAX 96 /* to the API at a time; more than the cache lets strangers take */
#define POOLS_MAX       8
#define URL_MAX         (CLOUD_URL_SIZE + 2 * CLOUD_NAME_MAX)
#define REDIRECTS_MAX   3
#define HEADER_MAX      (4 * CREDENTIAL_TEXT_MAX + 512) /* a client's name and secret in base64 */
#define CLOCK_OFF       60                              /* seconds: to be known */
#define CLOCK_LOG_MS    3600000                         /* how often that is said */
#define CA_KEPT         300L /* seconds that libcurl keeps a parsed ca_file */

struct transfer;

/*
 * Connections that are kept, and the requests on them. libcurl (7.88) keeps an HTTP/2 connection on
 * which a request timed out, and puts the next ones on it: where its peer has fallen silent, all of
 * them would time out, for ever. So after a time-out new requests go to a new pool, and the old one
 * ends with the last of its own.
 */
struct pool {
    struct api *api;
    struct pool *next;
    CURLM *multi;
    struct loop_timer timer;
    unsigned running;
};

struct api {
    struct loop *loop;
    const struct cloud_conf *conf;
    struct cloud_conf asked_by; /* as conf was at the last api_configure: it may be overwritten */
    uint64_t generation;        /* of the settings that say where and with what we ask */
    struct pool *pools;         /* the first takes new requests */
    struct oauth *tokens;
    struct transfer *transfers; /* all that are under way */
    int64_t clock_offset;       /* as the last answer with a Date told it */
    bool clock_known;
    int64_t clock_logged; /* cloud_clock_ms() */
    struct api_view view; /* its counters alone */
};

/* One request under way: the GET of a document, or the POST to the token endpoint. */
struct transfer {
    struct api *api;
    struct transfer *next, **place;
    uint64_t generation; /* of the settings that it was made by */
    struct pool *pool;   /* where libcurl has it; or NULL */
    void (*finished)(struct transfer *, CURLcode);
    CURL *easy;
    struct curl_slist *headers;
    int64_t deadline; /* cloud_clock_ms() */
    size_t most;      /* bytes of the body */
    bool head_done;   /* libcurl takes an answer that ends in its header for a whole one */
    bool too_large;
    char *body;
    size_t used, room;
    struct credential cert, key;
    char *secret; /* a document's access token; or the form of a POST */
    char error[CURL_ERROR_SIZE];
    /* of a document: */
    api_done *done;
    void *arg;
    struct oauth_waiter waiter;
    struct validator sent;
    char date[64], age[16]; /* of the answer: RFC 9110, 6.6.1; RFC 9111, 5.1 */
    unsigned redirects;
    bool token_renewed;
    struct api_result result;
    int64_t begun; /* cloud_clock_ms() */
    bool was_sent;
    enum api_outcome outcome; /* of a failure */
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

/* A URL as libcurl itself takes it apart, so that no two parsers can disagree about its host. */
struct parts {
    CURLU *url;
    char *scheme, *host, *port, *user, *path;
};

static void parts_free(struct parts *parts)
{
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->port);
    curl_free(parts->user);
    curl_free(parts->path);
    curl_url_cleanup(parts->url);
}

/* False if it has no scheme or host. parts is to be freed in any case. */
static bool parts_of(const char *text, struct parts *parts)
{
    *parts = (struct parts){.url = curl_url()};
    if (parts->url == NULL || curl_url_set(parts->url, CURLUPART_URL, text, 0) != CURLUE_OK)
        return false;
    curl_url_get(parts->url, CURLUPART_USER, &parts->user, 0);
    curl_url_get(parts->url, CURLUPART_PATH, &parts->path, 0);
    return curl_url_get(parts->url, CURLUPART_SCHEME, &parts->scheme, 0) == CURLUE_OK &&
           curl_url_get(parts->url, CURLUPART_HOST, &parts->host, 0) == CURLUE_OK &&
           curl_url_get(parts->url, CURLUPART_PORT, &parts->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
}

static bool is_http(const struct parts *parts)
{
    return strcmp(parts->scheme, "http") == 0;
}

/* What is wrong with it as an address that we send a credential to, or NULL. */
static const char *fault_of(const struct parts *parts)
{
    if (parts->user != NULL)
        return "no user or password may stand in it";
    if (strcmp(parts->scheme, "https") != 0 && !is_http(parts))
        return "only https, http to loopback, and file are possible";
    if (is_http(parts) && !is_loopback(parts->host))
        return "plain http is refused except to loopback (127.0.0.0/8, [::1], localhost)";
    return NULL;
}

static const char *fault_of_proxy(const struct parts *parts)
{
    if (parts->user != NULL)
        return "no user or password may stand in it";
    if (strcmp(parts->scheme, "https") != 0 && !is_http(parts))
        return "only http and https proxies are possible";
    return strcmp(parts->path, "/") != 0 ? "nothing may follow the port" : NULL;
}

static bool check_url(const char *key, const char *text,
                      const char *(*fault_in)(const struct parts *), char *why, size_t size)
{
    struct parts parts;
    const char *fault =
        parts_of(text, &parts) ? fault_in(&parts) : "not a URL with scheme and host";

    parts_free(&parts);
    if (fault != NULL)
        snprintf(why, size, "%s: %s", key, fault);
    return fault == NULL;
}

/* libcurl takes https:///a for https://a, and a.example for http://a.example. */
static bool has_authority(const char *text)
{
    const char *authority = strstr(text, "://");

    return authority != NULL && authority[3] != '/' && authority[3] != '\0';
}

static bool check_others(const struct cloud_conf *conf, char *why, size_t size)
{
    static const struct {
        const char *key;
        size_t offset;
        const char *(*fault_in)(const struct parts *);
    } urls[] = {
        {"token_url", offsetof(struct cloud_conf, token_url), fault_of},
        {"proxy", offsetof(struct cloud_conf, proxy), fault_of_proxy},
    };

    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        const char *url = (const char *)conf + urls[i].offset;
        if (url[0] == '\0')
            continue;
        if (!has_authority(url)) {
            snprintf(why, size, "%s: not a URL with scheme and host", urls[i].key);
            return false;
        }
        if (!check_url(urls[i].key, url, urls[i].fault_in, why, size))
            return false;
    }
    return credentials_check(conf, why, size);
}

static bool check_access_url(const char *template, char *why, size_t size)
{
    const char *brace = strchr(template, '{');
    const char *authority = strstr(template, "://");
    char sample[URL_MAX];

    if (!expand(template, "abcdefghij", "production", sample, sizeof sample)) {
        snprintf(why, size, "access_url: only {project} and {environment} may stand in braces");
        return false;
    }
    if (strncmp(template, FILE_SCHEME, strlen(FILE_SCHEME)) == 0) {
        bool ok = template[strlen(FILE_SCHEME)] == '/' && brace != NULL;
        if (!ok)
            snprintf(why, size, "access_url: not file:///folder/{project}/{environment}.json");
        return ok;
    }
    /* A host name with a placeholder in it would let a login name choose the server. */
    const char *path = authority == NULL ? NULL : strchr(authority + 3, '/');
    if (path == NULL || !has_authority(template) || brace == NULL || brace < path) {
        snprintf(why, size, "access_url: {project} and {environment} stand in the path");
        return false;
    }
    return check_url("access_url", sample, fault_of, why, size);
}

/* Of the account list: no template, but for the rest as the above. */
static bool check_accounts_url(const char *url, char *why, size_t size)
{
    const char *path = url + strlen(FILE_SCHEME);

    if (url[0] == '\0')
        return true;
    if (strpbrk(url, "{}") != NULL) {
        snprintf(why, size, "accounts_url: nothing may stand in braces");
        return false;
    }
    if (strncmp(url, FILE_SCHEME, strlen(FILE_SCHEME)) == 0) {
        bool ok = path[0] == '/' && path[strlen(path) - 1] != '/';
        if (!ok)
            snprintf(why, size, "accounts_url: not file:///folder/file");
        return ok;
    }
    if (!has_authority(url)) {
        snprintf(why, size, "accounts_url: not a URL with scheme and host");
        return false;
    }
    return check_url("accounts_url", url, fault_of, why, size);
}

bool api_check(const struct cloud_conf *conf, char *why, size_t size)
{
    return check_access_url(conf->access_url, why, size) &&
           check_accounts_url(conf->accounts_url, why, size) && check_others(conf, why, size);
}

const uint32_t api_bounds[API_BUCKETS - 1] = {5,   10,   25,   50,   100,  250,
                                              500, 1000, 2500, 5000, 10000};

void api_count(struct api_view *view, enum api_outcome outcome, bool sent, int64_t milliseconds)
{
    unsigned bucket = 0;

    if (outcome < API_OUTCOMES)
        view->requests[outcome]++;
    if (!sent)
        return;
    if (milliseconds < 0)
        milliseconds = 0;
    while (bucket < API_BUCKETS - 1 && milliseconds > (int64_t)api_bounds[bucket])
        bucket++;
    view->bucket[bucket]++;
    view->milliseconds += (uint64_t)milliseconds;
}

void api_look(const struct api *api, struct api_view *out)
{
    *out = api->view;
    oauth_look(api->tokens, &out->token);
}

bool api_is_file(const struct api *api)
{
    return strncmp(api->conf->access_url, FILE_SCHEME, strlen(FILE_SCHEME)) == 0;
}

static void wipe_string(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void drop_headers(struct transfer *transfer)
{
    for (struct curl_slist *at = transfer->headers; at != NULL; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
}

static void leave_pool(struct transfer *transfer)
{
    if (transfer->pool == NULL)
        return;
    curl_multi_remove_handle(transfer->pool->multi, transfer->easy);
    transfer->pool->running--;
    transfer->pool = NULL;
}

static void transfer_free(struct transfer *transfer)
{
    leave_pool(transfer);
    *transfer->place = transfer->next;
    if (transfer->next != NULL)
        transfer->next->place = transfer->place;
    curl_easy_cleanup(transfer->easy);
    drop_headers(transfer);
    credential_wipe(&transfer->cert);
    credential_wipe(&transfer->key);
    wipe_string(transfer->secret);
    if (transfer->body != NULL)
        explicit_bzero(transfer->body, transfer->used);
    free(transfer->body);
    free(transfer);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;

    n *= size;
    if (n > transfer->most - transfer->used) {
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
        if (cloud_text_is_control(line[i]) || (unsigned char)line[i] > 0x7f)
            return;
    memcpy(out, line, n);
    out[n] = '\0';
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;
    struct validator *validator = &transfer->result.validator;

    n *= size;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        memset(validator, 0, sizeof *validator); /* an interim answer (1xx) came before */
        transfer->date[0] = transfer->age[0] = '\0';
        transfer->head_done = false;
    }
    if (n > 0 && (line[0] == '\r' || line[0] == '\n'))
        transfer->head_done = true;
    keep_header(line, n, "etag:", validator->etag, sizeof validator->etag);
    keep_header(line, n, "last-modified:", validator->modified, sizeof validator->modified);
    keep_header(line, n, "date:", transfer->date, sizeof transfer->date);
    keep_header(line, n, "age:", transfer->age, sizeof transfer->age);
    return n;
}

/* Gives the result. */
static void finish(struct transfer *transfer)
{
    api_count(&transfer->api->view, transfer->outcome, transfer->was_sent,
              cloud_clock_ms() - transfer->begun);
    transfer->done(transfer->arg, &transfer->result);
    transfer_free(transfer);
}

/* The transfer's end as an outage. */
static void fail(struct transfer *transfer, const char *why)
{
    struct api_result *result = &transfer->result;

    snprintf(result->detail, sizeof result->detail, "%s", why);
    finish(transfer);
}

/* Why there is no answer. Never has a header or a body in it. */
static void say_failure(const struct transfer *transfer, CURLcode code, char *out, size_t size)
{
    if (transfer->too_large)
        snprintf(out, size, "the body is larger than %zu KiB", transfer->most / 1024);
    else
        snprintf(out, size, "%s",
                 transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
}

static enum api_outcome outcome_of(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return API_OUTCOME_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return API_OUTCOME_TLS;
    case CURLE_OUT_OF_MEMORY:
        return API_OUTCOME_OTHER;
    default:
        return API_OUTCOME_CONNECTION;
    }
}

static bool is_problem(const struct transfer *transfer)
{
    static const char type[] = "application/problem+json";
    char *said = NULL;

    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &said);
    return said != NULL && transfer->used > 0 && strncasecmp(said, type, sizeof type - 1) == 0;
}

/* A status that is no answer to what was asked. */
static void judge_status(struct transfer *transfer, long status)
{
    struct api_result *result = &transfer->result;
    bool refused = status == 401 || status == 403;
    struct cloud_text text;
    curl_off_t wait = 0;

    cloud_text_start(&text, result->detail, sizeof result->detail);
    cloud_text_add(&text, refused ? "the API refuses this host's credential (status "
                                  : "the API answered with status ");
    cloud_text_add_number(&text, (uint64_t)status);
    cloud_text_add(&text, refused ? ")" : "");
    if (is_problem(transfer))
        problem_add(&text, transfer->body, transfer->used, transfer->secret);
    transfer->outcome = refused         ? API_OUTCOME_REFUSED
                        : status == 429 ? API_OUTCOME_THROTTLED
                                        : API_OUTCOME_STATUS;
    if (refused)
        credential_alarm(result->detail);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &wait);
    if (status >= 400 && wait > 0)
        result->retry_after = wait < (curl_off_t)API_RETRY_MAX ? (uint32_t)wait : API_RETRY_MAX;
}

static void judge(struct transfer *transfer, long status)
{
    struct api_result *result = &transfer->result;

    if (status == 200) {
        result->verdict = API_DOCUMENT;
        transfer->outcome = API_OUTCOME_DOCUMENT;
        result->body = transfer->body == NULL ? "" : transfer->body;
        result->length = transfer->used;
        if (transfer->redirects > 0)
            memset(&result->validator, 0, sizeof result->validator);
    } else if (status == 304 && (transfer->sent.etag[0] | transfer->sent.modified[0]) != '\0') {
        result->verdict = API_UNCHANGED;
        transfer->outcome = API_OUTCOME_UNCHANGED;
    } else if (status == 404 || status == 410) {
        result->verdict = API_ABSENT;
        transfer->outcome = API_OUTCOME_ABSENT;
    } else {
        judge_status(transfer, status);
    }
}

/*
 * Whether it has ended, because the settings are others than it was made by. To be asked before a
 * credential is read or sent for it: today's are not for yesterday's server.
 */
static bool end_outdated(struct transfer *transfer)
{
    if (transfer->generation == transfer->api->generation)
        return false;
    fail(transfer, "the settings changed");
    return true;
}

static void ask(struct transfer *transfer);

/* The API says no to a token of ours: once more, with a new one. True: it is taken care of. */
static bool renew_token(struct transfer *transfer)
{
    struct api *api = transfer->api;

    if (end_outdated(transfer))
        return true;
    if (transfer->token_renewed || transfer->secret == NULL || api->conf->token_url[0] == '\0' ||
        !oauth_refused(api->tokens, transfer->secret))
        return false;
    transfer->token_renewed = true;
    ask(transfer);
    return true;
}

static bool same_origin(const struct parts *a, const struct parts *b)
{
    return b->user == NULL && strcmp(a->scheme, b->scheme) == 0 && strcmp(a->port, b->port) == 0 &&
           strcasecmp(a->host, b->host) == 0;
}

/* Goes where the answer says, if that is the same server; else fails. */
static void follow(struct transfer *transfer)
{
    char *from = NULL, *to = NULL, why[256] = "";
    struct parts here = {.url = NULL}, there = {.url = NULL};

    curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &from);
    curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &to);
    if (from == NULL || to == NULL || !parts_of(from, &here) || !parts_of(to, &there))
        snprintf(why, sizeof why, "a redirect to nowhere");
    else if (!same_origin(&here, &there))
        snprintf(why, sizeof why, "redirect to another origin (%.10s://%.100s:%.5s)", there.scheme,
                 there.host, there.port);
    else if (++transfer->redirects > REDIRECTS_MAX)
        snprintf(why, sizeof why, "more than %d redirects", REDIRECTS_MAX);
    else if (curl_easy_setopt(transfer->easy, CURLOPT_URL, to) != CURLE_OK)
        snprintf(why, sizeof why, "no memory for a redirect");
    parts_free(&here);
    parts_free(&there);
    if (why[0] == '\0') {
        /* A validator is one of the place that it came from: another has its own, that may be
         * alike. */
        memset(&transfer->sent, 0, sizeof transfer->sent);
        ask(transfer);
        return;
    }
    transfer->outcome = API_OUTCOME_STATUS;
    fail(transfer, why);
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* An answer that a cache had says when it was made, and how long ago. */
static void note_clock(struct transfer *transfer)
{
    struct api *api = transfer->api;
    time_t said = transfer->date[0] == '\0' ? -1 : curl_getdate(transfer->date, NULL);
    uint64_t age = 0;

    (void)cloud_text_read_number(transfer->age, strlen(transfer->age), UINT32_MAX, &age);
    if (said <= 0)
        return;
    api->clock_offset = (int64_t)time(NULL) - (int64_t)said - (int64_t)age;
    api->clock_known = true;
    if (llabs(api->clock_offset) < CLOCK_OFF || cloud_clock_ms() < api->clock_logged)
        return;
    api->clock_logged = cloud_clock_ms() + CLOCK_LOG_MS;
    log_warning("the clock of this host is %lld seconds %s that of the project API",
                llabs(api->clock_offset), api->clock_offset > 0 ? "ahead of" : "behind");
}

bool api_clock(const struct api *api, int64_t *offset)
{
    *offset = api->clock_offset;
    return api->clock_known;
}

static void document_finished(struct transfer *transfer, CURLcode code)
{
    char why[256];
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && transfer->head_done)
        note_clock(transfer);
    if (code != CURLE_OK) {
        say_failure(transfer, code, why, sizeof why);
        transfer->outcome = outcome_of(code);
        fail(transfer, why);
    } else if (!transfer->head_done) {
        transfer->outcome = API_OUTCOME_CONNECTION;
        fail(transfer, "the answer ends in its header");
    } else if (is_redirect(status)) {
        follow(transfer);
    } else if (status != 401 || !renew_token(transfer)) {
        judge(transfer, status);
        finish(transfer);
    }
}

static void exchange_finished(struct transfer *transfer, CURLcode code)
{
    char why[256] = "";
    long status = 0;

    if (code == CURLE_OK)
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    else
        say_failure(transfer, code, why, sizeof why);
    oauth_posted(transfer->api->tokens, status, transfer->body, transfer->used, why);
    transfer_free(transfer);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known);
static int on_timer(CURLM *multi, long milliseconds, void *arg);
static void on_timer_due(void *arg);

/* A pool for the requests from now on. False if memory is out, or there are too many. */
static bool add_pool(struct api *api)
{
    struct pool *pool = NULL;
    size_t n = 0;

    for (const struct pool *at = api->pools; at != NULL; at = at->next)
        n++;
    if (n < POOLS_MAX)
        pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return false;
    pool->multi = curl_multi_init();
    if (pool->multi == NULL) {
        free(pool);
        return false;
    }
    pool->api = api;
    pool->timer = (struct loop_timer){.due = on_timer_due, .arg = pool};
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    /* An API without HTTP/2 gets no flood of connections either: the others wait their turn. */
    curl_multi_setopt(pool->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_MAX);
    pool->next = api->pools;
    api->pools = pool;
    return true;
}

/* It has no requests. */
static void pool_free(struct pool *pool)
{
    struct pool **place = &pool->api->pools;

    while (*place != pool)
        place = &(*place)->next;
    *place = pool->next;
    curl_multi_cleanup(pool->multi);
    loop_timer_clear(pool->api->loop, &pool->timer);
    free(pool);
}

/* Whether it was on a connection when its time was over; one that was never made is not kept. */
static bool timed_out_on_connection(const struct transfer *transfer, CURLcode code)
{
    curl_off_t sent = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    return code == CURLE_OPERATION_TIMEDOUT && sent > 0;
}

/* The last thing that is done with a pool in a turn of the loop: it may be gone then. */
static void finish_transfers(struct pool *pool)
{
    struct api *api = pool->api;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&transfer);
        leave_pool(transfer);
        if (pool == api->pools && timed_out_on_connection(transfer, code))
            (void)add_pool(api);
        transfer->finished(transfer, code);
    }
    if (pool != api->pools && pool->running == 0)
        pool_free(pool);
}

/* A socket of libcurl's, and what it waits for. */
struct api_socket {
    struct loop_watch watch;
    struct pool *pool;
};

static void on_socket_ready(void *arg, uint32_t events)
{
    struct api_socket *ready = arg;
    struct pool *pool = ready->pool;
    int running;
    int what = ((events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
               ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
               ((events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);

    curl_multi_socket_action(pool->multi, ready->watch.fd, what, &running);
    finish_transfers(pool);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct pool *pool = arg;
    struct api_socket *entry = known;
    uint32_t events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (entry != NULL) {
            loop_remove(pool->api->loop, &entry->watch);
            curl_multi_assign(pool->multi, fd, NULL);
            free(entry);
        }
        return 0;
    }
    if (entry != NULL)
        return loop_change(pool->api->loop, &entry->watch, events) ? 0 : -1;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return -1;
    entry->pool = pool;
    entry->watch = (struct loop_watch){fd, on_socket_ready, entry};
    if (!loop_add(pool->api->loop, &entry->watch, events) ||
        curl_multi_assign(pool->multi, fd, entry) != CURLM_OK) {
        free(entry);
        return -1;
    }
    return 0;
}

static void on_timer_due(void *arg)
{
    struct pool *pool = arg;
    int running;

    curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_transfers(pool);
}

static int on_timer(CURLM *multi, long milliseconds, void *arg)
{
    struct pool *pool = arg;

    (void)multi;
    if (milliseconds < 0)
        loop_timer_clear(pool->api->loop, &pool->timer);
    else if (!loop_timer_set(pool->api->loop, &pool->timer, milliseconds))
        return -1;
    return 0;
}

/*
 * Everything that the environment or libcurl's defaults could slip in is set here: no redirect by
 * itself, no netrc, no other protocol, no signal.
 */
static void set_options(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Else the end of a request waits for its name to be resolved, and with it the whole daemon
     * for a name server that is silent. The resolver's thread is left to end by itself. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* Worth the wait where a connection can carry many requests: HTTP/2, which is by TLS here. */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT,
                     strncasecmp(transfer->api->conf->access_url, "https:", 6) == 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "cloudauthd/" CLOUD_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
}

/* To https the configured proxy; to loopback none, and to nobody one of the environment's. */
static void set_proxy(struct transfer *transfer, const char *url)
{
    const char *proxy = transfer->api->conf->proxy;

    curl_easy_setopt(transfer->easy, CURLOPT_PROXY, strncasecmp(url, "http:", 5) == 0 ? "" : proxy);
    curl_easy_setopt(transfer->easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
}

/* libcurl would also look into the folder that it was built with: only ca_file counts. */
static bool set_authorities(struct transfer *transfer, char *why, size_t size)
{
    const char *name = transfer->api->conf->ca_file;
    char path[CLOUD_PATH_SIZE * 2];

    curl_easy_setopt(transfer->easy, CURLOPT_CA_CACHE_TIMEOUT, CA_KEPT);
    if (name[0] == '\0')
        return true;
    if (!credential_path("ca_file", name, CREDENTIAL_PUBLIC, path, why, size))
        return false;
    if (curl_easy_setopt(transfer->easy, CURLOPT_CAINFO, path) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_PROXY_CAINFO, path) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_PROXY_CAPATH, NULL) == CURLE_OK)
        return true;
    snprintf(why, size, "no memory for ca_file");
    return false;
}

/* From memory: a changed certificate must not go on being used by a connection that is kept. */
static bool set_client(struct transfer *transfer, char *why, size_t size)
{
    const struct cloud_conf *conf = transfer->api->conf;
    struct curl_blob cert = {.flags = CURL_BLOB_NOCOPY}, key = {.flags = CURL_BLOB_NOCOPY};

    if (conf->client_cert[0] == '\0')
        return true;
    if (!credential_read("client_cert", conf->client_cert, CREDENTIAL_PUBLIC, &transfer->cert, why,
                         size) ||
        !credential_read("client_key", conf->client_key, CREDENTIAL_KEY, &transfer->key, why, size))
        return false;
    cert.data = transfer->cert.bytes;
    cert.len = transfer->cert.length;
    key.data = transfer->key.bytes;
    key.len = transfer->key.length;
    /* The empty password: for a key that has one, OpenSSL would ask on the terminal. */
    if (curl_easy_setopt(transfer->easy, CURLOPT_SSLCERT_BLOB, &cert) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_SSLKEY_BLOB, &key) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_KEYPASSWD, "") == CURLE_OK)
        return true;
    snprintf(why, size, "no memory for client_cert");
    return false;
}

static bool set_tls(struct transfer *transfer, char *why, size_t size)
{
    curl_easy_setopt(transfer->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    return set_authorities(transfer, why, size) && set_client(transfer, why, size);
}

/* NULL if memory is out; it is in the API's list from then on. */
static struct transfer *transfer_new(struct api *api, const char *url, size_t most,
                                     void (*finished)(struct transfer *, CURLcode))
{
    struct transfer *transfer = calloc(1, sizeof *transfer);

    if (transfer == NULL)
        return NULL;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL || curl_easy_setopt(transfer->easy, CURLOPT_URL, url) != CURLE_OK) {
        curl_easy_cleanup(transfer->easy);
        free(transfer);
        return NULL;
    }
    transfer->api = api;
    transfer->generation = api->generation;
    transfer->finished = finished;
    transfer->most = most;
    transfer->begun = cloud_clock_ms();
    transfer->deadline = transfer->begun + (int64_t)1000 * api->conf->request_timeout;
    transfer->next = api->transfers;
    transfer->place = &api->transfers;
    if (transfer->next != NULL)
        transfer->next->place = &transfer->next;
    api->transfers = transfer;
    set_options(transfer);
    set_proxy(transfer, url);
    return transfer;
}

static bool add_header(struct transfer *transfer, const char *name, const char *value)
{
    char line[HEADER_MAX];
    struct cloud_text text;
    struct curl_slist *grown = NULL;

    if (value[0] == '\0')
        return true;
    cloud_text_start(&text, line, sizeof line);
    cloud_text_add(&text, name);
    cloud_text_add(&text, value);
    if (!text.cut)
        grown = curl_slist_append(transfer->headers, line);
    explicit_bzero(line, text.used);
    if (grown == NULL)
        return false;
    transfer->headers = grown;
    return true;
}

/* Hands it to libcurl, for what is left of its time. False with the reason. */
static bool launch(struct transfer *transfer, char *why, size_t size)
{
    const struct cloud_conf *conf = transfer->api->conf;
    struct pool *pool = transfer->api->pools;
    int64_t left = transfer->deadline - cloud_clock_ms();

    if (left <= 0) {
        snprintf(why, size, "request_timeout is over");
        return false;
    }
    transfer->used = 0;
    transfer->too_large = false;
    transfer->error[0] = '\0';
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)conf->connect_timeout * 1000);
    curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)left);
    if (curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK &&
        curl_multi_add_handle(pool->multi, transfer->easy) == CURLM_OK) {
        transfer->pool = pool;
        transfer->was_sent = true;
        pool->running++;
        return true;
    }
    snprintf(why, size, "no memory for a request");
    return false;
}

/* Sends the GET with the token that it has, or with none. */
static void send_document(struct transfer *transfer)
{
    char why[256] = "no memory for a request";

    drop_headers(transfer);
    memset(&transfer->result, 0, sizeof transfer->result);
    transfer->outcome = API_OUTCOME_OTHER;
    if (!add_header(transfer, "If-None-Match: ", transfer->sent.etag) ||
        !add_header(transfer, "If-Modified-Since: ", transfer->sent.modified) ||
        (transfer->secret != NULL &&
         !add_header(transfer, "Authorization: Bearer ", transfer->secret)) ||
        !launch(transfer, why, sizeof why))
        fail(transfer, why);
}

static void on_token(void *arg, const char *token, const char *why)
{
    struct transfer *transfer = arg;

    if (end_outdated(transfer))
        return;
    wipe_string(transfer->secret);
    transfer->secret = token == NULL ? NULL : strdup(token);
    if (transfer->secret != NULL) {
        send_document(transfer);
        return;
    }
    transfer->outcome = token == NULL ? API_OUTCOME_CREDENTIAL : API_OUTCOME_OTHER;
    fail(transfer, token == NULL ? why : "no memory for a token");
}

/* Finds what the host proves itself with, then sends the GET. Also the second time. */
static void ask(struct transfer *transfer)
{
    const struct cloud_conf *conf = transfer->api->conf;
    struct credential file;
    char why[256];

    if (end_outdated(transfer))
        return;
    if (conf->token_url[0] != '\0') {
        oauth_ask(transfer->api->tokens, &transfer->waiter);
    } else if (conf->token_file[0] == '\0') {
        send_document(transfer);
    } else if (credential_read("token_file", conf->token_file, CREDENTIAL_TEXT, &file, why,
                               sizeof why)) {
        on_token(transfer, file.bytes, "");
        credential_wipe(&file);
    } else {
        credential_alarm(why);
        transfer->outcome = API_OUTCOME_CREDENTIAL;
        fail(transfer, why);
    }
}

/* oauth_send: the POST to the token endpoint. A redirect of it is not followed. */
static void post(void *arg, const struct oauth_post *request)
{
    struct api *api = arg;
    struct transfer *transfer =
        transfer_new(api, request->url, OAUTH_ANSWER_MAX, exchange_finished);
    char why[256] = "no memory for a request";

    if (transfer != NULL) {
        /* All of its room at once: a token that moved would leave a copy behind. */
        transfer->body = malloc(OAUTH_ANSWER_MAX);
        transfer->room = transfer->body == NULL ? 0 : OAUTH_ANSWER_MAX;
        transfer->secret = strdup(request->form);
        if (transfer->body != NULL && transfer->secret != NULL &&
            curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, transfer->secret) == CURLE_OK &&
            add_header(transfer, "Accept: ", "application/json") &&
            add_header(transfer, "Authorization: ", request->authorization) &&
            set_tls(transfer, why, sizeof why) && launch(transfer, why, sizeof why))
            return;
        transfer_free(transfer);
    }
    oauth_posted(api->tokens, 0, NULL, 0, why);
}

struct api *api_new(struct loop *loop, const struct cloud_conf *conf)
{
    struct api *api = calloc(1, sizeof *api);

    if (api == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(api);
        return NULL;
    }
    api->loop = loop;
    api->conf = conf;
    api->asked_by = *conf;
    api->tokens = oauth_new(loop, conf, post, api);
    if (api->tokens == NULL || !add_pool(api)) {
        api_free(api);
        return NULL;
    }
    return api;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    for (struct transfer *at = api->transfers, *next; at != NULL; at = next) {
        next = at->next;
        transfer_free(at);
    }
    for (struct pool *at = api->pools, *next; at != NULL; at = next) {
        next = at->next;
        pool_free(at);
    }
    oauth_free(api->tokens);
    free(api);
    curl_global_cleanup();
}

/* Whether requests go to the same place, by the same way, with what is in the same files. */
static bool asks_alike(const struct cloud_conf *a, const struct cloud_conf *b)
{
    return strcmp(a->access_url, b->access_url) == 0 &&
           strcmp(a->accounts_url, b->accounts_url) == 0 &&
           strcmp(a->token_url, b->token_url) == 0 && strcmp(a->token_file, b->token_file) == 0 &&
           strcmp(a->client_id_file, b->client_id_file) == 0 &&
           strcmp(a->client_cert, b->client_cert) == 0 &&
           strcmp(a->client_key, b->client_key) == 0 && strcmp(a->ca_file, b->ca_file) == 0 &&
           strcmp(a->proxy, b->proxy) == 0;
}

void api_configure(struct api *api, const struct cloud_conf *conf)
{
    if (!asks_alike(&api->asked_by, conf))
        api->generation++;
    api->asked_by = *conf;
    api->conf = conf;
    oauth_configure(api->tokens, conf);
}

/* The length of the longest folder of a file:// URL's path that ends before end. */
static size_t folder_length(const char *url, const char *end)
{
    const char *path = url + strlen(FILE_SCHEME);

    while (end > path && end[-1] != '/')
        end--;
    return (size_t)(end - path);
}

static void get_file(const char *url, size_t folder, const struct validator *validator,
                     api_done *done, void *arg)
{
    struct api_result result;

    file_get(url + strlen(FILE_SCHEME), folder, validator, &result);
    done(arg, &result);
    if (result.verdict == API_DOCUMENT)
        free((void *)(uintptr_t)result.body);
}

static void get_http(struct api *api, const char *url, const struct validator *validator,
                     api_done *done, void *arg)
{
    struct api_result failure = {.detail = "no memory for a request"};
    struct transfer *transfer;
    char why[256];

    transfer = transfer_new(api, url, DOCUMENT_SIZE_MAX, document_finished);
    if (transfer == NULL) {
        done(arg, &failure);
        return;
    }
    transfer->done = done;
    transfer->arg = arg;
    transfer->waiter = (struct oauth_waiter){.ready = on_token, .arg = transfer};
    transfer->sent = *validator;
    if (set_tls(transfer, why, sizeof why)) {
        ask(transfer);
    } else {
        credential_alarm(why);
        transfer->outcome = API_OUTCOME_CREDENTIAL;
        fail(transfer, why);
    }
}

void api_get(struct api *api, const char *project, const char *environment,
             const struct validator *validator, api_done *done, void *arg)
{
    const struct api_result failure = {.detail = "access_url: too long once filled in"};
    const char *template = api->conf->access_url;
    char url[URL_MAX];

    if (!expand(template, project, environment, url, sizeof url))
        done(arg, &failure);
    else if (api_is_file(api))
        get_file(url, folder_length(template, strchr(template, '{')), validator, done, arg);
    else
        get_http(api, url, validator, done, arg);
}

void api_get_url(struct api *api, const char *url, const struct validator *validator,
                 api_done *done, void *arg)
{
    if (strncmp(url, FILE_SCHEME, strlen(FILE_SCHEME)) == 0)
        get_file(url, folder_length(url, url + strlen(url)), validator, done, arg);
    else
        get_http(api, url, validator, done, arg);
}

/* Below the folder that first is in. libcurl has taken ways up out of it: a second net. */
static bool in_folder(const char *first, const char *url)
{
    size_t folder = strlen(FILE_SCHEME) + folder_length(first, first + strlen(first));

    return strncmp(first, url, folder) == 0 && url[folder] != '\0' &&
           strstr(url + folder, "..") == NULL;
}

static bool is_printable(const char *text)
{
    while (*text > ' ' && *text <= '~')
        text++;
    return *text == '\0';
}

/* Why a page may not send us there, or NULL. */
static const char *fault_of_next(const char *first, const char *next)
{
    struct parts here, there = {.url = NULL};
    const char *fault = NULL;

    if (strncmp(first, FILE_SCHEME, strlen(FILE_SCHEME)) == 0)
        return in_folder(first, next) ? NULL : "leads out of the folder of accounts_url";
    if (!parts_of(first, &here) || !parts_of(next, &there))
        fault = "is no URL";
    else if (!same_origin(&here, &there))
        fault = "leads to another origin";
    parts_free(&here);
    parts_free(&there);
    return fault;
}

bool api_next_url(const char *first, const char *url, const char *href, char out[API_URL_SIZE],
                  char *why, size_t size)
{
    CURLU *at = curl_url();
    char *next = NULL;
    const char *fault = NULL;

    if (!is_printable(href) || at == NULL || curl_url_set(at, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_set(at, CURLUPART_URL, href, 0) != CURLUE_OK ||
        curl_url_set(at, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
        curl_url_get(at, CURLUPART_URL, &next, 0) != CURLUE_OK)
        fault = "is no URL";
    else if (strlen(next) >= API_URL_SIZE)
        fault = "is too long";
    else
        fault = fault_of_next(first, next);
    if (fault == NULL)
        strcpy(out, next);
    else
        snprintf(why, size, "its next link %s", fault);
    curl_free(next);
    curl_url_cleanup(at);
    return fault == NULL;
}
