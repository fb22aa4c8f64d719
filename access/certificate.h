/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_CERTIFICATE_H
#define CLOUD_ACCESS_CERTIFICATE_H

#include "access/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a client logs in with: a key, or a certificate for one (OpenSSH PROTOCOL.certkeys,
 * ssh-*-cert-v01@openssh.com). Any thread may call the parser. It allocates memory only for claims,
 * and within OpenSSL.
 *
 * These functions do not verify the signature of a certificate. sshd does, and enforces the
 * certificate's times and the critical options that are accepted here, before it lets the client
 * in.
 */

#define CERTIFICATE_NAME_SIZE 72 /* "SERIAL@SHA256:..." and the NUL */
#define CERTIFICATE_ID_MAX    128
#define CERTIFICATE_TEXT_MAX  255 /* bytes of a principal */
#define CERTIFICATE_AMRS_MAX  8
#define CERTIFICATE_AMR_MAX   32 /* bytes of a word of `amr` */

/* How (`amr`, RFC 8176) and when (`auth_time`) a person has authenticated to the authority. */
struct certificate_claims {
    int64_t auth_time; /* seconds since 1970; 0: unknown, which meets no access.require */
    size_t amrs;
    char amr[CERTIFICATE_AMRS_MAX][CERTIFICATE_AMR_MAX + 1];
};

struct offered_key {
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE]; /* of the key; of a certificate: of the key
                                                        that it certifies */
    unsigned char digest[KEY_FINGERPRINT_SIZE]; /* SHA-256 of the whole blob, key or certificate */
    /* Of a certificate; for a plain key these members are 0, up to and including claims: */
    bool certified;
    const char *fault; /* why every login refuses the certificate, static; or NULL */
    unsigned char ca[KEY_FINGERPRINT_SIZE]; /* fingerprint of the key that signed the certificate */
    uint64_t serial;
    int64_t valid_after, valid_before;        /* seconds since 1970; INT64_MAX: no end */
    char key_id[CERTIFICATE_ID_MAX + 1];      /* "" if no user can have this id (fields_user_id) */
    char principal[CERTIFICATE_TEXT_MAX + 1]; /* the first principal of the list */
    struct certificate_claims claims;
    /* Of a key or a certificate: */
    bool entered;    /* access.require counts as met, as in an open session */
    bool unverified; /* the line that sshd was given for this login lacks verify-required */
};

/*
 * Parses a key as keys_parse does, or a certificate for a key of one of the same types. False, with
 * a static sentence in *why, if the blob is malformed, if bytes follow it, or if its key, or the
 * key that signed the certificate, breaks the rules of keys.h.
 *
 * A well-formed certificate gets a fault if it is not for a user; if it has no principals, or one
 * that is empty, longer than CERTIFICATE_TEXT_MAX, or has a comma, a quote, a backslash or a
 * control character, which the option principals= cannot carry (CVE-2026-35414); or if it has a
 * critical option other than source-address and verify-required, which are left to sshd.
 *
 * `claims` names the extension with the claims of a certificate (NULL: they are not read): at most
 * 4 KiB of JSON, {"auth_time": SECONDS, "amr": [WORD...]}; other members are ignored. The extension
 * has-mfa@platform.sh adds the word "mfa" and, if the certificate has no claims, sets auth_time to
 * the begin of its validity. If the claims cannot be read, occur twice or have more than 8 words,
 * neither they nor has-mfa count.
 */
bool offered_key_parse(struct key_bytes type, struct key_bytes base64, const char *claims,
                       struct offered_key *out, const char **why);

/* Parses a line with a key or a certificate: finds its type and base64 as keys_parse_line does, and
 * returns what offered_key_parse returns for them without claims. */
bool offered_key_parse_line(const char *line, struct offered_key *out, const char **why);

/* Whether a and b are the same key, or the same certificate. */
bool offered_key_equal(const struct offered_key *a, const struct offered_key *b);

/* Writes the name of a certificate: SERIAL@SHA256:..., with the fingerprint of its authority. */
void certificate_name(const struct offered_key *offered, char out[CERTIFICATE_NAME_SIZE]);

/* Sets the fault of a certificate that is valid for longer than `most` + CERTIFICATE_EARLY seconds.
 * `most` is certificates_max of cloudauth.conf(5), or UINT32_MAX: no limit. An authority may begin
 * the validity up to CERTIFICATE_EARLY early, for hosts with a slow clock. */
#define CERTIFICATE_EARLY 300
void certificate_limit(struct offered_key *offered, uint32_t most);

/* Reads a name of the form that certificate_name writes. False, with the outputs undefined, for any
 * other text. */
bool certificate_name_read(const char *name, uint64_t *serial,
                           unsigned char ca[KEY_FINGERPRINT_SIZE]);

#endif
