/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/url.h"

#include "common/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_SCHEME "file://"

bool url_expand(const char *template, const char *project, const char *environment, char *out,
                size_t size)
{
    struct cloud_text text;

    cloud_text_start(&text, out, size);
    while (*template != '\0') {
        size_t plain = strcspn(template, "{}");
        cloud_text_add_bytes(&text, template, plain);
        template += plain;
        if (strncmp(template, "{project}", 9) == 0) {
            cloud_text_add(&text, project);
            template += 9;
        } else if (strncmp(template, "{environment}", 13) == 0) {
            cloud_text_add(&text, environment);
            template += 13;
        } else if (*template != '\0') {
            return false;
        }
    }
    return !text.cut;
}

bool url_is_file(const char *url)
{
    return strncmp(url, FILE_SCHEME, strlen(FILE_SCHEME)) == 0;
}

const char *url_file_path(const char *url)
{
    return url + strlen(FILE_SCHEME);
}

size_t url_directory_length(const char *url)
{
    const char *path = url_file_path(url), *end = url + strcspn(url, "{");

    while (end > path && end[-1] != '/')
        end--;
    return (size_t)(end - path);
}

/* ---- Parsing ---- */

/* A parsed URL. A string is NULL if the URL has no such part. */
struct parts {
    CURLU *url;
    char *scheme, *host, *port, *user, *path;
};

static void parts_free(struct parts *parts)
{
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->port);
    curl_free(parts->user);
    curl_free(parts->path);
    curl_url_cleanup(parts->url);
}

/* Parses text. False if it is not a URL with a scheme and a host. The caller must call parts_free
 * in either case. */
