/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_VALIDATOR_H
#define CLOUD_BASE_VALIDATOR_H

/* The validators of a document (RFC 9110 8.8), with which a conditional request asks for it again:
 * the values of its ETag and Last-Modified headers, each "" where the server sent none. */
struct validator {
    char etag[256];
    char modified[64];
};

#endif
