/* SPDX-License-Identifier: Apache-2.0 */

/* The project API and its change feed, in the place of cloudauthd/api/api.c and url.c. */
#include "cloudauthd/api/api.h"
#include "cloudauthd/api/url.h"
#include "tests/sim/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELSEWHERE "https://elsewhere.example.com/"

/* ---- The API ---- */

static struct request {
    api_done *done;
    void *arg;
    int environment; /* -1: one that the API does not know */
    int origin;
    bool is_signed;
    bool is_known; /* the answer is a document that the daemon may have */
    int seen;      /* the version when the request was sent, or the number of the envelope */
    char etag[16]; /* of the request */
    struct good good;
    struct reply reply;
    int64_t at;
} requests[64];
static size_t in_flight;

static void platform_stop(void);

bool api_check(const struct cloud_conf *conf, char *why, size_t size)
{
    (void)conf;
    (void)why;
    (void)size;
    return true;
}

struct api *api_new(struct loop *loop, const struct cloud_conf *conf)
{
    (void)loop;
    (void)conf;
    return (struct api *)&requests;
}

void api_free(struct api *api)
{
    (void)api;
    in_flight = 0;
    platform_stop();
}

void api_configure(struct api *api, const struct cloud_conf *conf)
{
    (void)api;
    (void)conf;
}

bool api_is_file(const struct api *api)
{
    (void)api;
    return false;
}

void api_look(const struct api *api, struct api_view *out)
{
    (void)api;
    memset(out, 0, sizeof *out);
}

int64_t api_ahead(struct api *api)
{
    (void)api;
    return INT64_MAX;
}

const uint32_t api_bounds[API_BUCKETS - 1];

void api_count(struct api_view *view, enum api_outcome outcome, bool sent, int64_t milliseconds)
{
    (void)view;
    (void)outcome;
    (void)sent;
    (void)milliseconds;
}

static int find_environment(const char *project, const char *name)
{
    for (int i = 0; i < world->environments; i++)
        if (strcmp(world->environment[i].project, project) == 0 &&
            strcmp(world->environment[i].name, name) == 0)
            return i;
    return -1;
}

void api_get(struct api *api, const struct api_request *from)
{
    struct request *request = &requests[in_flight++];
    int number = find_environment(from->project, from->environment);

    (void)api;
    if (in_flight > sizeof requests / sizeof *requests)
        wrong("more than %zu requests are in flight", in_flight);
    *request = (struct request){.done = from->done, .arg = from->arg, .environment = number};
    snprintf(request->etag, sizeof request->etag, "%.15s", from->validator->etag);
    request->origin = world->origin;
    request->reply = scenario_reply(number);
    request->at = world->boot + request->reply.milliseconds;
    request->good =
        (struct good){.lived = world->lived, .wall = world->wall, .boots = world->boots};
    if (number < 0)
        return;
    if (world->environment[number].asked < 0)
        world->environment[number].asked = world->boot;
    request->is_signed = world->settings.signers != 0;
    request->seen = request->is_signed ? publisher_sign(number) : world->environment[number].now;
    say("  the API is asked for %s: %s in %lld ms", world->environment[number].plain,
        request->reply.what, (long long)request->reply.milliseconds);
}

static char answer_text[65536];

static void answer_body(struct api_result *result, size_t length)
{
    result->verdict = API_DOCUMENT;
    result->body = answer_text;
    result->length = length;
}

/* An answer with a validator. Returns false if the request has the same. */
static bool has_changed(const struct request *request, struct api_result *result, const char *etag)
{
    snprintf(result->validator.etag, sizeof result->validator.etag, "%s", etag);
    if (strcmp(request->etag, etag) == 0 && !one_in(4)) {
        result->verdict = API_UNCHANGED;
        return false;
    }
    if (one_in(8))
        result->validator.etag[0] = '\0';
    return true;
}

/* The daemon is told of the envelope: what the model thinks of that. */
static enum verdict take(struct request *request, const struct envelope *envelope)
{
    request->good.version = envelope->version;
    request->good.issued = envelope->issued;
    request->good.signers = envelope->signers;
    request->is_known = model_has(request->environment, envelope);
    return model_takes(request->environment, envelope);
}

static enum verdict answer_signed(struct request *request, struct api_result *result)
{
    int number = one_in(2) ? request->seen : publisher_sign(request->environment);
    const struct envelope *envelope = &world->envelope[number];
    char etag[16];

