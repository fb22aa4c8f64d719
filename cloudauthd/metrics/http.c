/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/http.h"

#include "common/text.h"

#include <string.h>
#include <strings.h>

/* What is left of the head. */
struct rest {
    const char *at;
    size_t n;
};

/* Takes all up to and with the delimiter; false if it is not there. */
static bool take(struct rest *rest, const char *delimiter, struct rest *out)
{
    size_t length = strlen(delimiter);
    const char *end = memmem(rest->at, rest->n, delimiter, length);

    if (end == NULL)
        return false;
    *out = (struct rest){rest->at, (size_t)(end - rest->at)};
    rest->n -= out->n + length;
    rest->at = end + length;
    return true;
}

static bool is(const struct rest *part, const char *text)
{
    return part->n == strlen(text) && memcmp(part->at, text, part->n) == 0;
}

/* Printable ASCII, and line ends; in a field's value tabs and what is not ASCII, too. */
static bool is_clean(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        if (cloud_is_control(c) && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return true;
}

/* The path of a target: of "http://host/path?query" as of "/path?query". */
static struct rest path_of(struct rest target)
{
    static const char scheme[] = "http://";
    const char *slash, *query;

    if (target.n > sizeof scheme - 1 && strncasecmp(target.at, scheme, sizeof scheme - 1) == 0) {
        target.at += sizeof scheme - 1;
        target.n -= sizeof scheme - 1;
        slash = memchr(target.at, '/', target.n);
        target.n -= slash == NULL ? target.n : (size_t)(slash - target.at);
        target.at = slash == NULL ? target.at : slash;
    }
    query = memchr(target.at, '?', target.n);
    if (query != NULL)
        target.n = (size_t)(query - target.at);
    return target;
}

/* The fields: each with a name and a colon; how many of them are Host. -1: one is malformed. */
static int count_hosts(struct rest fields)
{
    struct rest line, name;
    int hosts = 0;

    while (take(&fields, "\r\n", &line) && line.n > 0) {
        if (!take(&line, ":", &name) || name.n == 0 || memchr(name.at, ' ', name.n) != NULL ||
            memchr(name.at, '\t', name.n) != NULL)
            return -1;
        hosts += name.n == 4 && strncasecmp(name.at, "host", 4) == 0;
    }
    return hosts;
}

unsigned http_judge(const char *bytes, size_t n, const char *path, bool *head)
{
    const char *end = memmem(bytes, n, "\r\n\r\n", 4);
    struct rest rest = {bytes, end == NULL ? n : (size_t)(end - bytes) + 4}, line, method, target;
    int hosts;

    *head = false;
    if (!is_clean(bytes, rest.n))
        return 400;
    if (end == NULL)
        return n >= HTTP_HEAD_MAX ? 431 : 0;
    if (!take(&rest, "\r\n", &line) || !take(&line, " ", &method) || !take(&line, " ", &target) ||
        method.n == 0 || target.n == 0 || line.n != 8 || memcmp(line.at, "HTTP/", 5) != 0)
        return 400;
    if (memcmp(line.at + 5, "1.", 2) != 0)
        return 505;
    hosts = count_hosts(rest);
    /* RFC 9112, 3.2: one Host in HTTP/1.1, and never two. */
    if (hosts < 0 || hosts > 1 || (hosts == 0 && !is(&line, "HTTP/1.0")))
        return 400;
    target = path_of(target);
    if (!is(&target, path))
        return 404;
    *head = is(&method, "HEAD");
    return *head || is(&method, "GET") ? 200 : 405;
}

const char *http_phrase(unsigned status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}
