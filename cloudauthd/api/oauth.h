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
 * Obtains access tokens from a token endpoint: OAuth 2.0 (RFC 6749, RFC 6750), with the grant type
 * client_credentials if client_id_file is set, or api_token if token_file is set. All requests
 * share one token and one exchange, which is a POST to the endpoint. A token is replaced before it
 * expires, and when the API refuses it. After a failed exchange no other one is sent for a while
 * (back-off); a caller that asks for a token in that time gets the reason of the failure.
 */

#define OAUTH_ANSWER_MAX 65536u /* the most bytes of the endpoint's answer */

struct oauth;

/* A POST to the token endpoint. Its strings are valid only during the call, and are wiped
 * afterwards. */
struct oauth_post {
    const char *url;
    const char *authorization; /* the value of the Authorization header */
    const char *form;          /* the body: application/x-www-form-urlencoded */
};

/* Sends the POST. Leads to exactly one call of oauth_posted, perhaps before oauth_send returns. */
typedef void oauth_send(void *arg, const struct oauth_post *post);

/* A request for a token. The caller owns it and keeps it until `ready` or oauth_free is called. */
struct oauth_waiter {
    /* token is valid only during the call. NULL: there is no token, for the reason in why. */
    void (*ready)(void *arg, const char *token, const char *why);
    void *arg;
    STAILQ_ENTRY(oauth_waiter) entry; /* the link of a list in oauth.c */
};

/* loop and conf must outlive the object. send is called with arg. */
struct oauth *oauth_new(struct loop *loop, const struct cloud_conf *conf, oauth_send *send,
                        void *arg);

/* Frees the object. Does not call `ready` for requests that still wait. */
void oauth_free(struct oauth *oauth);

/* Applies new settings, and forgets the token and the back-off. */
void oauth_configure(struct oauth *oauth, const struct cloud_conf *conf);

/* Asks for a token. waiter->ready is called once, perhaps before oauth_ask returns. */
void oauth_ask(struct oauth *oauth, struct oauth_waiter *waiter);

/* Takes the answer of the token endpoint: its status, and its body of n bytes. status 0: there is
 * no answer, for the reason in why. */
void oauth_posted(struct oauth *oauth, long status, void *body, size_t n, const char *why);

/* Figures for operators. */
struct oauth_view {
    bool token;         /* there is a token that has not expired */
    int64_t left;       /* seconds until the token expires; 0 if there is none */
    const char *why;    /* why the last exchange failed, borrowed; "" if it did not */
    uint64_t exchanges; /* requests to the token endpoint, since the start */
    uint64_t failures;  /* exchanges that failed, and credential files that could not be used */
};
void oauth_look(const struct oauth *oauth, struct oauth_view *out);

/* Whether to ask for another token after the API has refused this one: true if this token has been
 * replaced already, or if oauth_forget has forgotten no token within the last 10 seconds. */
bool oauth_may_replace(const struct oauth *oauth, const char *token);

/* Forgets a token that the API has refused, so that the next request leads to an exchange. Does
 * nothing if the token has been replaced already. */
void oauth_forget(struct oauth *oauth, const char *token);

#endif
