/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_DOCUMENT_FILE_H
#define CLOUDAUTHD_STATE_DOCUMENT_FILE_H

#include "base/process.h"
#include "cloudauthd/state/store.h"

#include "common/conf.h"
#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A stored document's file. It is text: a first line with the format's version, a second with the
 * SHA-256 of all that follows it, then `name value` lines (host, url, project, environment, asked,
 * clock, boot, etag, modified, length), a blank line, and the body as it came.
 */

#define STORED_HEAD_MAX 8192u /* bytes before the body */

/* Whose documents they are, and by which clock. */
struct document_file_origin {
    const char *host, *url, *boot;
    uint32_t clock; /* how often the wall clock had been put back (store.c) */
};

/* What a file says; the strings are its own, the body is borrowed. */
struct document_file {
    char host[sizeof((struct cloud_conf *)NULL)->host_id], url[CLOUD_URL_SIZE];
    char boot[PROCESS_BOOT_SIZE];
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    uint32_t clock;
    struct store_entry entry;
    const char *body;
    size_t length;
};

/* The whole file in one piece of memory, the caller's to free; NULL if memory is out or it does not
 * fit. */
char *document_file_make(const struct document_file_origin *origin, const struct store_entry *entry,
                         const void *body, size_t length, size_t *size);

/* Whether size bytes are a whole file of ours; out then borrows from them. */
bool document_file_parse(const char *file, size_t size, struct document_file *out);

#endif