    snprintf(etag, sizeof etag, "\"e%d\"", number);
    if (has_changed(request, result, etag))
        answer_body(result, envelope_write(envelope, answer_text, sizeof answer_text));
    return take(request, envelope);
}

/* What the API truly has: a document, or none. Returns whether it is a good answer. */
static enum verdict answer_true(struct request *request, struct api_result *result)
{
    int version = ABSENT;
    char etag[16];

    if (request->environment >= 0 && request->is_signed)
        return answer_signed(request, result);
    if (request->environment >= 0)
        version = one_in(2) ? request->seen : world->environment[request->environment].now;
    request->good.version = version;
    snprintf(etag, sizeof etag, "\"v%d\"", version);
    if (version == ABSENT && (request->environment < 0 || !one_in(4)))
        result->verdict = API_ABSENT;
    else if (version == ABSENT) /* a tombstone */
        answer_body(result, scenario_write(request->environment, ABSENT, 0, answer_text,
                                           sizeof answer_text));
    else if (has_changed(request, result, etag))
        answer_body(result, scenario_write(request->environment, version, 0, answer_text,
                                           sizeof answer_text));
    return request->is_signed ? NO : YES;
}

/* The answer says that the document of the request is current. */
static enum verdict answer_unchanged(struct request *request, struct api_result *result)
{
    int number = (int)strtol(request->etag + 2, NULL, 10); /* "v<version>", "e<envelope>" */

    if (request->etag[0] == '\0')
        return NO;
    result->verdict = API_UNCHANGED;
    if (request->etag[1] == 'e')
        return take(request, &world->envelope[number]);
    request->good.version = number;
    return YES;
}

static enum verdict answer_envelope(struct request *request, struct api_result *result)
{
    struct envelope *envelope = &request->reply.envelope;

    if (envelope->flaw == ENVELOPE_SWAPPED &&
        envelope->version == world->environment[envelope->environment].now)
        envelope->flaw = ENVELOPE_GOOD; /* it is the same payload */
    answer_body(result, envelope_write(envelope, answer_text, sizeof answer_text));
    return take(request, envelope);
}

static enum verdict answer(struct request *request, struct api_result *result)
{
    switch (request->reply.kind) {
    case REPLY_TRUE:
        return answer_true(request, result);
    case REPLY_UNCHANGED:
        return answer_unchanged(request, result);
    case REPLY_ENVELOPE:
        return answer_envelope(request, result);
    case REPLY_BODY:
        result->verdict = API_DOCUMENT;
        result->body = request->reply.body;
        result->length = strlen(request->reply.body);
        return NO;
    case REPLY_ABSENT:
        result->verdict = API_ABSENT;
        request->good.version = ABSENT;
        return request->is_signed ? NO : YES;
    case REPLY_OUTAGE:
        return NO;
    }
    return NO;
}

static void deliver(size_t i)
{
    struct request request = requests[i];
    struct api_result result = {.verdict = API_OUTAGE, .retry_after = request.reply.retry_after};
    enum verdict good;

    requests[i] = requests[--in_flight];
    snprintf(result.detail, sizeof result.detail, "%s", request.reply.what);
    good = answer(&request, &result);
    request.good.doubtful = good == EITHER;
    if (request.environment >= 0) {
        struct environment *e = &world->environment[request.environment];
        say("  the API answers for %s: %s%s (version %d, issued %lld by %u%s)", e->plain,
            request.reply.what, result.verdict == API_UNCHANGED ? ", unchanged" : "",
            good != NO ? request.good.version : -9, (long long)request.good.issued,
            request.good.signers, good == EITHER ? ", perhaps" : "");
        if (request.origin == world->origin) /* else it is of another API */
            model_answered(request.environment, good != NO ? &request.good : NULL);
        if (good == NO && (request.is_signed ? request.is_known : request.reply.is_document))
            model_refuses(request.environment);
        e->asked = -1;
    }
    request.done(request.arg, &result);
}

/* ---- The change feed ---- */

