/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_CERTIFICATES_H
#define CLOUDAUTHD_METRICS_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When certificates expire (RFC 5280, 4.1.2.5), so that operators are told in time. Which
 * certificates are trusted is decided by libcurl. */

#define CERTIFICATES_MAX 64 /* of a file; further ones are not read */

/* When the certificates of a file expire, in seconds since 1970. */
struct certificates {
    size_t n;
    int64_t first; /* of the first: in a chain, the host's own */
    int64_t earliest;
};

/* Reads the certificates of n bytes of PEM (RFC 7468); other blocks are skipped. False if there is
 * no certificate, or one that cannot be parsed. */
bool certificates_read(const char *pem, size_t n, struct certificates *out);

#endif
