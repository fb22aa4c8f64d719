/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_VALIDATOR_H
#define CLOUD_BASE_VALIDATOR_H

/* The validators of a document (RFC 9110, section 8.8), which a conditional request for the
 * document sends: the values of its ETag and Last-Modified headers, "" if the server sent none. */
struct validator {
    char etag[256];
    char modified[64];
};

#endif
