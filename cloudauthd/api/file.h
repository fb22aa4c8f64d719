/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FILE_H
#define CLOUDAUTHD_API_FILE_H

#include "cloudauthd/api/result.h"

/*
 * A directory as the project API (file://): documents, absences and outages as docs/api.md tells
 * them apart. The first directory_length bytes of path are the directory that belongs to the API.
 * A missing file in it is API_ABSENT; it is an outage if the directory does not open, has no entry
 * or cannot be read. Any other failure is an outage. Fills *result; a body is malloc'ed, and the
 * caller frees it. A file larger than DOCUMENT_SIZE_MAX is an outage.
 */
void file_get(const char *path, size_t directory_length, const struct validator *validator,
              struct api_result *result);

#endif
