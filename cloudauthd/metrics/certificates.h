/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_CERTIFICATES_H
#define CLOUDAUTHD_METRICS_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * When certificates end. Seconds since 1970. Decides nothing: whom to believe is libcurl's to say.
 */

#define CERTIFICATES_MAX 64 /* of a file that are looked at */

struct certificates {
    size_t n;
    int64_t first;    /* notAfter of the first: of a chain, the one that is shown */
    int64_t earliest; /* of all */
};

/* Reads the certificates of a PEM text of n bytes; other PEM blocks are passed over. False if there
 * is none, or one that is no certificate. */
bool certificates_read(const char *pem, size_t n, struct certificates *out);

#endif