static bool parse(const char *text, struct parts *parts)
{
    *parts = (struct parts){.url = curl_url()};
    if (parts->url == NULL || curl_url_set(parts->url, CURLUPART_URL, text, 0) != CURLUE_OK)
        return false;
    CURLUcode user = curl_url_get(parts->url, CURLUPART_USER, &parts->user, 0);
    return (user == CURLUE_OK || user == CURLUE_NO_USER) &&
           curl_url_get(parts->url, CURLUPART_PATH, &parts->path, 0) == CURLUE_OK &&
           curl_url_get(parts->url, CURLUPART_SCHEME, &parts->scheme, 0) == CURLUE_OK &&
           curl_url_get(parts->url, CURLUPART_HOST, &parts->host, 0) == CURLUE_OK &&
           curl_url_get(parts->url, CURLUPART_PORT, &parts->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
}

/* Whether two URLs have the same origin (RFC 6454, 5), and b has no user. */
static bool same_origin(const struct parts *a, const struct parts *b)
{
    return b->user == NULL && strcmp(a->scheme, b->scheme) == 0 && strcmp(a->port, b->port) == 0 &&
           strcasecmp(a->host, b->host) == 0;
}

/* ---- Settings ---- */

/* The file that contains the number of the first port on which any user may listen (ip(7)). */
#ifndef CLOUD_PORT_START_PATH
#define CLOUD_PORT_START_PATH "/proc/sys/net/ipv4/ip_unprivileged_port_start"
#endif
#define PRIVILEGED_PORTS 1024

/* The rule for a setting that holds a URL. fault is fault_of or fault_of_proxy: it returns what is
 * wrong with the URL, or NULL. */
struct rule {
    const char *key;
    const char *(*fault)(const struct rule *rule, const struct parts *parts);
    const struct cloud_conf *conf;
};

/* Returns the first port on which users other than root may listen, at most 1024. On such a port a
 * local user could listen first and answer in the API's place. */
static unsigned long privileged_ports(void)
{
    FILE *file = fopen(CLOUD_PORT_START_PATH, "re");
    unsigned long start = PRIVILEGED_PORTS;
    char line[32];

    if (file == NULL)
        return start;
    if (fgets(line, sizeof line, file) != NULL)
        start = strtoul(line, NULL, 10);
    (void)fclose(file); /* nothing was written that could be lost */
    return start < PRIVILEGED_PORTS ? start : PRIVILEGED_PORTS;
}

/* Trusts only a numeric address, because a host name may resolve to others. */
static bool is_trusted_loopback(const struct parts *parts)
{
    struct in_addr address;

    return strtoul(parts->port, NULL, 10) < privileged_ports() &&
           (strcmp(parts->host, "[::1]") == 0 ||
            (inet_pton(AF_INET, parts->host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127));
}

static bool is_http(const struct parts *parts)
{
    return strcmp(parts->scheme, "http") == 0;
}

/* Returns why no credential may be sent to this URL, or NULL if one may. */
static const char *fault_of(const struct rule *rule, const struct parts *parts)
{
    if (parts->user != NULL)
        return "no user or password may stand in it";
    if (strcmp(parts->scheme, "https") != 0 && !is_http(parts))
        return "only https, http to loopback, and file are possible";
    if (is_http(parts) && rule->conf->api_socket[0] == '\0' && !is_trusted_loopback(parts))
        return "plain http is refused except by api_socket, or to an address of loopback "
               "(127.0.0.0/8, [::1]) with a port on which only root can listen: below 1024, and "
               "below "
               "net.ipv4.ip_unprivileged_port_start";
    return NULL;
}

static const char *fault_of_proxy(const struct rule *rule, const struct parts *parts)
{
    (void)rule;
    if (parts->user != NULL)
        return "no user or password may stand in it";
    if (strcmp(parts->scheme, "https") != 0 && !is_http(parts))
        return "only http and https proxies are possible";
    return strcmp(parts->path, "/") != 0 ? "nothing may follow the port" : NULL;
}

/* Whether a host follows "://". libcurl does not show that: it reads https:///a as https://a, and
 * a.example as http://a.example. */
static bool has_authority(const char *text)
{
    const char *authority = strstr(text, "://");

    return authority != NULL && authority[3] != '/' && authority[3] != '\0';
}

static bool check(const struct rule *rule, const char *text, char *why, size_t size)
{
    static const char no_url[] = "not a URL with scheme and host";
    struct parts parts;
    const char *fault = parse(text, &parts) ? rule->fault(rule, &parts) : no_url;

    parts_free(&parts);
    if (!has_authority(text))
        fault = no_url;
    if (fault != NULL)
        snprintf(why, size, "%s: %s", rule->key, fault);
    return fault == NULL;
}

static bool check_access_url(const struct cloud_conf *conf, char *why, size_t size)
{
    const struct rule rule = {"access_url", fault_of, conf};
    const char *template = conf->access_url;
    const char *brace = strchr(template, '{');
    const char *authority = strstr(template, "://");
    char sample[URL_SIZE];

    if (!url_expand(template, "abcdefghij", "production", sample, sizeof sample)) {
        snprintf(why, size, "access_url: only {project} and {environment} may stand in braces");
        return false;
    }
    if (url_is_file(template)) {
        bool ok = url_file_path(template)[0] == '/' && brace != NULL;
        if (!ok)
            snprintf(why, size, "access_url: not file:///directory/{project}/{environment}.json");
        return ok;
    }
    const char *path = authority == NULL ? NULL : strchr(authority + 3, '/');
    if (path == NULL || !has_authority(template) || brace == NULL || brace < path) {
        snprintf(why, size, "access_url: {project} and {environment} stand in the path");
        return false;
    }
    return check(&rule, sample, why, size);
}

static bool check_changes_url(const struct cloud_conf *conf, char *why, size_t size)
{
    const struct rule rule = {"changes_url", fault_of, conf};

    if (strpbrk(conf->changes_url, "{}") != NULL) {
        snprintf(why, size, "changes_url: nothing may stand in braces");
        return false;
    }
    return conf->changes_url[0] == '\0' || check(&rule, conf->changes_url, why, size);
}

bool url_check(const struct cloud_conf *conf, char *why, size_t size)
{
    const struct rule token = {"token_url", fault_of, conf};
    const struct rule proxy = {"proxy", fault_of_proxy, conf};

    return check_access_url(conf, why, size) && check_changes_url(conf, why, size) &&
           (conf->token_url[0] == '\0' || check(&token, conf->token_url, why, size)) &&
           (conf->proxy[0] == '\0' || check(&proxy, conf->proxy, why, size));
}

/* ---- Redirects and links ---- */

bool url_may_follow(const char *from, const char *to, const char *secret, char *why, size_t size)
{
    struct parts here = {.url = NULL}, there = {.url = NULL};
    bool ok = false;

    if (from == NULL || to == NULL || !parse(from, &here) || !parse(to, &there))
        snprintf(why, size, "a redirect to nowhere");
    else if (!same_origin(&here, &there) && secret != NULL &&
             strcasestr(there.host, secret) != NULL)
        snprintf(why, size, "redirect to another origin (withheld: it repeats the credential)");
    else if (!same_origin(&here, &there))
        snprintf(why, size, "redirect to another origin (%.10s://%.100s:%.5s)", there.scheme,
                 there.host, there.port);
    else
        ok = true;
    parts_free(&here);
    parts_free(&there);
    return ok;
}

static bool is_printable(const char *text)
{
    while (*text > ' ' && *text <= '~')
        text++;
    return *text == '\0';
}

/* Returns why a page may not link to the URL next, or NULL if it may. */
static const char *fault_of_next(const char *first, const char *next)
{
    struct parts here, there = {.url = NULL};
    const char *fault = NULL;

    if (!parse(first, &here) || !parse(next, &there))
        fault = "is no URL";
    else if (!same_origin(&here, &there))
        fault = "leads to another origin";
    parts_free(&here);
    parts_free(&there);
    return fault;
}

bool url_next(const struct url_link *link, char out[URL_SIZE], char *why, size_t size)
{
    CURLU *at = curl_url();
    char *next = NULL;
    const char *fault = NULL;

    if (!is_printable(link->href) || at == NULL ||
        curl_url_set(at, CURLUPART_URL, link->page, 0) != CURLUE_OK ||
        curl_url_set(at, CURLUPART_URL, link->href, 0) != CURLUE_OK ||
        curl_url_set(at, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
        curl_url_get(at, CURLUPART_URL, &next, 0) != CURLUE_OK)
        fault = "is no URL";
    else if (strlen(next) >= URL_SIZE)
        fault = "is too long";
    else
        fault = fault_of_next(link->first, next);
    if (fault == NULL)
        strcpy(out, next);
    else
        snprintf(why, size, "its next link %s", fault);
    curl_free(next);
    curl_url_cleanup(at);
    return fault == NULL;
}
