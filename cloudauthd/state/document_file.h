/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_DOCUMENT_FILE_H
#define CLOUDAUTHD_STATE_DOCUMENT_FILE_H

#include "base/digest.h"
#include "base/process.h"
#include "base/validator.h"
#include "common/conf.h"
#include "common/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The file of a stored document (statefile.h): the fields host, url, project, environment, asked,
 * clock, boot, etag, modified and length, a blank line, and the body as the API sent it.
 */

#define DOCUMENT_FILE_HEAD_MAX 8192u /* the most bytes before the body */

struct stored_document {
    const char *project, *environment;
    struct validator validator;
    int64_t asked; /* cloud_clock_ms() when the request that last confirmed the document was sent */
    int64_t asked_wall;              /* the same time by the wall clock, in seconds since 1970 */
    unsigned char hash[DIGEST_SIZE]; /* SHA-256 of the body; only store_touch uses it */
    const void *body;
    size_t length;
};

/* The content of a file. It is written with the project and environment below, not with those of
 * `document`. */
struct document_file {
    char host[sizeof((struct cloud_conf *)NULL)->host_id], url[CLOUD_URL_SIZE];
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    /* Id of the boot to which document.asked refers. In the file, document.asked follows it. */
    char boot[PROCESS_BOOT_SIZE + 24];
    /* How often the wall clock had been put back when the file was written (store.h). */
    uint32_t clock;
    struct stored_document document;
};

/* Returns the content of the file, which the caller frees, and its length in *size; NULL if out of
 * memory or the fields do not fit. */
char *document_file_make(const struct document_file *from, size_t *size);

/* Parses a file of size bytes. False unless it is a complete, undamaged file of a document. The
 * strings of out->document then point into out, and its body into file. */
bool document_file_parse(const char *file, size_t size, struct document_file *out);

#endif
