/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_OAUTH_H
#define CLOUDAUTHD_API_OAUTH_H

#include "base/loop.h"

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * Obtains access tokens from a token endpoint: OAuth 2.0 (RFC 6749, RFC 6750), with the grant
 * client_credentials for client_id_file, or api_token for token_file. All requests share one token
 * and one exchange. A token is replaced before it expires, and when the API refuses it. After a
 * failure the endpoint is left alone for a while (back-off); requests in that time get the reason
 * of the failure.
 */

#define OAUTH_ANSWER_MAX 65536u /* bytes of the endpoint's answer */

struct oauth;

/* A POST to the endpoint; borrowed for the call, and wiped afterwards. */
struct oauth_post {
    const char *url;
    const char *authorization; /* the header's value */
    const char *form;          /* application/x-www-form-urlencoded */
};

/* Sends the POST, and calls oauth_posted once, perhaps before it returns. */
typedef void oauth_send(void *arg, const struct oauth_post *post);

/* A request for a token. The caller owns it and keeps it until ready is called, or until
 * oauth_free. */
struct oauth_waiter {
    /* token is borrowed for the call; NULL: there is none, for the reason in why. */
    void (*ready)(void *arg, const char *token, const char *why);
    void *arg;
    STAILQ_ENTRY(oauth_waiter) entry; /* oauth.c's */
};

/* NULL if out of memory. loop and conf outlive it. */
struct oauth *oauth_new(struct loop *loop, const struct cloud_conf *conf, oauth_send *send,
                        void *arg);

/* Frees it. Waiters are not called. */
void oauth_free(struct oauth *oauth);

/* The settings have changed: the token is forgotten. */
void oauth_configure(struct oauth *oauth, const struct cloud_conf *conf);

/* Asks for a token. waiter->ready is called once, perhaps before oauth_ask returns. */
void oauth_ask(struct oauth *oauth, struct oauth_waiter *waiter);

/* Takes the answer of the endpoint: its status and its body of n bytes, which this call overwrites;
 * or status 0 and the reason why there is no answer. */
void oauth_posted(struct oauth *oauth, long status, void *body, size_t n, const char *why);

/* For operators. */
struct oauth_view {
    bool token;         /* there is one, and it has not expired */
    int64_t left;       /* seconds until it expires */
    const char *why;    /* why the last exchange failed; "": it did not. Borrowed */
    uint64_t exchanges; /* requests to the token endpoint, since the start */
    uint64_t failures;  /* exchanges that failed, and files that could not be read */
};
void oauth_look(const struct oauth *oauth, struct oauth_view *out);

/* The API has refused this token. Returns whether it is worth asking for another one: it is not if
 * a token was forgotten within the last 10 seconds. */
bool oauth_may_replace(const struct oauth *oauth, const char *token);

/* Forgets this token, so that the next request leads to an exchange. Does nothing if the token has
 * been replaced already. */
void oauth_forget(struct oauth *oauth, const char *token);

#endif
