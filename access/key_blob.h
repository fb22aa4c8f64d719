/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_KEY_BLOB_H
#define CLOUD_ACCESS_KEY_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The blobs of public keys (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, OpenSSH PROTOCOL.u2f), and the
 * only reader of their wire format (RFC 4251 section 5). No function reads past the end of its
 * input, or allocates memory except within OpenSSL. Any thread may call these functions.
 */

#define KEY_VALUE_MAX 16384                   /* bytes of a key's value in a document */
#define KEY_BLOB_MAX  (KEY_VALUE_MAX / 4 * 3) /* bytes of the blob of a key or certificate */

struct key_bytes {
    const unsigned char *at;
    size_t n;
};

/* Sets *why to the static sentence, and returns false. The sentence is key_no_memory, the array
 * itself, if the key could not be judged for lack of memory. */
bool key_fail(const char **why, const char *sentence);
extern const char key_no_memory[];

struct key_bytes key_bytes_of(const char *text, size_t n);
bool key_bytes_are(struct key_bytes bytes, const char *text);

/* Take the next value off the unread rest of a blob: a string, with *out pointing into the blob, or
 * a number of `width` bytes (4: uint32, 8: uint64). Return false if the rest ends before the value
 * does; after that, it must not be read further. */
bool key_blob_take(struct key_bytes *rest, struct key_bytes *out);
bool key_blob_take_number(struct key_bytes *rest, size_t width, uint64_t *out);

/* Whether anyone can sign for an Ed25519 key without a secret, because its point has a small order
 * (RFC 8032, section 5.1). A placeholder of zeros is one. */
#define KEY_ED25519_SIZE 32
bool key_has_small_order(const unsigned char point[KEY_ED25519_SIZE]);

/* A type of key that is accepted. */
struct key_type;

/* Returns the type of keys with that name or, if `certificate` is set, with that name for their
 * certificates; NULL if there is none. */
const struct key_type *key_type_find(struct key_bytes name, bool certificate);
const char *key_type_name(const struct key_type *type);

/* Takes and checks the fields of a key, which follow its type in a blob. Returns false, with a
 * static sentence in *why, if they are malformed, or if the size of the key is not accepted. */
bool key_type_read(const struct key_type *type, struct key_bytes *rest, const char **why);

#endif
