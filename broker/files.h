/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_FILES_H
#define CLOUD_BROKER_FILES_H

#include "api.h"

/*
 * A folder as the project API (file://): 200, 404 and outage as docs/api.md tells them apart.
 *
 * path is the template's path with the placeholders filled in, base_length the length of its
 * longest directory before the first placeholder. That directory must open, else it is an outage;
 * below it a missing file is API_ABSENT, and every other fault an outage. Fills *result; a body
 * is malloc'ed and the caller frees it. Reads at most DOCUMENT_SIZE_MAX bytes and one more.
 */
void files_get(const char *path, size_t base_length, const struct api_validator *validator,
               struct api_result *result);

#endif
