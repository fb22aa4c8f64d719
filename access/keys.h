/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_KEYS_H
#define CLOUD_ACCESS_KEYS_H

#include "access/key_blob.h"

#include "base/digest.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * SSH public keys: their syntax, fingerprints, and Ed25519 signatures. Any thread may call these
 * functions.
 *
 * The accepted types are ssh-ed25519, sk-ssh-ed25519@openssh.com, ecdsa-sha2-nistp{256,384,521},
 * sk-ecdsa-sha2-nistp256@openssh.com, and ssh-rsa with a modulus of 2048 to 16384 bits. Nothing
 * else is accepted: no DSA key, no certificate, no line with cert-authority. (RFC 4253 6.6, RFC
 * 5656 3.1, RFC 8709 4, OpenSSH PROTOCOL.u2f.)
 */

#define KEY_FINGERPRINT_SIZE DIGEST_SIZE /* SHA-256 of the key's blob */
#define KEY_FINGERPRINT_TEXT 51          /* "SHA256:", 43 characters and the NUL */

struct key {
    const char *type;   /* name of the type, such as "ssh-rsa"; static */
    const char *base64; /* points into the parsed text; not NUL-terminated */
    size_t base64_length;
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE];
};

/*
 * Parses a key given as its type and its base64 (RFC 4648 section 4: canonical, padded, no space or
 * line break). The type in the blob must equal the type given, the lengths in the blob must add up
 * to its length, and curve points must be on their curve. If not, returns false, with a static
 * sentence in *why, such as "the key is an RSA key of less than 2048 bits". out->base64 points into
 * `base64`.
 */
bool keys_parse(struct key_bytes type, struct key_bytes base64, struct key *out, const char **why);

/*
 * Parses a public key line: type, base64, and an optional comment, with blanks between and around
 * them. Keys are often pasted, so tabs, line ends, no-break spaces and byte order marks (in UTF-8)
 * count as blanks. Returns false, with a static sentence in *why, for what keys_parse refuses, for
 * an option before the type, for more than KEY_VALUE_MAX bytes, and for a comment with a control
 * character other than a tab: after a line end, the text could contain another key.
 */
bool keys_parse_line(const char *line, struct key *out, const char **why);

/* The steps of keys_parse_line, which the certificate parser uses too. keys_decode decodes base64
 * into `out`; *blob points into it. keys_read parses the blob of a key, without setting
 * out->base64. keys_split_line finds the type and the base64; both point into `line`. On failure,
 * all return false, with a static sentence in *why. */
bool keys_decode(struct key_bytes base64, unsigned char out[KEY_BLOB_MAX], struct key_bytes *blob,
                 const char **why);
bool keys_read(struct key_bytes blob, struct key *out, const char **why);
bool keys_split_line(const char *line, struct key_bytes *type, struct key_bytes *base64,
                     const char **why);

/* Writes "SHA256:" and the unpadded base64 of the fingerprint, as ssh-keygen -l prints it. */
void keys_fingerprint_text(const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                           char out[KEY_FINGERPRINT_TEXT]);

/* Parses a fingerprint in exactly the format that keys_fingerprint_text writes. Returns false, with
 * *out unchanged, for any other text. */
bool keys_fingerprint_read(const char *text, unsigned char out[KEY_FINGERPRINT_SIZE]);

#define KEYS_SIGNER_SIZE    32 /* an Ed25519 public key (RFC 8032) */
#define KEYS_SIGNATURE_SIZE 64

/* Whether `signature` is the signer's Ed25519 signature (RFC 8032) of the n bytes of `message`.
 * Also false, with a static sentence in *why, if OpenSSL fails, for example for lack of memory. */
bool keys_verify(const unsigned char signer[KEYS_SIGNER_SIZE], const void *message, size_t n,
                 const unsigned char signature[KEYS_SIGNATURE_SIZE], const char **why);

#endif
