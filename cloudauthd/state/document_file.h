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

#define DOCUMENT_FILE_HEAD_MAX 8192u /* bytes before the body */

struct stored_document {
    const char *project, *environment;
    struct validator validator;
    int64_t asked;      /* cloud_clock_ms() when the request was sent that last confirmed it */
    int64_t asked_wall; /* the same by the wall clock, seconds since 1970 */
    unsigned char hash[DIGEST_SIZE]; /* store_touch: SHA-256 of the body */
    const void *body;
    size_t length;
};

/* The content of a file. The members project and environment are the file's; those of the document
 * in it are not used. */
struct document_file {
    char host[sizeof((struct cloud_conf *)NULL)->host_id], url[CLOUD_URL_SIZE];
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    char boot[PROCESS_BOOT_SIZE + 24]; /* the boot during which `asked` means something */
    uint32_t clock;                    /* how often the wall clock had been put back (store.h) */
    struct stored_document document;
};

/* Returns the file in one piece of memory, which the caller frees; NULL if out of memory or the
 * fields do not fit. */
char *document_file_make(const struct document_file *from, size_t *size);

/* Whether size bytes are a whole file of a document. The strings and the body of out->document then
 * lie in out and in file. */
bool document_file_parse(const char *file, size_t size, struct document_file *out);

#endif
