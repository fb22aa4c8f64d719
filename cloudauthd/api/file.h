/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FILE_H
#define CLOUDAUTHD_API_FILE_H

#include "cloudauthd/api/result.h"

/*
 * Gets a document from a directory that serves as the project API (file://; docs/api.md, "A
 * directory as the API"). path is the document's file; its first directory_length bytes are that
 * directory. If the file does not exist, the verdict is API_ABSENT, provided that the directory can
 * be opened and is not empty. Any other failure is an outage, as is a file larger than
 * DOCUMENT_SIZE_MAX. Fills *result; with API_DOCUMENT the caller frees its body, which is
 * malloc'ed.
 */
void file_get(const char *path, size_t directory_length, const struct validator *validator,
              struct api_result *result);

#endif
