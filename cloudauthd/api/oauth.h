/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_OAUTH_H
#define CLOUDAUTHD_API_OAUTH_H

#include "base/loop.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The access token that a token endpoint gives for what is in a file: OAuth 2.0 (RFC 6749, RFC
 * 6750), with the grant client_credentials for client_id_file, api_token for token_file. One
 * exchange is under way, whoever waits for it. A token is exchanged anew ahead of its end, and when
 * the API refuses it. After a failure the endpoint is left alone for a while, and whoever asks
 * meanwhile is told of it.
 */

#define OAUTH_ANSWER_MAX 65536u /* bytes of the endpoint's answer */

struct oauth;

/* A POST to the endpoint; borrowed for the call, wiped after. */
struct oauth_post {
    const char *url;
    const char *authorization; /* the header's value */
    const char *form;          /* application/x-www-form-urlencoded */
};

/* Sends it, and calls oauth_posted once, perhaps before it returns. */
typedef void oauth_send(void *arg, const struct oauth_post *post);

/* Somebody who waits; the caller owns it and keeps it until ready, or until oauth_free. */
struct oauth_waiter {
    /* token is borrowed for the call; NULL: there is none, and why says why. */
    void (*ready)(void *arg, const char *token, const char *why);
    void *arg;
    struct oauth_waiter *next; /* the tokens' own */
};

/* NULL if memory is out. loop and conf outlive the tokens. */
struct oauth *oauth_new(struct loop *loop, const struct cloud_conf *conf, oauth_send *send,
                        void *arg);
void oauth_free(struct oauth *tokens); /* calls nobody */

/* The settings changed: the token is forgotten. */
void oauth_configure(struct oauth *tokens, const struct cloud_conf *conf);

/* waiter->ready is called once, perhaps before oauth_ask returns. */
void oauth_ask(struct oauth *tokens, struct oauth_waiter *waiter);

/*
 * The endpoint's answer: its status and its body of n bytes, which may be overwritten; or status 0
 * and why there is none.
 */
void oauth_posted(struct oauth *tokens, long status, void *body, size_t n, const char *why);

/* For operators. */
struct oauth_view {
    bool token;         /* there is one, and it has not expired */
    int64_t left;       /* seconds until it expires */
    const char *why;    /* why the last exchange failed; "": it did not. Borrowed for the call */
    uint64_t exchanges; /* requests to the token endpoint, since the start */
    uint64_t failures;  /* exchanges that failed, and files that could not be read */
};
void oauth_look(const struct oauth *tokens, struct oauth_view *out);

/* The API refused this token. Whether it is worth asking for another: not all the time. */
bool oauth_refused(struct oauth *tokens, const char *token);

#endif
