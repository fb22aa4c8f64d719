/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_METRICS_HEALTH_H
#define CLOUDAUTHD_METRICS_HEALTH_H

#include "access/denials.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/server/context.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * How the daemon is, for operators: what cloudauthctl status and the metrics both say.
 */

#define HEALTH_NO_TIME INT64_MIN

enum health_file {
    HEALTH_TOKEN_FILE,
    HEALTH_CLIENT_ID_FILE,
    HEALTH_CLIENT_CERT,
    HEALTH_CLIENT_KEY,
    HEALTH_CA_FILE,
    HEALTH_FILES
};

/* The settings' names for them. */
extern const char *const health_file_keys[HEALTH_FILES];

struct health_credentials {
    bool set[HEALTH_FILES], usable[HEALTH_FILES];
    char why[256];                /* of the first that is not usable; or "" */
    int64_t client_cert, ca_file; /* when the client's certificate, and the first of all in ca_file,
                                     end: seconds since 1970; HEALTH_NO_TIME: not known */
    bool by_token_url;
    bool token;        /* there is an access token that lives */
    int64_t token_end; /* its end, or HEALTH_NO_TIME */
    char token_why[256];
};

/* Reads the files, as each request does. */
void health_credentials(const struct context *context, struct health_credentials *out);

/* All documents of the cache; the ages in seconds. To be zeroed. */
struct health_documents {
    uint64_t known, fresh, failing, unusable, absent, unknown;
    int64_t oldest, freshest; /* of those that are known */
    char error[512];          /* of one that fails */
};

/* cache_see: counts one. arg is a struct health_documents. */
cache_see health_count;

/* Denials in force now, by enum denial_kind. */
void health_denials(const struct context *context, uint64_t by_kind[DENIAL_ENVIRONMENT + 1]);

#endif
