/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_RESULT_H
#define CLOUDAUTHD_API_RESULT_H

#include "base/validator.h"

#include <stddef.h>
#include <stdint.h>

/* What one request to the project API led to, by https or file (docs/api.md, "Answers"). */

#define API_RETRY_MAX 300u

/* The most connections to a server without HTTP/2. They are more than the requests that the cache
 * sends at a time for unknown names and in the background, so that a login does not wait for
 * those. */
#define API_CONNECTIONS_MAX 192

enum api_verdict {
    API_OUTAGE = 0, /* anything that is not one of the others */
    API_DOCUMENT,   /* 200: the body, not parsed yet */
    API_UNCHANGED,  /* 304: the validator still matches */
    API_ABSENT,     /* 404, 410: there is no such environment */
};

struct api_result {
    enum api_verdict verdict;
    const void *body; /* API_DOCUMENT: length bytes, borrowed for the call */
    size_t length;
    struct validator validator; /* of the body; empty if it came by a redirect */
    char detail[256];           /* API_OUTAGE: the reason, for logs */
    uint32_t retry_after; /* API_OUTAGE: Retry-After in seconds, at most API_RETRY_MAX; 0: none */
};

#endif
