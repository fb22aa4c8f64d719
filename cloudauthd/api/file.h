/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FILE_H
#define CLOUDAUTHD_API_FILE_H

#include "cloudauthd/api/result.h"

/*
 * A directory as the project API (file://). Documents, absences and outages are told apart as
 * docs/api.md says. The first directory_length bytes of path are the directory of the API. A file
 * that is missing in it is API_ABSENT, unless the directory does not open, has no entry or cannot
 * be read; that, and any other failure, is an outage, as is a file larger than DOCUMENT_SIZE_MAX.
 * Fills *result; a body is malloc'ed, and the caller frees it.
 */
void file_get(const char *path, size_t directory_length, const struct validator *validator,
              struct api_result *result);

#endif
