/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_DIGEST_H
#define CLOUD_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

/* SHA-256 (FIPS 180-4), and the encoding of bytes in base64 (RFC 4648 section 4) and lower-case
 * hexadecimal. Any thread may call these functions. */

#define DIGEST_SIZE     32                    /* bytes of a SHA-256 digest */
#define DIGEST_HEX_SIZE (2 * DIGEST_SIZE + 1) /* bytes of a digest in hexadecimal, with the NUL */

/* Size of the buffer for n bytes in base64, with the NUL. */
#define DIGEST_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* Has the process end (base/fatal.h) when memory runs out within OpenSSL. An allocation that fails
 * while OpenSSL finds its algorithms leaves it without them: TLS would fail as long as the process
 * lives. To be called at the start of main. False if OpenSSL has allocated memory before. */
bool digest_end_without_memory(void);

/* Writes the digest of n bytes to out. False if OpenSSL fails (out of memory). */
bool digest_sha256(const void *bytes, size_t n, unsigned char out[DIGEST_SIZE]);

/*
 * Decodes n characters of base64 into out, which must have space for n / 4 * 3 bytes, and sets
 * *used to the number of decoded bytes. Only the canonical form is accepted: at least one group of
 * four, with padding, unused bits 0, no other character. False, with *out undefined, for any other
 * text.
 */
bool digest_base64_decode(const char *text, size_t n, unsigned char *out, size_t *used);

/* Encodes n bytes as padded base64 with a NUL into out, which has DIGEST_BASE64_SIZE(n) bytes. */
void digest_base64_encode(const void *bytes, size_t n, char *out);

/* Writes n bytes to out as 2 * n lower-case hexadecimal digits and a NUL. */
void digest_hex(const unsigned char *bytes, size_t n, char *out);

/* Decodes a string of exactly 2 * n lower-case hexadecimal digits into n bytes. False, with *out
 * undefined, for any other string. */
bool digest_unhex(const char *hex, unsigned char *out, size_t n);

#endif
