/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/api.h"

#include "access/document.h"
#include "base/digest.h"
#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/api/credentials.h"
#include "cloudauthd/api/file.h"
#include "cloudauthd/api/oauth.h"
#include "cloudauthd/api/pool.h"
#include "cloudauthd/api/problem.h"
#include "cloudauthd/api/transfer.h"
#include "cloudauthd/api/url.h"
#include "common/clock.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <time.h>

#define REDIRECTS_MAX 3
#define CLOCK_OFF     60      /* seconds: a smaller difference from the API's clock is not logged */
#define CLOCK_LOG_MS  3600000 /* the least time between two log lines about such a difference */
#define CLOCK_SLACK   2       /* seconds by which time daemons may set the wall clock forward */

/* A GET, or the POST to the token endpoint. */
struct request {
    LIST_ENTRY(request) entry;
    struct api *api;
    struct transfer transfer;
    void (*ended)(struct request *, CURLcode);
    char *secret; /* the access token of a GET, the form of a POST; NULL: none */
    /* For a GET only: */
    uint64_t generation; /* api->generation when the request was made */
    api_done *done;
    void *arg;
    struct oauth_waiter waiter;
    bool polls;                 /* the request is for a page of the change feed */
    struct validator validator; /* sent with the request; empty: none */
    unsigned redirects;
    bool token_renewed;
    struct api_result result;
    enum api_outcome outcome;
};

struct api {
    const struct cloud_conf *conf;
    /* A copy of *conf as of the last api_configure, because the owner may overwrite *conf. */
    struct cloud_conf asked_by;
    /* Incremented when a setting changes that says where to send requests, or with which
     * credential. */
    uint64_t generation;
    struct pool *pool;
    struct oauth *oauth;
    LIST_HEAD(, request) requests; /* all requests that have not ended */
    int64_t ahead;                 /* by the last answer, until a call of api_ahead forgets it */
    int64_t wall_ahead;   /* time(2) minus the time since boot, in seconds, at the last answer */
    int64_t clock_logged; /* cloud_clock_ms() until which no clock difference is logged */
    struct api_view view; /* the counters of api_look, without `token` */
};

static void ask(struct request *request);

bool api_check(const struct cloud_conf *conf, char *why, size_t size)
{
    return url_check(conf, why, size) && credentials_check(conf, why, size);
}

bool api_is_file(const struct api *api)
{
    return url_is_file(api->conf->access_url);
}

/* ---- Counters ---- */

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
    oauth_look(api->oauth, &out->token);
}

/* ---- Requests ---- */

static void wipe_string(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

static struct request *request_new(struct api *api, const char *url, size_t most,
                                   void (*ended)(struct request *, CURLcode))
{
    struct request *request = xcalloc(1, sizeof *request);

    transfer_start(&request->transfer, api->conf, url, most, request);
    request->api = api;
    request->generation = api->generation;
    request->ended = ended;
    LIST_INSERT_HEAD(&api->requests, request, entry);
    return request;
}

static void request_free(struct request *request)
{
    LIST_REMOVE(request, entry);
    transfer_end(&request->transfer);
    wipe_string(request->secret);
    free(request);
}

/* The pool_done function of api->pool. */
static void on_ended(void *arg, CURL *easy, CURLcode code)
{
    struct request *request = transfer_owner(easy);

    (void)arg;
    request->transfer.group = NULL;
    request->ended(request, code);
}

/* Calls done with the result, and frees the request. */
static void finish(struct request *request)
{
    if (!request->polls)
        api_count(&request->api->view, request->outcome, request->transfer.was_sent,
                  cloud_clock_ms() - request->transfer.begun);
    request->done(request->arg, &request->result);
    request_free(request);
}

/* Ends the request with an outage, for the reason in why, and frees the request. */
static void fail(struct request *request, enum api_outcome outcome, const char *why)
{
    struct api_result *result = &request->result;

    request->outcome = outcome;
    snprintf(result->detail, sizeof result->detail, "%s", why);
    finish(request);
}

/* Whether the settings that say where to send requests, or with which credential, have changed
 * since the request was made. Must be checked before a credential is read or sent for the request,
 * because the credential that is configured now may be meant for another server. */
static bool is_outdated(const struct request *request)
{
    return request->generation != request->api->generation;
}

/* ---- Answers ---- */

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

/* Makes the result an outage and says why. A status that take_status does not handle itself says
 * nothing about the document. */
static void take_failure(struct request *request, long status)
{
    struct transfer *transfer = &request->transfer;
    struct api_result *result = &request->result;
    bool refused = status == 401 || status == 403;
    struct cloud_text text;
    curl_off_t wait = 0;

    cloud_text_start(&text, result->detail, sizeof result->detail);
    cloud_text_add(&text, refused ? "the API refuses this host's credential (status "
                                  : "the API answered with status ");
    cloud_text_add_number(&text, (uint64_t)status);
    cloud_text_add(&text, refused ? ")" : "");
    if (is_problem(transfer))
        problem_add(&text, transfer->body, transfer->used, request->secret);
    request->outcome = refused         ? API_OUTCOME_REFUSED
                       : status == 429 ? API_OUTCOME_THROTTLED
                                       : API_OUTCOME_STATUS;
    if (refused)
        credential_alarm(result->detail);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &wait);
    if (status >= 400 && wait > 0)
        result->retry_after = wait < (curl_off_t)API_RETRY_MAX ? (uint32_t)wait : API_RETRY_MAX;
}

