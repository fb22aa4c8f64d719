/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/document_file.h"

#include "cloudauthd/state/statefile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct statefile_format format = {"cloudauth document 1\nsha256 ", false};

#define FIELD(name, type, member)                                                                  \
    STATEFILE_FIELD(struct document_file, name, STATEFILE_##type, member)

static const struct statefile_field fields[] = {
    FIELD("host", TEXT, host),
    FIELD("url", TEXT, url),
    FIELD("project", TEXT, project),
    FIELD("environment", TEXT, environment),
    FIELD("asked", NUMBER, document.asked_wall),
    FIELD("clock", NUMBER, clock),
    FIELD("boot", TEXT, boot), /* the boot id and document.asked (split_boot) */
    FIELD("etag", TEXT, document.validator.etag),
    FIELD("modified", TEXT, document.validator.modified), /* of an earlier version, not used */
    FIELD("length", NUMBER, document.length),
    {0},
};

char *document_file_make(const struct document_file *from, size_t *size)
{
    struct document_file line = *from;
    const struct stored_document *document = &from->document;
    char *file = malloc(DOCUMENT_FILE_HEAD_MAX + document->length), *content;
    size_t n;

    if (file == NULL)
        return NULL;
    content = file + STATEFILE_HEAD_MAX;
    snprintf(line.boot, sizeof line.boot, "%.*s %lld", PROCESS_BOOT_SIZE - 1, from->boot,
             (long long)document->asked);
    n = statefile_put_fields(fields, &line, content,
                             DOCUMENT_FILE_HEAD_MAX - STATEFILE_HEAD_MAX - 1);
    if (n == 0) {
        free(file);
        return NULL;
    }
    content[n++] = '\n';
    if (document->length > 0)
        memcpy(content + n, document->body, document->length);
    *size = statefile_seal(&format, file, n + document->length);
    return file;
}

/* Splits the value of the boot line, which is "<boot id> <asked>", into boot and document.asked. */
static bool split_boot(struct document_file *file)
{
    char *space = strrchr(file->boot, ' '), *end;

    if (space == NULL || space - file->boot >= PROCESS_BOOT_SIZE)
        return false;
    *space = '\0';
    errno = 0;
    file->document.asked = strtoll(space + 1, &end, 10);
    return errno == 0 && end != space + 1 && *end == '\0';
}

bool document_file_parse(const char *file, size_t size, struct document_file *out)
{
    size_t n;
    const char *at = statefile_open(&format, file, size, &n), *end;

    memset(out, 0, sizeof *out);
    if (at == NULL)
        return false;
    end = at + n;
    if (!statefile_get_fields(fields, &at, end, out) || at == end || *at != '\n' ||
        out->document.length != (size_t)(end - at - 1) || !split_boot(out))
        return false;
    out->document.project = out->project;
    out->document.environment = out->environment;
    out->document.body = at + 1;
    return true;
}
