/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/transfer.h"

#include "base/fatal.h"
#include "common/clock.h"
#include "common/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The most bytes of a header line. The longest line has a client id and secret, percent-encoded and
 * then encoded in base64. */
#define HEADER_MAX (4 * CREDENTIAL_TEXT_MAX + 512)
#define CA_KEPT    300L /* seconds for which libcurl keeps the host's CAs after parsing them */

/* ---- The answer ---- */

/* CURLOPT_WRITEFUNCTION(3): takes bytes of the body. Returning 0 aborts the transfer. */
static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;

    n *= size;
    if (n > transfer->most - transfer->used) {
        transfer->too_large = true;
        return 0;
    }
    if (n > transfer->size - transfer->used) {
        size_t wanted = transfer->size * 2 > transfer->used + n ? transfer->size * 2
                                                                : transfer->used + n + 4096;
        char *grown = realloc(transfer->body, wanted);
        if (grown == NULL)
            return 0;
        transfer->body = grown;
        transfer->size = wanted;
    }
    memcpy(transfer->body + transfer->used, bytes, n);
    transfer->used += n;
    return n;
}

/* Returns the value of a header of the answer: NULL if there is no such header, "" if there are
 * several. */
static const char *header_of(CURL *easy, const char *name)
{
    struct curl_header *header;

    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->amount == 1 ? header->value : "";
}

/* Copies the value of a header to out: "" if there is no such header or more than one, or if the
 * value does not fit or is not printable ASCII. */
static void keep_header(CURL *easy, const char *name, char *out, size_t size)
{
    const char *value = header_of(easy, name);

    out[0] = '\0';
    if (value == NULL || strlen(value) >= size)
        return;
    for (const char *at = value; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            return;
    strcpy(out, value);
}

/*
 * Whether the answer has a coding that this client does not accept. libcurl decodes transfer
 * codings itself, on the loop's thread, even several layers of them: two kilobytes of nested gzip
 * can take 20 s. So the only transfer coding that is accepted is a single "chunked" (RFC 9112,
 * 7.1). Content codings are not decoded, so a 200 with one is refused. With any other status the
 * body is not needed and its content coding does not matter: a 404 counts even if a proxy has
 * compressed the page.
 */
static bool is_coded(CURL *easy, long status)
{
    const char *transfer = header_of(easy, "transfer-encoding");
    const char *content = header_of(easy, "content-encoding");

    return (transfer != NULL && strcasecmp(transfer, "chunked") != 0) ||
           (status == 200 && content != NULL && strcasecmp(content, "identity") != 0);
}

/* Keeps the validators of the answer. An ETag that cannot be kept leaves none: Last-Modified alone
 * is a weaker one (RFC 9110, 8.8.2). */
static void keep_validator(CURL *easy, struct validator *out)
{
    keep_header(easy, "etag", out->etag, sizeof out->etag);
    if (out->etag[0] == '\0' && header_of(easy, "etag") != NULL)
        out->modified[0] = '\0';
    else
        keep_header(easy, "last-modified", out->modified, sizeof out->modified);
}

/* CURLOPT_HEADERFUNCTION(3): takes one line of the answer's header, which ends with a blank line.
 * After the header of an interim answer (1xx) another header follows. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;
    CURL *easy = transfer->easy;
    long status = 0;

    n *= size;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (n > 5 && strncasecmp(line, "date:", 5) == 0 && !transfer->head_done) {
        transfer->dated = cloud_clock_ms();
        transfer->dated_wall = (int64_t)time(NULL);
    }
    if (n == 0 || (line[0] != '\r' && line[0] != '\n') || status < 200 || transfer->head_done)
        return n;
    transfer->head_done = true;
    transfer->coded = is_coded(easy, status);
    keep_validator(easy, &transfer->validator);
    keep_header(easy, "date", transfer->date, sizeof transfer->date);
    keep_header(easy, "age", transfer->age, sizeof transfer->age);
    return transfer->coded ? 0 : n;
}

void transfer_reserve(struct transfer *transfer)
{
    transfer->body = xcalloc(1, transfer->most);
    transfer->size = transfer->most;
}

void transfer_say_failure(const struct transfer *transfer, CURLcode code, char *out, size_t size)
{
    if (transfer->too_large)
        snprintf(out, size, "the body is larger than %zu KiB", transfer->most / 1024);
    else if (transfer->coded)
        snprintf(out, size, "the body has a transfer or content coding that was not asked for");
    else
        snprintf(out, size, "%s",
                 transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
}

/* ---- The request ---- */

/* Sets all options whose default or environment variable could matter: libcurl follows no redirect
 * itself, reads no netrc file, speaks only HTTP and uses no signals. */
static void set_options(struct transfer *transfer, const struct cloud_conf *conf)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Otherwise the end of a transfer would wait for the thread that resolves its host name, and a
     * silent name server would block the whole daemon. The thread ends by itself. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* Wait for a connection to share only where HTTP/2 is possible, which needs TLS. */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT,
                     strncasecmp(conf->access_url, "https:", 6) == 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "cloudauthd/" CLOUD_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
}

