/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_PROBLEM_H
#define CLOUDAUTHD_API_PROBLEM_H

#include "common/text.h"

#include <stddef.h>

/*
 * Appends to text what the API says about a failure: `title` and `detail` of the
 * application/problem+json object (RFC 9457) in a body of n bytes. Each is quoted and cut to 70
 * bytes, and has '?' in place of each quote, backslash and byte that is not printable ASCII. One
 * that contains secret (the request's credential, or NULL) is replaced by a note. Appends nothing
 * if the body is not such an object, or is larger than 16 KiB.
 */
void problem_add(struct cloud_text *text, const void *body, size_t n, const char *secret);

#endif
