/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_HEALTH_H
#define CLOUDAUTHD_METRICS_HEALTH_H

#include "access/denials.h"
#include "cloudauthd/api/credentials.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/server/context.h"

#include <stdbool.h>
#include <stdint.h>

/* The state of the daemon, as both cloudauthctl status and the metrics report it. */

#define HEALTH_NO_TIME INT64_MIN /* the time is not known, or there is none */

struct health_credentials {
    bool set[CREDENTIALS], usable[CREDENTIALS]; /* by enum credential_id */
    char why[256];       /* why the first unusable file cannot be used; "" if all can be */
    int64_t client_cert; /* when client_cert expires (seconds since 1970), or HEALTH_NO_TIME */
    int64_t ca_file;     /* the earliest expiry of a certificate of ca_file, or HEALTH_NO_TIME */
    bool by_token_url;   /* token_url is set; the members below are about it */
    bool token;          /* there is an access token that has not expired */
    int64_t token_end;   /* when the access token expires, or HEALTH_NO_TIME */
    char token_why[256]; /* why the last request for a token failed; "" if it did not */
};

/* Reads the credential files as a request to the API does, and looks at the access token. */
void health_credentials(const struct context *context, struct health_credentials *out);

/* Counts of the environments in the cache (write_documents in metrics.c says what each count
 * means). The caller zeroes them before the first health_count. */
struct health_documents {
    uint64_t known, fresh, failing, unusable, absent, unknown;
    uint64_t aged;            /* documents whose age is known */
    int64_t oldest, freshest; /* ages of these, in seconds */
    char error[512];          /* the first environment that is failing, and why; "" if none is */
};

/* Adds an environment to the counts. */
void health_count(struct health_documents *out, const struct cache_view *view);

/* Work that waits for the disk: documents to read, and changes to write. */
struct health_disk {
    size_t reads, changes;
    int64_t seconds; /* how long the oldest job under way has been running; 0: none */
};
void health_disk(const struct context *context, struct health_disk *out);

/* Counts the denials that are in force now into by_kind, by enum denial_kind. Returns their sum. */
uint64_t health_denials(const struct context *context, uint64_t by_kind[DENIAL_KINDS]);

/* When certificates expire (RFC 5280, 4.1.2.5), so that operators are told in time. libcurl, not
 * this code, decides which certificates are trusted. */

#define CERTIFICATES_MAX 64 /* certificates of one file; further ones are not read */

/* When the certificates of a file expire, in seconds since 1970. */
struct certificates {
    size_t n;
    int64_t first;    /* that of the first certificate, which in a chain is the host's own */
    int64_t earliest; /* of all certificates */
};

/* Reads the certificates in n bytes of PEM (RFC 7468); other blocks are skipped. False if there is
 * no certificate, or one that cannot be parsed. */
bool certificates_read(const char *pem, size_t n, struct certificates *out);

#endif