/* Sets the configured proxy for https, and none for http, which goes to loopback or api_socket. The
 * empty strings keep libcurl from using https_proxy and no_proxy of the environment. */
static void set_proxy(CURL *easy, const char *proxy, const char *url)
{
    curl_easy_setopt(easy, CURLOPT_PROXY, strncasecmp(url, "http:", 5) == 0 ? "" : proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
}

void transfer_start(struct transfer *transfer, const struct cloud_conf *conf, const char *url,
                    size_t most, void *owner)
{
    *transfer = (struct transfer){.most = most, .easy = curl_easy_init()};
    if (transfer->easy == NULL || curl_easy_setopt(transfer->easy, CURLOPT_URL, url) != CURLE_OK)
        fatal("libcurl: out of memory");
    transfer->begun = cloud_clock_ms();
    transfer->deadline = transfer->begun + (int64_t)1000 * conf->request_timeout;
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, owner);
    set_options(transfer, conf);
    set_proxy(transfer->easy, conf->proxy, url);
    transfer->plain = strncasecmp(url, "http:", 5) == 0;
}

void *transfer_owner(CURL *easy)
{
    char *owner = NULL;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    return owner;
}

void transfer_drop_headers(struct transfer *transfer)
{
    for (struct curl_slist *at = transfer->headers; at != NULL; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
}

void transfer_end(struct transfer *transfer)
{
    if (transfer->group != NULL)
        pool_remove(transfer->group, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    transfer_drop_headers(transfer);
    credential_wipe(&transfer->cert);
    credential_wipe(&transfer->key);
    credential_wipe(&transfer->ca);
    if (transfer->body != NULL)
        explicit_bzero(transfer->body, transfer->used);
    free(transfer->body);
}

/* Trusts only the CAs of ca_file if that is set: by default libcurl would add its own directory of
 * CAs (CAPATH). Passes the content of the file, not its path: libcurl compares it before it reuses
 * a connection, so that no connection outlives the CA that has verified it. */
static bool set_authorities(struct transfer *transfer, const struct cloud_conf *conf, char *why,
                            size_t size)
{
    const struct credential_file file = credential_file(conf, CREDENTIAL_CA_FILE);
    struct curl_blob ca = {.flags = CURL_BLOB_NOCOPY};
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, conf->ca_file[0] == '\0' ? CA_KEPT : 0L);
    if (conf->ca_file[0] == '\0')
        return true;
    if (!credential_read(&file, &transfer->ca, why, size))
        return false;
    ca.data = transfer->ca.bytes;
    ca.len = transfer->ca.length;
    if (curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO_BLOB, &ca) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL) == CURLE_OK)
        return true;
    snprintf(why, size, "no memory for ca_file");
    return false;
}

/* Passes the certificate and key from memory too, so that no connection is reused that a replaced
 * certificate has opened. */
static bool set_client(struct transfer *transfer, const struct cloud_conf *conf, char *why,
                       size_t size)
{
    const struct credential_file cert_file = credential_file(conf, CREDENTIAL_CLIENT_CERT);
    const struct credential_file key_file = credential_file(conf, CREDENTIAL_CLIENT_KEY);
    struct curl_blob cert = {.flags = CURL_BLOB_NOCOPY}, key = {.flags = CURL_BLOB_NOCOPY};

    if (conf->client_cert[0] == '\0')
        return true;
    if (!credential_read(&cert_file, &transfer->cert, why, size) ||
        !credential_read(&key_file, &transfer->key, why, size))
        return false;
    cert.data = transfer->cert.bytes;
    cert.len = transfer->cert.length;
    key.data = transfer->key.bytes;
    key.len = transfer->key.length;
    /* Without this OpenSSL would ask on the terminal for the password of an encrypted key. */
    if (curl_easy_setopt(transfer->easy, CURLOPT_SSLCERT_BLOB, &cert) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_SSLKEY_BLOB, &key) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_KEYPASSWD, "") == CURLE_OK)
        return true;
    snprintf(why, size, "no memory for client_cert");
    return false;
}

