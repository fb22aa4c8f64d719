/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_RESULT_H
#define CLOUDAUTHD_API_RESULT_H

#include "base/validator.h"

#include <stddef.h>
#include <stdint.h>

/* The result of one request to the project API, over HTTP or from a file (docs/api.md,
 * "Answers"). */

#define API_RETRY_MAX 300u /* seconds: a longer Retry-After is reduced to this */

/* The most connections to an API without HTTP/2. The requests that the cache sends at a time for
 * unknown names and in the background (background.c) leave some of them free, so that the login of
 * a known account does not wait for those requests. */
#define API_CONNECTIONS_MAX 192

enum api_verdict {
    API_OUTAGE = 0, /* the request failed, or its status is none of those below */
    API_DOCUMENT,   /* status 200; the body is not parsed yet */
    API_UNCHANGED,  /* status 304: the document is the one whose validator was sent */
    API_ABSENT,     /* status 404 or 410: there is no such environment */
};

struct api_result {
    enum api_verdict verdict;
    const void *body; /* API_DOCUMENT only: `length` bytes, valid until api_done returns */
    size_t length;
    struct validator validator; /* of the document; empty: none, or the request was redirected */
    char detail[256];           /* API_OUTAGE only: the reason, for logs */
    uint32_t retry_after;       /* API_OUTAGE only: seconds, at most API_RETRY_MAX; 0: not given */
};

#endif