/* The request that the daemon has under way. */
static struct {
    api_done *done;
    void *arg;
    bool held, further; /* further: for the second page */
    bool first;         /* it has no cursor that the server knows */
    bool old;           /* the settings were reloaded since */
    bool elsewhere;     /* the next page is said to be at another server */
    int since;          /* its cursor: of how many changes the daemon knows */
    int64_t at;
    int64_t wall; /* when the first page was asked for */
    enum { FEED_TRUE, FEED_OUTAGE, FEED_GARBAGE, FEED_NO_CURSOR } answer;
} poll;

enum { MOST_NAMES = 4096 }; /* an answer with more of them names all */

/* The answer of several pages that is being fetched: its names. */
static bool naming[ENVIRONMENTS], is_whole;

void platform_changed(int environment)
{
    world->changed[world->changes++ % CHANGES] = environment;
    if (poll.held && poll.answer == FEED_TRUE && !poll.further)
        poll.at = world->boot + 1 + below(100);
}

void platform_restored(void)
{
    world->feed_server++;
    if (!poll.held)
        return;
    poll.answer = FEED_OUTAGE; /* its connections end */
    poll.at = world->boot + 1 + below(100);
}

/* Reads the cursor: "c<server>.<changes>". */
static void read_cursor(const char *etag)
{
    char *end = NULL;

    poll.since = 0;
    poll.first = etag[0] == '\0' || strtol(etag + 2, &end, 10) != world->feed_server;
    if (!poll.first)
        poll.since = (int)strtol(end + 1, NULL, 10);
}

void api_poll(struct api *api, const char *url, const struct validator *validator, api_done *done,
              void *arg)
{
    int64_t wait = 10000;

    (void)api;
    poll.done = done;
    poll.arg = arg;
    poll.held = true;
    poll.old = false;
    poll.further = strchr(url, '?') != NULL;
    poll.answer = FEED_TRUE;
    if (!poll.further) {
        read_cursor(validator->etag);
        memset(naming, 0, sizeof naming);
        is_whole = poll.first;
        poll.wall = world->wall;
    }
    if (world->api == 3 || (world->api != 0 && one_in(3))) {
        poll.answer = one_in(2) ? FEED_OUTAGE : one_in(2) ? FEED_GARBAGE : FEED_NO_CURSOR;
        wait = one_in(2) ? wait + API_POLL_SLACK_MS : below(10000);
        if (wait > 10000)
            poll.answer = FEED_OUTAGE;
    } else if (poll.first || poll.further || poll.since < world->changes || one_in(32)) {
        wait = 1 + below(200);
    }
    poll.at = world->boot + wait;
    say("  the feed is asked%s", poll.first ? " for all" : poll.further ? " for a page" : "");
}

/* A name as the feed may have it: of the environment, or of its project. */
static int put_name(char *out, size_t size, int environment, bool is_next)
{
    const struct environment *e = &world->environment[environment];

    if (one_in(8))
        return snprintf(out, size, "%s{\"project\":\"%s\"}", is_next ? "," : "", e->project);
    return snprintf(out, size, "%s{\"project\":\"%s\",\"environment\":\"%s\"}", is_next ? "," : "",
                    e->project, e->name);
}

/* Writes as many names that no host has as make the answer's names just few enough, or one too
 * many. Returns the length. */
static int put_many(char *out, size_t size, int names)
{
    static const char name[] = ",{\"project\":\"zzzzz\"}";
    int all = MOST_NAMES + (int)below(2), n = 0;

    is_whole = is_whole || all > MOST_NAMES;
    for (int i = names; i < all; i++)
        n += snprintf(out + n, size - (size_t)n, "%s", i == 0 ? name + 1 : name);
    return n;
}

/* What follows the names. */
static void put_end(char *out, size_t size, bool whole, bool more)
{
    static const char next[] = ",\"_links\":{\"next\":{\"href\":\"%s?page=2\"}}";
    char link[128] = "";

    poll.elsewhere = more && one_in(8);
    if (more)
        snprintf(link, sizeof link, next, poll.elsewhere ? ELSEWHERE : "");
    snprintf(out, size, "],\"whole\":%s%s}", whole ? "true" : "false", link);
}

