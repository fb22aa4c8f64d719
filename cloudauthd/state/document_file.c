/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/document_file.h"

#include "base/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LINE "cloudauth document 1\n"
#define HASH_LINE  "sha256 "
#define COVERED_AT (sizeof FIRST_LINE - 1 + sizeof HASH_LINE - 1 + DIGEST_HEX_SIZE)
#define HEADER_MAX (STORED_HEAD_MAX - COVERED_AT)

/* Writes the header that a body of that length has; 0 if it does not fit. */
static size_t put_header(const struct document_file_origin *origin, const struct store_entry *entry,
                         size_t length, char out[HEADER_MAX])
{
    int n =
        snprintf(out, HEADER_MAX,
                 "host %s\nurl %s\nproject %s\nenvironment %s\nasked %lld\nclock %u\nboot %s %lld\n"
                 "etag %s\nmodified %s\nlength %zu\n\n",
                 origin->host, origin->url, entry->project, entry->environment,
                 (long long)entry->asked_wall, origin->clock, origin->boot, (long long)entry->asked,
                 entry->validator.etag, entry->validator.modified, length);

    return n < 0 || (size_t)n >= HEADER_MAX ? 0 : (size_t)n;
}

char *document_file_make(const struct document_file_origin *origin, const struct store_entry *entry,
                         const void *body, size_t length, size_t *size)
{
    char header[HEADER_MAX], hex[DIGEST_HEX_SIZE];
    unsigned char hash[DIGEST_SIZE];
    size_t n = put_header(origin, entry, length, header);
    char *file = NULL;

    if (n > 0 && digest_sha256_two(header, n, body, length, hash))
        file = malloc(COVERED_AT + n + length + 1);
    if (file == NULL)
        return NULL;
    digest_hex(hash, DIGEST_SIZE, hex);
    snprintf(file, COVERED_AT + 1, FIRST_LINE HASH_LINE "%s\n", hex);
    memcpy(file + COVERED_AT, header, n);
    if (length > 0)
        memcpy(file + COVERED_AT + n, body, length);
    *size = COVERED_AT + n + length;
    return file;
}

/* Takes the line `name value` at *at, which moves on. The bytes are the store's own: their hash
 * was right; so this guards against mistakes of ours, not against an enemy. */
static bool take_line(const char **at, const char *end, const char *name, char *out, size_t size)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    size_t prefix = strlen(name), n;

    if (newline == NULL)
        return false;
    n = (size_t)(newline - *at);
    if (n < prefix + 1 || memcmp(*at, name, prefix) != 0 || (*at)[prefix] != ' ' ||
        n - prefix - 1 >= size)
        return false;
    memcpy(out, *at + prefix + 1, n - prefix - 1);
    out[n - prefix - 1] = '\0';
    *at = newline + 1;
    return true;
}

static bool take_number(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return errno == 0 && end != text && *end == '\0';
}

static bool parse_header(const char *at, const char *end, struct document_file *out)
{
    char asked[32], clock[32], boot[PROCESS_BOOT_SIZE + 32], length[32], *space;
    int64_t n, put_back;

    if (!take_line(&at, end, "host", out->host, sizeof out->host) ||
        !take_line(&at, end, "url", out->url, sizeof out->url) ||
        !take_line(&at, end, "project", out->project, sizeof out->project) ||
        !take_line(&at, end, "environment", out->environment, sizeof out->environment) ||
        !take_line(&at, end, "asked", asked, sizeof asked) ||
        !take_line(&at, end, "clock", clock, sizeof clock) ||
        !take_line(&at, end, "boot", boot, sizeof boot) ||
        !take_line(&at, end, "etag", out->entry.validator.etag, sizeof out->entry.validator.etag) ||
        !take_line(&at, end, "modified", out->entry.validator.modified,
                   sizeof out->entry.validator.modified) ||
        !take_line(&at, end, "length", length, sizeof length))
        return false;
    space = strrchr(boot, ' ');
    if (space == NULL || (size_t)(space - boot) >= sizeof out->boot || at == end || *at != '\n' ||
        !take_number(asked, &out->entry.asked_wall) || !take_number(space + 1, &out->entry.asked) ||
        !take_number(clock, &put_back) || put_back < 0 || put_back > UINT32_MAX ||
        !take_number(length, &n))
        return false;
    out->clock = (uint32_t)put_back;
    *space = '\0';
    strcpy(out->boot, boot);
    out->body = at + 1;
    out->length = (size_t)(end - out->body);
    out->entry.project = out->project;
    out->entry.environment = out->environment;
    return n >= 0 && (uint64_t)n == out->length;
}

bool document_file_parse(const char *file, size_t size, struct document_file *out)
{
    unsigned char hash[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE], first[COVERED_AT + 1];

    if (size < COVERED_AT || !digest_sha256(file + COVERED_AT, size - COVERED_AT, hash))
        return false;
    digest_hex(hash, DIGEST_SIZE, hex);
    snprintf(first, sizeof first, FIRST_LINE HASH_LINE "%s\n", hex);
    return memcmp(file, first, COVERED_AT) == 0 &&
           parse_header(file + COVERED_AT, file + size, out);
}
