/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_API_FILE_H
#define CLOUDAUTHD_API_FILE_H

#include "cloudauthd/api/api.h"

/*
 * A folder as the project API (file://): 200, 404 and outage as docs/api.md tells them apart.
 *
 * path is the template's path with the placeholders filled in, base_length the length of its
 * longest directory before the first placeholder. That directory must open, else it is an outage;
 * below it a missing file is API_ABSENT, and every other fault an outage. Fills *result; a body
 * is malloc'ed and the caller frees it. Reads at most DOCUMENT_SIZE_MAX bytes and one more.
 */
void file_get(const char *path, size_t base_length, const struct validator *validator,
              struct api_result *result);

#endif
