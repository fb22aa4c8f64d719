/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_URL_H
#define CLOUDAUTHD_API_URL_H

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The URLs in the settings, and the URLs to which the API links or redirects (RFC 3986). They are
 * parsed here by libcurl, which also makes the requests, so that no two parsers can disagree about
 * the host in a URL. A function that takes why and size writes the reason to why when it returns
 * false.
 */

#define URL_SIZE 2048 /* the longest expanded or linked URL, with its NUL, in bytes */

/*
 * Whether those of access_url, changes_url, token_url and proxy that are set may be used. None may
 * contain a user or password. The first three must be https, or http through api_socket, or http to
 * a loopback address and a port on which only root can listen; access_url may also be file://. The
 * proxy may be http or https, without a path. In access_url the placeholders {project} and
 * {environment} must be in the path: in the host they would let a login name choose the server.
 */
bool url_check(const struct cloud_conf *conf, char *why, size_t size);

/* Copies template to out with {project} and {environment} replaced. False if template has other
 * braces, or if the result with its NUL does not fit in size bytes. */
bool url_expand(const char *template, const char *project, const char *environment, char *out,
                size_t size);

/* Whether the URL is a file:// URL. url_file_path returns the path inside such a URL, borrowed. */
bool url_is_file(const char *url);
const char *url_file_path(const char *url);

/* Returns the length in bytes of the directory that precedes the first placeholder in the path of a
 * file:// template, including the directory's last '/'. */
size_t url_directory_length(const char *url);

/* Whether a redirect from one URL to another may be followed: both have the same scheme, host and
 * port, and `to` has no user. False if from or to is NULL. why never contains secret, which is the
 * request's credential or NULL. */
bool url_may_follow(const char *from, const char *to, const char *secret, char *why, size_t size);

/* A link from one page of the change feed's answer to the next page. */
struct url_link {
    const char *first; /* the URL of the first page, changes_url */
    const char *page;  /* the URL of the page that has the link */
    const char *href;  /* the link as the page has it, perhaps relative */
};

/* Resolves the link to an absolute URL. False if the result is not a valid URL, is too long for
 * out, has a user, or has another origin (scheme, host, port) than `first`. */
bool url_next(const struct url_link *link, char out[URL_SIZE], char *why, size_t size);

#endif
