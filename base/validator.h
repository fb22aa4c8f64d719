/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_VALIDATOR_H
#define CLOUD_BASE_VALIDATOR_H

/* The validators that a conditional request sends (RFC 9110, section 8.8): the values of the ETag
 * and Last-Modified headers, "" if the server sent none. A document has no Last-Modified (api.c).
 */
struct validator {
    char etag[256];
    char modified[64];
};

#endif
