/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_API_H
#define CLOUDAUTHD_API_API_H

#include "base/loop.h"
#include "cloudauthd/api/oauth.h"
#include "cloudauthd/api/result.h"
#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The client of the project API: fetches access documents and pages of the change feed
 * (docs/api.md, "Answers") over https, over http to a loopback address or through api_socket (RFC
 * 9110, RFC 9111), or from files (file://).
 *
 * A redirect is followed only within its origin. This host authenticates with a bearer token from a
 * file (credentials.h) or from a token endpoint (oauth.h), or with a client certificate. If the
 * configured credential cannot be used, no request is sent and the result is an outage
 * (API_OUTAGE).
 */

/* Receives the result of a request, exactly once. *result is valid only during the call. */
typedef void api_done(void *arg, const struct api_result *result);

struct api;

/* Whether the URLs in conf may be used (url_check) and the paths of its credential files are known
 * (credentials_check). If not, writes the reason to why, of size bytes. */
bool api_check(const struct cloud_conf *conf, char *why, size_t size);

/* Creates the client. conf must have passed api_check. loop and conf must outlive the client. */
struct api *api_new(struct loop *loop, const struct cloud_conf *conf);

/* Frees the client. Requests that have not ended are dropped: api_done is not called for them. */
void api_free(struct api *api);

/*
 * Applies new settings to requests made from now on. A request under way keeps its URL and the
 * credential that it has sent. If the URLs, the proxy, api_socket or the names of the credential
 * files have changed, a request under way sends no further credential, because this might reach a
 * server that it is not meant for: a request that still waits for a token, is redirected or gets a
 * 401 ends as an outage. conf may be the same object as before, with new content.
 */
void api_configure(struct api *api, const struct cloud_conf *conf);

/* Whether access_url is a file:// URL: then requests for documents use no network. */
bool api_is_file(const struct api *api);

/* A request for the document of an environment. */
struct api_request {
    const char *project, *environment; /* valid names: they need no escaping in a URL */
    const struct validator *validator; /* of the last good document; empty if there is none */
    api_done *done;
    void *arg;
};

/* Requests a document. Calls done exactly once, at most request_timeout later and perhaps before
 * api_get returns. *request and what it points to need to be valid only until api_get returns. */
void api_get(struct api *api, const struct api_request *request);

/* Requests a page of the change feed. url is changes_url or a result of url_next. Calls done
 * exactly once, at most changes_wait + API_POLL_SLACK_MS later. api_view does not count these
 * requests. */
#define API_POLL_SLACK_MS 2000
void api_poll(struct api *api, const char *url, const struct validator *validator, api_done *done,
              void *arg);

/* How a request to the project API over HTTP ended. */
enum api_outcome {
    API_OUTCOME_OTHER = 0,  /* any other failure, such as no memory or changed settings */
    API_OUTCOME_DOCUMENT,   /* status 200 */
    API_OUTCOME_UNCHANGED,  /* status 304 */
    API_OUTCOME_ABSENT,     /* status 404 or 410 */
    API_OUTCOME_REFUSED,    /* status 401 or 403: the API refuses this host's credential */
    API_OUTCOME_THROTTLED,  /* status 429: too many requests */
    API_OUTCOME_STATUS,     /* any other status, or a redirect that is not followed */
    API_OUTCOME_TIMEOUT,    /* no complete answer within request_timeout */
    API_OUTCOME_TLS,        /* a certificate, the server's or this host's, was not accepted */
    API_OUTCOME_CONNECTION, /* resolving the name, connecting or the transfer failed */
    API_OUTCOME_CREDENTIAL, /* this host's credential cannot be used: no request was sent */
    API_OUTCOMES
};

/* Upper bounds, in milliseconds, of the buckets for durations of requests. The last bucket has no
 * bound. */
#define API_BUCKETS 12
extern const uint32_t api_bounds[API_BUCKETS - 1];

/* Figures for operators, since the start. */
struct api_view {
    struct oauth_view token;         /* figures of the token endpoint, used if token_url is set */
    uint64_t requests[API_OUTCOMES]; /* requests that have ended, by outcome */
    uint64_t bucket[API_BUCKETS];    /* requests that were sent, by duration; each in one bucket */
    uint64_t milliseconds;           /* the sum of the durations of requests that were sent */
};
void api_look(const struct api *api, struct api_view *out);

/* Returns by how many seconds the API's clock (the Date header of its last answer, in seconds since
 * 1970) is ahead of this host's time since boot. INT64_MAX: not known. If a call finds that this
 * host's wall clock has gained on the time since boot since that answer, it is not known until the
 * next answer: the time since boot may have stood still, as in a paused virtual machine. */
int64_t api_ahead(struct api *api);

/* Counts a request that has ended. sent: libcurl has run it, for `milliseconds`; otherwise the
 * duration is not counted. */
void api_count(struct api_view *view, enum api_outcome outcome, bool sent, int64_t milliseconds);

#endif