/* Writes a page of the answer. Returns whether another one follows. */
static bool put_page(char *out, size_t size)
{
    bool more = !poll.further && one_in(4), whole = poll.first || one_in(16);
    int n = snprintf(out, size, "{\"changed\":["), names = 0;

    for (int i = 0; i < world->environments; i++) {
        bool named = whole;
        for (int k = poll.since; k < world->changes; k++)
            named = named || world->changed[k % CHANGES] == i;
        if (world->changes - poll.since > CHANGES)
            named = true;
        /* With several pages each name stands in one of them. */
        if (!named || (poll.further && naming[i]) || (more && one_in(2)))
            continue;
        if (whole && world->environment[i].now == ABSENT && one_in(2))
            continue; /* there is no such environment for this host to serve */
        naming[i] = true;
        n += put_name(out + n, size - (size_t)n, i, names++ > 0);
    }
    if (one_in(6)) /* one that this host does not know */
        n += snprintf(out + n, size - (size_t)n, "%s{\"project\":\"zzzzzzzzzz\"}",
                      names++ > 0 ? "," : "");
    if (!more && !poll.further && one_in(128))
        n += put_many(out + n, size - (size_t)n, names);
    put_end(out + n, size - (size_t)n, whole, more);
    is_whole = is_whole || whole;
    if (is_whole)
        memset(naming, 1, sizeof naming);
    return more;
}

/* The last page has come. */
static void tell_model(void)
{
    if (poll.old)
        return;
    if (world->wall - poll.wall > 11000) /* too late: it may name nothing */
        memset(naming, 0, sizeof naming);
    model_feed(naming, is_whole);
}

static void tell_failure(void)
{
    if (!poll.old)
        model_feed(NULL, false);
}

static void answer_poll(void)
{
    static char body[128 * 1024];
    struct api_result result = {.verdict = API_DOCUMENT, .body = body};
    bool further = poll.further;

    poll.held = false;
    snprintf(result.detail, sizeof result.detail, "the feed is cut");
    snprintf(result.validator.etag, sizeof result.validator.etag, "\"c%d.%d\"", world->feed_server,
             world->changes);
    switch (poll.answer) {
    case FEED_OUTAGE:
        result.verdict = API_OUTAGE;
        tell_failure();
        break;
    case FEED_GARBAGE:
        snprintf(body, sizeof body, "{\"changed\":[{}]}");
        tell_failure();
        break;
    case FEED_NO_CURSOR:
        snprintf(body, sizeof body, "{\"changed\":[]}");
        if (further)
            tell_model(); /* of a further page it does not count */
        else
            tell_failure();
        memset(&result.validator, 0, sizeof result.validator);
        break;
    case FEED_TRUE:
        if (!further && !poll.first && poll.since == world->changes && !one_in(8))
            result.verdict = API_UNCHANGED;
        else if (put_page(body, sizeof body)) { /* nothing of it counts yet */
            if (poll.elsewhere)
                tell_failure();
            break;
        }
        tell_model();
        break;
    }
    result.length = result.verdict == API_DOCUMENT ? strlen(body) : 0;
    say("  the feed answers: %s", result.verdict == API_DOCUMENT    ? body
                                  : result.verdict == API_UNCHANGED ? "nothing has changed"
                                                                    : "an error");
    poll.done(poll.arg, &result);
}

void platform_reloaded(void)
{
    poll.old = true;
}

static void platform_stop(void)
{
    poll.held = false;
}

/* ---- When ---- */

int64_t platform_due(int64_t most)
{
    for (size_t i = 0; i < in_flight; i++)
        if (requests[i].at < most)
            most = requests[i].at;
    return poll.held && poll.at < most ? poll.at : most;
}

bool platform_answer(void)
{
    if (poll.held && poll.at <= world->boot) {
        host_event();
        answer_poll();
        return true;
    }
    for (size_t i = 0; i < in_flight; i++)
        if (requests[i].at <= world->boot) {
            host_event();
            deliver(i);
            return true;
        }
    return false;
}

/* ---- URLs, which libcurl would parse ---- */

bool url_is_file(const char *url)
{
    (void)url;
    return false;
}

const char *url_file_path(const char *url)
{
    return url;
}

bool url_expand(const char *template, const char *project, const char *environment, char *out,
                size_t size)
{
    snprintf(out, size, "%s/%s/%s", template, project, environment);
    return true;
}

bool url_next(const struct url_link *link, char out[URL_SIZE], char *why, size_t size)
{
    if (strncmp(link->href, ELSEWHERE, strlen(ELSEWHERE)) == 0) {
        snprintf(why, size, "another server");
        return false;
    }
    snprintf(out, URL_SIZE, "%s%s", link->first, link->href);
    return true;
}
