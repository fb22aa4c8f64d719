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
 * One HTTP exchange by libcurl: its options, the request's headers, and the answer (RFC 9110). The
 * TLS version is 1.2 or later, and certificates are always verified. The proxy is the configured
 * one or none; no proxy and no login is taken from environment variables or ~/.netrc. Redirects are
 * not followed here. A function that takes conf uses the settings at the time of the call. One that
 * takes why and size writes the reason to why when it returns false.
 */
struct transfer {
    CURL *easy;
    struct pool_group *group; /* the group in which the transfer runs; NULL while it does not run */
    struct curl_slist *headers;
    struct credential cert, key, ca; /* client_cert, client_key, ca_file: libcurl borrows them */
    int64_t begun, deadline;         /* cloud_clock_ms() when it began, and by when it must end */
    bool was_sent;                   /* transfer_launch has started it at least once */
    bool plain;                      /* http without TLS */
    char error[CURL_ERROR_SIZE];
    /* The answer to the last request: */
    size_t most, used, size; /* bytes: limit of the body, its length so far, size of `body` */
    char *body;
    bool too_large; /* the transfer was aborted: the body is larger than `most` */
    bool coded;     /* the transfer was aborted: the body has a coding that was not asked for */
    bool head_done; /* the header is complete; libcurl reports success even if it is not */
    struct validator validator;
    char date[64], age[16];    /* values of the headers Date and Age, or "" */
    int64_t dated, dated_wall; /* cloud_clock_ms() and time(2) when Date was received */
};

/* Prepares a request for url. The answer's body may have at most `most` bytes. The deadline is
 * request_timeout from now. transfer_owner returns `owner`, given the libcurl handle of the
 * transfer. */
void transfer_start(struct transfer *transfer, const struct cloud_conf *conf, const char *url,
                    size_t most, void *owner);
void *transfer_owner(CURL *easy);

/* Aborts the transfer if it is running, and wipes and frees what *transfer owns. */
void transfer_end(struct transfer *transfer);

/* Sets the CAs that verify the server's certificate (ca_file), and this host's own certificate and
 * key (client_cert, client_key). False if a file cannot be used, or memory is short. */
bool transfer_set_tls(struct transfer *transfer, const struct cloud_conf *conf, char *why,
                      size_t size);

/* Adds a header to the request, unless value is "". name ends with ": ". False if memory is short,
 * or if the line is too long. */
bool transfer_add_header(struct transfer *transfer, const char *name, const char *value);

/* Wipes and frees the headers of the request. */
void transfer_drop_headers(struct transfer *transfer);

/* Allocates the whole buffer of the body now: otherwise realloc(3) might move the buffer, and leave
 * a copy of a secret in freed memory. */
void transfer_reserve(struct transfer *transfer);

/* Starts the transfer in the pool, where it runs until its deadline at most. May be called again
 * when the transfer has ended, for another URL or with other headers; this replaces
 * transfer->easy. */
bool transfer_launch(struct transfer *transfer, const struct cloud_conf *conf, struct pool *pool,
                     char *why, size_t size);

/* Writes to out why a transfer that ended with `code` has no answer. The text contains nothing of
 * the answer's header or body. */
void transfer_say_failure(const struct transfer *transfer, CURLcode code, char *out, size_t size);

#endif