/* Gives the result the validators of the answer. A document is compared by its ETag alone: it may
 * change while its Last-Modified, which counts in seconds, stays (RFC 9110, 8.8.2). */
static void take_validator(struct request *request)
{
    request->result.validator = request->transfer.validator;
    if (!request->polls)
        request->result.validator.modified[0] = '\0';
}

static void take_status(struct request *request, long status)
{
    const struct transfer *transfer = &request->transfer;
    struct api_result *result = &request->result;

    if (status == 200) {
        result->verdict = API_DOCUMENT;
        request->outcome = API_OUTCOME_DOCUMENT;
        result->body = transfer->body == NULL ? "" : transfer->body;
        result->length = transfer->used;
        if (request->redirects == 0)
            take_validator(request);
    } else if (status == 304 &&
               (request->validator.etag[0] | request->validator.modified[0]) != '\0') {
        result->verdict = API_UNCHANGED;
        request->outcome = API_OUTCOME_UNCHANGED;
        take_validator(request);
    } else if (status == 404 || status == 410) {
        result->verdict = API_ABSENT;
        request->outcome = API_OUTCOME_ABSENT;
    } else {
        take_failure(request, status);
    }
}

/* Whether to try again with another access token after a 401: at most once for each request. */
static bool can_renew_token(const struct request *request)
{
    const struct api *api = request->api;

    return !request->token_renewed && request->secret != NULL && api->conf->token_url[0] != '\0' &&
           oauth_may_replace(api->oauth, request->secret);
}

static void renew_token(struct request *request)
{
    request->token_renewed = true;
    oauth_forget(request->api->oauth, request->secret);
    ask(request);
}

/* Follows a redirect within the same origin. Any other redirect fails the request. */
static void follow(struct request *request)
{
    CURL *easy = request->transfer.easy;
    char *from = NULL, *to = NULL, why[256] = "";

    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &from);
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
    if (url_may_follow(from, to, request->secret, why, sizeof why)) {
        if (++request->redirects > REDIRECTS_MAX)
            snprintf(why, sizeof why, "more than %d redirects", REDIRECTS_MAX);
        else if (curl_easy_setopt(easy, CURLOPT_URL, to) != CURLE_OK)
            snprintf(why, sizeof why, "no memory for a redirect");
    }
    if (why[0] != '\0') {
        fail(request, API_OUTCOME_STATUS, why);
        return;
    }
    /* The validator belongs to the first URL: another URL could have an equal one for another
     * document. */
    memset(&request->validator, 0, sizeof request->validator);
    ask(request);
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Notes by how much the API's clock differs from this host's, and logs a large difference. The Date
 * of a cached answer says when the answer was made, so the answer's Age is added. */
static void note_clock(struct api *api, const struct transfer *transfer)
{
    time_t said = transfer->date[0] == '\0' ? -1 : curl_getdate(transfer->date, NULL);
    int64_t now = cloud_clock_ms(), boot = transfer->dated / 1000, off;
    uint64_t age = 0;

    (void)cloud_text_read_number(transfer->age, strlen(transfer->age), UINT32_MAX, &age);
    if (said <= 0)
        return;
    api->ahead = (int64_t)said + (int64_t)age - boot;
    api->wall_ahead = transfer->dated_wall - boot;
    off = api->wall_ahead - api->ahead;
    if (llabs(off) < CLOCK_OFF || now < api->clock_logged)
        return;
    api->clock_logged = now + CLOCK_LOG_MS;
    log_warning("the clock of this host is %lld seconds %s that of the project API", llabs(off),
                off > 0 ? "ahead of" : "behind");
}

