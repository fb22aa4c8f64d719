/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_HTTP_H
#define CLOUDAUTHD_METRICS_HTTP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The head of an HTTP/1 request (RFC 9112), as far as a server needs it that has one resource,
 * reads no body, and answers one request a connection. Pure functions.
 */

#define HTTP_HEAD_MAX 4096u /* bytes of a request's head */

/*
 * Looks at the n bytes that have come. 0: the head is not whole yet. Else the status to answer
 * with: 200 for GET or HEAD of path; 400, 404, 405, 431 (larger than HTTP_HEAD_MAX), 505. *head: a
 * HEAD, whose answer has no body.
 */
unsigned http_judge(const char *bytes, size_t n, const char *path, bool *head);

/* The phrase for a status that http_judge gives, or 503. */
const char *http_phrase(unsigned status);

#endif
