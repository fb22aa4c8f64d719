/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FILE_H
#define CLOUDAUTHD_API_FILE_H

#include "cloudauthd/api/result.h"

/*
 * Gets a document from a directory that is the project API (file://; docs/api.md, "A directory as
 * the API"). The first directory_length bytes of path are that directory. A file that is missing
 * there is API_ABSENT if the directory opens and has an entry. Any other failure is an outage, as
 * is a file larger than DOCUMENT_SIZE_MAX. Fills *result; the caller frees its body, which is
 * malloc'ed.
 */
void file_get(const char *path, size_t directory_length, const struct validator *validator,
              struct api_result *result);

#endif
