/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_CERTIFICATE_H
#define CLOUD_ACCESS_CERTIFICATE_H

#include "access/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The public key that a client offers: a plain key, or a certificate for a key (OpenSSH
 * PROTOCOL.certkeys, ssh-*-cert-v01@openssh.com). Any thread may call the parser. It allocates
 * memory only to parse claims, and within OpenSSL.
 *
 * These functions do not verify the signature of a certificate. sshd(8) does, and it enforces the
 * validity period and the critical options that are accepted here, before it lets the client in.
 */

#define CERTIFICATE_NAME_SIZE 72 /* "SERIAL@SHA256:..." and the NUL */
#define CERTIFICATE_ID_MAX    128
#define CERTIFICATE_TEXT_MAX  255 /* bytes; maximum length of a principal */
#define CERTIFICATE_AMRS_MAX  8
#define CERTIFICATE_AMR_MAX   32 /* bytes; maximum length of a word of `amr` */

/* How (`amr`, RFC 8176) and when (`auth_time`) a person authenticated to the certificate
 * authority. */
struct certificate_claims {
    int64_t auth_time; /* seconds since 1970; 0: unknown, so that access.require is never met */
    size_t amrs;
    char amr[CERTIFICATE_AMRS_MAX][CERTIFICATE_AMR_MAX + 1];
};

struct offered_key {
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE]; /* of the plain key, or of the key that the
                                                        certificate certifies */
    unsigned char digest[KEY_FINGERPRINT_SIZE]; /* SHA-256 of the whole blob, key or certificate */
    /* The members down to `claims` describe a certificate; for a plain key they are 0. */
    bool certified;
    const char *fault; /* why every login with the certificate is refused, a static sentence; NULL:
                          it has no fault */
    unsigned char ca[KEY_FINGERPRINT_SIZE]; /* fingerprint of the key that signed the certificate */
    uint64_t serial;
    int64_t valid_after, valid_before;   /* seconds since 1970; no end: INT64_MAX */
    char key_id[CERTIFICATE_ID_MAX + 1]; /* "" if it is not a possible user id (fields_user_id) */
    char principal[CERTIFICATE_TEXT_MAX + 1]; /* the first acceptable principal of the list */
    struct certificate_claims claims;
    /* The other members apply to a plain key and to a certificate. */
    bool entered;    /* access.require counts as met, for example for an open session */
    bool unverified; /* the key line that sshd got for this login lacks verify-required */
};

/*
 * Parses a key as keys_parse does, or a certificate for a key of one of the same types. Returns
 * false, with a static sentence in *why, if the blob is malformed or has trailing bytes, or if its
 * key or the key that signed the certificate breaks the rules of keys.h.
 *
 * For a well-formed certificate that must not be used, returns true and sets out->fault. This is a
 * certificate that is not a user certificate; that has no principals; that has a principal that is
 * empty, is longer than CERTIFICATE_TEXT_MAX, or contains a comma, a quote, a backslash or a
 * control character, which the option principals= of authorized_keys cannot express
 * (CVE-2026-35414); or that has a critical option other than source-address and verify-required,
 * which sshd enforces.
 *
 * `claims` is the name of the certificate extension that holds the claims; with NULL, no claims are
 * read. The extension is at most 4 KiB of JSON, {"auth_time": SECONDS, "amr": [WORD...]}; other
 * members are ignored. The extension has-mfa@platform.sh adds the word "mfa" to `amr` and, if the
 * certificate has no claims, sets `auth_time` to the start of its validity. If the claims cannot be
 * read, occur twice or, together with that "mfa", have more than 8 words, out->claims stays 0.
 */
bool offered_key_parse(struct key_bytes type, struct key_bytes base64, const char *claims,
                       struct offered_key *out, const char **why);

/* Parses a public key line (keys_parse_line) that has a key or a certificate. Claims are not read.
 * Returns what offered_key_parse returns. */
bool offered_key_parse_line(const char *line, struct offered_key *out, const char **why);

/* Whether a and b are the same key, or the same certificate. */
bool offered_key_equal(const struct offered_key *a, const struct offered_key *b);

/* Writes the name by which operators refer to a certificate: SERIAL@SHA256:..., where SHA256:... is
 * the fingerprint of the authority that signed it. */
void certificate_name(const struct offered_key *offered, char out[CERTIFICATE_NAME_SIZE]);

/* Sets offered->fault if the certificate is valid for longer than `most` + CERTIFICATE_EARLY
 * seconds. `most` is certificates_max of cloudauth.conf(5); UINT32_MAX: no limit. CERTIFICATE_EARLY
 * allows for authorities that set the start of the validity back, because a host's clock may be
 * slow. */
#define CERTIFICATE_EARLY 300
void certificate_limit(struct offered_key *offered, uint32_t most);

/* Parses a name in the format that certificate_name writes. Returns false, with *serial and ca
 * undefined, for any other text. */
bool certificate_name_read(const char *name, uint64_t *serial,
                           unsigned char ca[KEY_FINGERPRINT_SIZE]);

#endif