bool transfer_set_tls(struct transfer *transfer, const struct cloud_conf *conf, char *why,
                      size_t size)
{
    curl_easy_setopt(transfer->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    return set_authorities(transfer, conf, why, size) && set_client(transfer, conf, why, size);
}

bool transfer_add_header(struct transfer *transfer, const char *name, const char *value)
{
    char line[HEADER_MAX];
    struct cloud_text text;
    struct curl_slist *grown = NULL;

    if (value[0] == '\0')
        return true;
    cloud_text_start(&text, line, sizeof line);
    cloud_text_add(&text, name);
    cloud_text_add(&text, value);
    if (!text.cut)
        grown = curl_slist_append(transfer->headers, line);
    explicit_bzero(line, text.used);
    if (grown == NULL)
        return false;
    transfer->headers = grown;
    return true;
}

/* Whether only root can change what a path of realpath(3) leads to: each directory above belongs to
 * root, and no other user can write to it. */
static bool is_below_root_directories(const char *real)
{
    char above[PATH_MAX];
    struct stat directory;

    snprintf(above, sizeof above, "%s", real);
    for (char *slash = strrchr(above, '/'); slash != NULL; slash = strrchr(above, '/')) {
        slash[slash == above] = '\0';
        if (stat(above, &directory) != 0 || directory.st_uid != 0 ||
            (directory.st_mode & (S_IWGRP | S_IWOTH)) != 0)
            return false;
        *slash = '\0';
    }
    return true;
}

/* Sends plain http through api_socket, if that is set. Root or the daemon's user must own the
 * socket, below directories that only root can change: otherwise another user could answer in the
 * API's place and receive the credential. The socket is used by its real path, without the links of
 * the setting. False if this is not so, or memory is short. */
static bool set_socket(struct transfer *transfer, const struct cloud_conf *conf)
{
    char real[PATH_MAX];
    struct stat file;

    if (conf->api_socket[0] == '\0' || !transfer->plain)
        return true;
    return realpath(conf->api_socket, real) != NULL && stat(real, &file) == 0 &&
           S_ISSOCK(file.st_mode) && (file.st_uid == 0 || file.st_uid == geteuid()) &&
           is_below_root_directories(real) &&
           curl_easy_setopt(transfer->easy, CURLOPT_UNIX_SOCKET_PATH, real) == CURLE_OK;
}

/* Replaces the libcurl handle before it is used again. In a handle, libcurl before 8.1.1 keeps a
 * pointer to the last header of the previous answer, which it has freed, and follows the pointer if
 * the next answer begins with a header line that continues another one (RFC 9112, 5.2). */
static bool renew_handle(struct transfer *transfer)
{
    CURL *easy = curl_easy_duphandle(transfer->easy);

    if (easy == NULL)
        return false;
    curl_easy_cleanup(transfer->easy);
    transfer->easy = easy;
    return true;
}

bool transfer_launch(struct transfer *transfer, const struct cloud_conf *conf, struct pool *pool,
                     char *why, size_t size)
{
    int64_t left = transfer->deadline - cloud_clock_ms();

    if (left <= 0) {
        snprintf(why, size, "request_timeout is over");
        return false;
    }
    if (!set_socket(transfer, conf)) {
        snprintf(why, size,
                 "%s is not a socket of root or of the daemon's user, below directories of root to "
                 "which no other user can write",
                 conf->api_socket);
        return false;
    }
    if (transfer->was_sent && !renew_handle(transfer)) {
        snprintf(why, size, "no memory for a request");
        return false;
    }
    transfer->used = 0;
    transfer->too_large = transfer->coded = transfer->head_done = false;
    transfer->error[0] = '\0';
    memset(&transfer->validator, 0, sizeof transfer->validator);
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)conf->connect_timeout * 1000);
    curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)left);
    if (curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK)
        transfer->group = pool_add(pool, transfer->easy);
    if (transfer->group != NULL) {
        transfer->was_sent = true;
        return true;
    }
    snprintf(why, size, "no memory for a request");
    return false;
}
