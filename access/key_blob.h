/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_KEY_BLOB_H
#define CLOUD_ACCESS_KEY_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The blobs of public keys (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, OpenSSH PROTOCOL.u2f), and the
 * one reader of their wire format (RFC 4251 section 5). Nothing here allocates or reads behind the
 * end of what it is given. Any thread may call these functions.
 */

#define KEY_VALUE_MAX 16384                   /* bytes of a key's value in a document */
#define KEY_BLOB_MAX  (KEY_VALUE_MAX / 4 * 3) /* bytes of a key or certificate */

struct key_bytes {
    const unsigned char *at;
    size_t n;
};

/* The unread rest of a blob. */
struct key_blob {
    const unsigned char *at;
    size_t left;
};

/* Sets *why to the static sentence, and returns false. */
bool key_fail(const char **why, const char *sentence);

bool key_bytes_are(struct key_bytes bytes, const char *text);

/* Takes a string, or a number of width bytes (4: uint32, 8: uint64). False if the rest is shorter;
 * the blob must not be read further then. */
bool key_blob_take(struct key_blob *blob, struct key_bytes *out);
bool key_blob_take_number(struct key_blob *blob, size_t width, uint64_t *out);

/* A type of key that is accepted. */
struct key_type;

/* The type of that name or, if certificate is set, the one that certificates of that type are for.
 * NULL if there is none. */
const struct key_type *key_type_find(struct key_bytes name, bool certificate);
const char *key_type_name(const struct key_type *type);

/* Reads the fields of a key of that type, which follow its type in a blob, and checks them. False,
 * with a static sentence in *why, if they are malformed or weaker than is accepted. */
bool key_type_read(const struct key_type *type, struct key_blob *blob, const char **why);

#endif