int64_t api_ahead(struct api *api)
{
    if ((int64_t)time(NULL) - cloud_clock_ms() / 1000 > api->wall_ahead + CLOCK_SLACK)
        api->ahead = INT64_MAX;
    return api->ahead;
}

static void get_ended(struct request *request, CURLcode code)
{
    struct transfer *transfer = &request->transfer;
    char why[256];
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        transfer_say_failure(transfer, code, why, sizeof why);
        fail(request, outcome_of(code), why);
        return;
    }
    if (!transfer->head_done) {
        fail(request, API_OUTCOME_CONNECTION, "the answer ends in its header");
        return;
    }
    note_clock(request->api, transfer);
    if (is_redirect(status)) {
        follow(request);
    } else if (status == 401 && is_outdated(request)) {
        fail(request, API_OUTCOME_OTHER, "the settings changed");
    } else if (status == 401 && can_renew_token(request)) {
        renew_token(request);
    } else {
        take_status(request, status);
        finish(request);
    }
}

/* ---- Questions ---- */

/* Sends the GET with the access token request->secret, or without a token if that is NULL. */
static void send_get(struct request *request)
{
    struct transfer *transfer = &request->transfer;
    /* With a change feed, "no-cache" (RFC 9111, 5.2.1.4): otherwise a cache on the way could answer
     * with a document from before the change that the feed has named. */
    const char *bypass = request->api->conf->changes_url[0] == '\0' ? "" : "no-cache";
    char why[256] = "no memory for a request", wait[32] = "";

    if (request->polls)
        snprintf(wait, sizeof wait, "wait=%" PRIu32, request->api->conf->changes_wait);
    transfer_drop_headers(transfer);
    memset(&request->result, 0, sizeof request->result);
    if (!transfer_add_header(transfer, "If-None-Match: ", request->validator.etag) ||
        !transfer_add_header(transfer, "If-Modified-Since: ", request->validator.modified) ||
        !transfer_add_header(transfer, "Cache-Control: ", bypass) ||
        !transfer_add_header(transfer, "Prefer: ", wait) ||
        (request->secret != NULL &&
         !transfer_add_header(transfer, "Authorization: Bearer ", request->secret)) ||
        !transfer_launch(transfer, request->api->conf, request->api->pool, why, sizeof why))
        fail(request, API_OUTCOME_OTHER, why);
}

/* The function `ready` of request->waiter: sends the GET with the token, or fails. */
static void on_token(void *arg, const char *token, const char *why)
{
    struct request *request = arg;

    if (is_outdated(request)) {
        fail(request, API_OUTCOME_OTHER, "the settings changed");
        return;
    }
    wipe_string(request->secret);
    request->secret = token == NULL ? NULL : xstrdup(token);
    if (token != NULL)
        send_get(request);
    else
        fail(request, API_OUTCOME_CREDENTIAL, why);
}

/* Obtains an access token, if one is configured, and sends the GET. Also called after a redirect,
 * and to replace a refused token. */
static void ask(struct request *request)
{
    const struct cloud_conf *conf = request->api->conf;
    const struct credential_file file = credential_file(conf, CREDENTIAL_TOKEN_FILE);
    struct credential token;
    char why[256];

    if (is_outdated(request)) {
        fail(request, API_OUTCOME_OTHER, "the settings changed");
    } else if (conf->token_url[0] != '\0') {
        oauth_ask(request->api->oauth, &request->waiter);
    } else if (conf->token_file[0] == '\0') {
        send_get(request);
    } else if (credential_read(&file, &token, why, sizeof why)) {
        on_token(request, token.bytes, "");
        credential_wipe(&token);
    } else {
        credential_alarm(why);
        fail(request, API_OUTCOME_CREDENTIAL, why);
    }
}

/* Starts a GET of url, for a page of the change feed if polls is set. Does not use the project and
 * environment of *asked. */
static void get_http(struct api *api, const char *url, const struct api_request *asked, bool polls)
{
    struct request *request = request_new(api, url, DOCUMENT_SIZE_MAX, get_ended);
    char why[256];

    request->done = asked->done;
    request->arg = asked->arg;
    request->waiter = (struct oauth_waiter){.ready = on_token, .arg = request};
    request->validator = *asked->validator;
    request->polls = polls;
    if (!polls)
        request->validator.modified[0] = '\0'; /* of a file of an earlier version */
    else
        request->transfer.deadline =
            request->transfer.begun + (int64_t)1000 * api->conf->changes_wait + API_POLL_SLACK_MS;
    if (transfer_set_tls(&request->transfer, api->conf, why, sizeof why)) {
        ask(request);
    } else {
        credential_alarm(why);
        fail(request, API_OUTCOME_CREDENTIAL, why);
    }
}

