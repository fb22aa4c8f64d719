/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_URL_H
#define CLOUDAUTHD_API_URL_H

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The URLs of the settings, and the URLs that the API links or redirects to (RFC 3986). libcurl
 * parses them, as it does for a request, so that no two parsers can disagree about the host in a
 * URL. Functions with why and size write the reason there when they return false.
 */

#define URL_SIZE 2048 /* bytes of an expanded or linked URL, with its NUL */

/*
 * Whether access_url, changes_url, token_url and proxy may be used: https, file (for the first), or
 * http by api_socket or to a loopback address and port that no user but root can listen on; no user
 * or password. In access_url the placeholders {project} and {environment} stand in the path alone:
 * in the host they would let a login name choose the server.
 */
bool url_check(const struct cloud_conf *conf, char *why, size_t size);

/* Replaces {project} and {environment} in template. False if other braces are in it, or the result
 * needs more than size bytes. */
bool url_expand(const char *template, const char *project, const char *environment, char *out,
                size_t size);

/* Whether the URL is a file:// URL; and the path of such a URL. */
bool url_is_file(const char *url);
const char *url_file_path(const char *url);

/* The length of the directory in the path of a file:// template, with its last '/': of the longest
 * one before the first placeholder. */
size_t url_directory_length(const char *url);

/* Whether a redirect may be followed: scheme, host and port are the same, no user is in it. Either
 * may be NULL, which is false. */
bool url_may_follow(const char *from, const char *to, char *why, size_t size);

/* A page's link to the next page of an answer: href, perhaps relative, in the page at `page`. */
struct url_link {
    const char *first; /* the URL of the first page, changes_url */
    const char *page;
    const char *href;
};

/* Resolves the link. False if it is no URL, or has another origin than `first`. */
bool url_next(const struct url_link *link, char out[URL_SIZE], char *why, size_t size);

#endif
