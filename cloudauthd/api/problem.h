/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_PROBLEM_H
#define CLOUDAUTHD_API_PROBLEM_H

#include "common/text.h"

#include <stddef.h>

/*
 * Appends what the API says about a failure to text: `title` and `detail` of an
 * application/problem+json object in a body of n bytes (RFC 9457), each quoted, cut to 70 bytes,
 * and with '?' for each quote, backslash and byte that is not printable ASCII. A string that
 * contains secret (the request's credential, or NULL) is replaced by a note. Appends nothing if the
 * body is no such object, or is larger than 16 KiB.
 */
void problem_add(struct cloud_text *text, const void *body, size_t n, const char *secret);

#endif
