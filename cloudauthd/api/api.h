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
 * The project API's client: GETs an access document, or a page of the change feed (docs/api.md,
 * "Answers"), by https, http to loopback, or from files. RFC 9110, RFC 9111.
 *
 * A redirect is followed within its origin. This host proves itself with a bearer token from a file
 * (credentials.h) or from a token endpoint (oauth.h), or with a client certificate. If those cannot
 * be used no request is sent, and the result is an outage.
 */

/* Called once for each request; result is borrowed for the call. */
typedef void api_done(void *arg, const struct api_result *result);

struct api;

/* Whether the URLs in conf may be used (url.h), and its credentials' files have paths. False with
 * the reason in why. */
bool api_check(const struct cloud_conf *conf, char *why, size_t size);

/* NULL if libcurl or memory fails. conf has passed api_check, and outlives the API. */
struct api *api_new(struct loop *loop, const struct cloud_conf *conf);

/* Frees the API. api_done is not called for requests that have not ended. */
void api_free(struct api *api);

/*
 * Sets the settings for requests that are made from now on. A request under way keeps its URL and
 * the credential that was sent. If it would have to send a credential again, because it waits for a
 * token, is redirected or was refused, and a setting that says where to ask or with which
 * credential has changed, it ends as an outage: so no credential goes to a server that it is not
 * configured for. conf may be the same object as before, with new content.
 */
void api_configure(struct api *api, const struct cloud_conf *conf);

/* Whether access_url is a file:// URL, so that asking costs no network. */
bool api_is_file(const struct api *api);

/* A question for the document of an environment. */
struct api_request {
    const char *project, *environment; /* in the grammar's alphabet */
    const struct validator *validator; /* of the last good document, or an empty one */
    api_done *done;
    void *arg;
};

/* Asks for a document. done is called exactly once, within request_timeout and perhaps before
 * api_get returns. The strings and the validator of the request are borrowed for the call of
 * api_get. */
void api_get(struct api *api, const struct api_request *request);

/* Asks for a page of the change feed, which is changes_url or the result of url_next. May take
 * changes_wait + API_POLL_SLACK_MS. The counts below leave these requests out. */
#define API_POLL_SLACK_MS 2000
void api_poll(struct api *api, const char *url, const struct validator *validator, api_done *done,
              void *arg);

/* How a request to the project API over HTTP ended. */
enum api_outcome {
    API_OUTCOME_OTHER = 0,  /* none of the others: memory, settings that changed meanwhile */
    API_OUTCOME_DOCUMENT,   /* 200 */
    API_OUTCOME_UNCHANGED,  /* 304 */
    API_OUTCOME_ABSENT,     /* 404, 410 */
    API_OUTCOME_REFUSED,    /* 401, 403: this host's credential */
    API_OUTCOME_THROTTLED,  /* 429 */
    API_OUTCOME_STATUS,     /* any other status */
    API_OUTCOME_TIMEOUT,    /* no answer in time */
    API_OUTCOME_TLS,        /* the server's certificate, or this host's, was not accepted */
    API_OUTCOME_CONNECTION, /* no name, no connection, or one that broke */
    API_OUTCOME_CREDENTIAL, /* a file or token of this host cannot be used: nothing was sent */
    API_OUTCOMES
};

/* Upper bounds of the durations' buckets, in milliseconds; the last bucket has none. */
#define API_BUCKETS 12
extern const uint32_t api_bounds[API_BUCKETS - 1];

/* For operators. */
struct api_view {
    struct oauth_view token;         /* where token_url is set */
    uint64_t requests[API_OUTCOMES]; /* since the start */
    uint64_t bucket[API_BUCKETS];    /* durations of those that were sent; not cumulated */
    uint64_t milliseconds;           /* the sum of these durations */
    bool clock_known;                /* an answer had a Date: */
    int64_t clock_offset; /* by how many seconds this host's clock is ahead of the last one */
};
void api_look(const struct api *api, struct api_view *out);

/* Counts a request that ended. sent: it was given to libcurl, and took that many milliseconds. */
void api_count(struct api_view *view, enum api_outcome outcome, bool sent, int64_t milliseconds);

#endif
