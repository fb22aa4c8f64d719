/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_PROBLEM_H
#define CLOUDAUTHD_API_PROBLEM_H

#include "common/text.h"

#include <stddef.h>

/*
 * Adds what an API says about a failure: the title and detail of application/problem+json (RFC
 * 9457), quoted, at most 70 bytes of each, with '?' for all but printable ASCII. Adds nothing if
 * the body is no such object. A text that repeats the secret of the request is withheld; secret may
 * be NULL.
 */
void problem_add(struct cloud_text *text, const void *body, size_t n, const char *secret);

#endif
