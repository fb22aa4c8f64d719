/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_API_H
#define CLOUDAUTHD_API_API_H

#include "base/loop.h"
#include "base/validator.h"

#include "cloudauthd/api/oauth.h"
#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_RETRY_MAX 300u
#define API_URL_SIZE  2048 /* of a page of the account list, with the NUL */

/*
 * The project API's client: one GET of one access document, or of a page of the account list
 * (docs/api.md, "Answers"). https, http to loopback, and file. The only room that includes libcurl.
 * RFC 9110, RFC 9111.
 *
 * TLS 1.2 at least, always verified. A proxy is the configuration's or none. A redirect is followed
 * within its origin. What the host proves itself with: credentials.h and tokens.h. Where that
 * cannot be used nothing is sent, and it is an outage.
 */

enum api_verdict {
    API_OUTAGE = 0, /* anything that is not one of the others */
    API_DOCUMENT,   /* 200: the body, not looked at yet */
    API_UNCHANGED,  /* 304: what the validator stands for is still the truth */
    API_ABSENT,     /* 404, 410: there is no such environment */
};

struct api_result {
    enum api_verdict verdict;
    const void *body; /* API_DOCUMENT: length bytes, borrowed for the call */
    size_t length;
    struct validator validator; /* of the body; none if it came by a redirect */
    char detail[256];           /* API_OUTAGE: what went wrong */
    uint32_t
        retry_after; /* API_OUTAGE: seconds to wait as the server asks, at most API_RETRY_MAX */
};

typedef void api_done(void *arg, const struct api_result *result);

struct api;

/*
 * Checks that conf's access_url, accounts_url, token_url and proxy are ones we may use, and that
 * its files can be named (credentials.h). False with the reason in why.
 */
bool api_check(const struct cloud_conf *conf, char *why, size_t size);

/* NULL if libcurl or memory fails. conf has passed api_check, and must outlive the API. */
struct api *api_new(struct loop *loop, const struct cloud_conf *conf);
void api_free(struct api *api);

/*
 * The settings that requests from now on use. Requests under way keep the place that they went to
 * and what they were sent with; one that would have to prove itself again (it waits for a token, is
 * redirected, or refused) is an outage where the settings of that are others now: no credential
 * goes to a server that it was not configured for. conf may be the one of before, overwritten.
 */
void api_configure(struct api *api, const struct cloud_conf *conf);

/*
 * How many seconds this host's clock is ahead of the server's (behind: less than 0), by the Date of
 * its last answer. False if none has told. Nothing is decided by it.
 */
bool api_clock(const struct api *api, int64_t *offset);

/* How a request to the project API over HTTP ended. */
enum api_outcome {
    API_OUTCOME_OTHER = 0,  /* none of the others: memory, settings that changed under it */
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
    uint64_t milliseconds;           /* of all of these */
};
void api_look(const struct api *api, struct api_view *out);

/* Counts a request that ended. sent: libcurl had it, and it took so many milliseconds. */
void api_count(struct api_view *view, enum api_outcome outcome, bool sent, int64_t milliseconds);

/* Whether asking costs no network: file:// is looked at every time. */
bool api_is_file(const struct api *api);

/*
 * Asks for the document of project and environment, both in the grammar's alphabet. done is called
 * exactly once, perhaps before api_get returns; result is borrowed for that call. The request ends
 * within request_timeout. validator is what came with the last good document ("" : none).
 */
void api_get(struct api *api, const char *project, const char *environment,
             const struct validator *validator, api_done *done, void *arg);

/*
 * The same of a page of the account list: of accounts_url, or of what api_next_url made of it.
 * Of a file:// page the folder that it is in must open.
 */
void api_get_url(struct api *api, const char *url, const struct validator *validator,
                 api_done *done, void *arg);

/*
 * Where a page's link to the next one goes: href (RFC 3986, may be relative) from the page at url.
 * False, with the reason in why, where that is no URL, or not of the origin of first, which is
 * accounts_url: the same scheme, host and port; of file:// the same folder or one below it.
 */
bool api_next_url(const char *first, const char *url, const char *href, char out[API_URL_SIZE],
                  char *why, size_t size);

#endif
