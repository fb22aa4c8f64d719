/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_PROBLEM_H
#define CLOUDAUTHD_API_PROBLEM_H

#include "common/text.h"

#include <stddef.h>

/*
 * What an API says about a failure: the title and detail of application/problem+json (RFC 9457),
 * each quoted, with '?' for what is not plain ASCII, and cut. Adds nothing if the body is none, and
 * says so where it repeats the secret that the request was made with (NULL: there was none).
 */
void problem_add(struct cloud_text *text, const void *body, size_t n, const char *secret);

#endif