/* Reads a document from a file and passes it to asked->done. The first directory_length bytes of
 * the URL's path are the API's directory (file_get). */
static void get_file(const char *url, size_t directory_length, const struct api_request *asked)
{
    struct api_result result;

    file_get(url_file_path(url), directory_length, asked->validator, &result);
    asked->done(asked->arg, &result);
    if (result.verdict == API_DOCUMENT)
        free((void *)(uintptr_t)result.body);
}

void api_get(struct api *api, const struct api_request *request)
{
    const struct api_result failure = {.detail = "access_url: too long once filled in"};
    const char *template = api->conf->access_url;
    char url[URL_SIZE];

    if (!url_expand(template, request->project, request->environment, url, sizeof url))
        request->done(request->arg, &failure);
    else if (api_is_file(api))
        get_file(url, url_directory_length(template), request);
    else
        get_http(api, url, request, false);
}

void api_poll(struct api *api, const char *url, const struct validator *validator, api_done *done,
              void *arg)
{
    const struct api_request request = {.validator = validator, .done = done, .arg = arg};

    get_http(api, url, &request, true);
}

/* ---- The token endpoint ---- */

static void post_ended(struct request *request, CURLcode code)
{
    struct transfer *transfer = &request->transfer;
    char why[256] = "";
    long status = 0;

    if (code == CURLE_OK)
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    else
        transfer_say_failure(transfer, code, why, sizeof why);
    oauth_posted(request->api->oauth, status, transfer->body, transfer->used, why);
    request_free(request);
}

/* The oauth_send function of api->oauth. A redirect of the POST is not followed. */
static void post(void *arg, const struct oauth_post *post)
{
    struct api *api = arg;
    struct request *request = request_new(api, post->url, OAUTH_ANSWER_MAX, post_ended);
    struct transfer *transfer = &request->transfer;
    char why[256] = "no memory for a request";

    request->secret = xstrdup(post->form);
    transfer_reserve(transfer);
    if (curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, request->secret) == CURLE_OK &&
        transfer_add_header(transfer, "Accept: ", "application/json") &&
        transfer_add_header(transfer, "Authorization: ", post->authorization) &&
        transfer_set_tls(transfer, api->conf, why, sizeof why) &&
        transfer_launch(transfer, api->conf, api->pool, why, sizeof why))
        return;
    request_free(request);
    oauth_posted(api->oauth, 0, NULL, 0, why);
}

/* ---- The client ---- */

struct api *api_new(struct loop *loop, const struct cloud_conf *conf)
{
    struct api *api = xcalloc(1, sizeof *api);
    unsigned char hash[DIGEST_SIZE];

    /* curl_global_init does not report a failure of OpenSSL, so a digest tests it. */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !digest_sha256("", 0, hash))
        fatal("libcurl or memory failed");
    api->ahead = INT64_MAX;
    api->conf = conf;
    api->asked_by = *conf;
    api->oauth = oauth_new(loop, conf, post, api);
    api->pool = pool_new(loop, on_ended, api);
    return api;
}

void api_free(struct api *api)
{
    for (struct request *at = LIST_FIRST(&api->requests), *next; at != NULL; at = next) {
        next = LIST_NEXT(at, entry);
        request_free(at);
    }
    pool_free(api->pool);
    oauth_free(api->oauth);
    free(api);
    curl_global_cleanup();
}

/* Whether both settings send requests to the same URLs, through the same proxy or socket, with
 * credentials and CAs from files of the same names. */
static bool asks_alike(const struct cloud_conf *a, const struct cloud_conf *b)
{
    return strcmp(a->access_url, b->access_url) == 0 &&
           strcmp(a->changes_url, b->changes_url) == 0 && strcmp(a->token_url, b->token_url) == 0 &&
           strcmp(a->token_file, b->token_file) == 0 &&
           strcmp(a->client_id_file, b->client_id_file) == 0 &&
           strcmp(a->client_cert, b->client_cert) == 0 &&
           strcmp(a->client_key, b->client_key) == 0 && strcmp(a->ca_file, b->ca_file) == 0 &&
           strcmp(a->proxy, b->proxy) == 0 && strcmp(a->api_socket, b->api_socket) == 0;
}

void api_configure(struct api *api, const struct cloud_conf *conf)
{
    if (!asks_alike(&api->asked_by, conf))
        api->generation++;
    api->asked_by = *conf;
    api->conf = conf;
    oauth_configure(api->oauth, conf);
}
