/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_TRANSFER_H
#define CLOUDAUTHD_API_TRANSFER_H

#include "base/validator.h"
#include "cloudauthd/api/credentials.h"
#include "cloudauthd/api/pool.h"
#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One HTTP exchange by libcurl: the options, the request's headers, and the answer (RFC 9110). TLS
 * 1.2 at least, always verified; a proxy is the configuration's or none; nothing comes from the
 * environment or ~/.netrc. Redirects are not followed here. The functions that take conf use its
 * settings as they are at the call; those with why and size write the reason there when they return
 * false.
 */
struct transfer {
    CURL *easy;
    struct pool_group *group; /* where it is running, or NULL */
    struct curl_slist *headers;
    struct credential cert, key; /* of client_cert: libcurl borrows them */
    int64_t begun, deadline;     /* cloud_clock_ms() */
    bool was_sent;               /* it was running at least once */
    bool plain;                  /* http without TLS */
    char error[CURL_ERROR_SIZE];
    /* The answer: */
    size_t most, used, size; /* bytes of the body: the limit, so far, of the buffer */
    char *body;
    bool too_large; /* the body is larger than `most`, and was aborted */
    bool coded;     /* it has a coding that was not asked for, and was aborted */
    bool head_done; /* libcurl takes an answer that ends in its header for a complete one */
    struct validator validator;
    char date[64], age[16]; /* RFC 9110, 6.6.1; RFC 9111, 5.1 */
};

/* Prepares a request of url. The body of its answer may have at most `most` bytes, and the request
 * may take at most request_timeout from now. transfer_owner returns owner. False if out of memory;
 * transfer_end is then not needed. */
bool transfer_start(struct transfer *transfer, const struct cloud_conf *conf, const char *url,
                    size_t most, void *owner);
void *transfer_owner(CURL *easy);

/* Aborts the transfer if it is running; wipes and frees everything. */
void transfer_end(struct transfer *transfer);

/* Sets what the server and this host prove themselves with: ca_file, client_cert, client_key. */
bool transfer_set_tls(struct transfer *transfer, const struct cloud_conf *conf, char *why,
                      size_t size);

/* Adds "name" and its value to the headers, unless the value is "". name ends with ": ". */
bool transfer_add_header(struct transfer *transfer, const char *name, const char *value);

/* Wipes and frees the headers. */
void transfer_drop_headers(struct transfer *transfer);

/* Allocates the whole buffer of the body now, so that libcurl's data is never moved and no copy of
 * a secret is left in freed memory. */
bool transfer_reserve(struct transfer *transfer);

/* Runs the transfer in the pool, for what is left of its time; also again, after another URL was
 * set. */
bool transfer_launch(struct transfer *transfer, const struct cloud_conf *conf, struct pool *pool,
                     char *why, size_t size);

/* Writes why there is no answer; code is libcurl's. The text contains nothing of a header or
 * body. */
void transfer_say_failure(const struct transfer *transfer, CURLcode code, char *out, size_t size);

#endif
