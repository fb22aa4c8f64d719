/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_CERTIFICATE_H
#define CLOUD_ACCESS_CERTIFICATE_H

#include "access/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a client logs in with: a key, or a certificate for one (OpenSSH PROTOCOL.certkeys,
 * ssh-*-cert-v01@openssh.com). The parser allocates nothing, and any thread may call it.
 *
 * The signature of a certificate is not verified here: sshd does that, with the critical options
 * that are let through and with the certificate's times, before a certificate opens anything.
 */

#define CERTIFICATE_NAME_SIZE 72 /* "SERIAL@SHA256:..." and the NUL */
#define CERTIFICATE_ID_MAX    128
#define CERTIFICATE_TEXT_MAX  255 /* bytes of a principal */
#define CERTIFICATE_AMRS_MAX  8
#define CERTIFICATE_AMR_MAX   32 /* bytes of a word */

/* How and when a person has authenticated: `amr` (RFC 8176) and `auth_time`. */
struct certificate_claims {
    int64_t auth_time; /* seconds since 1970; 0: not known, and it counts for nothing */
    size_t amrs;
    char amr[CERTIFICATE_AMRS_MAX][CERTIFICATE_AMR_MAX + 1];
};

struct offered_key {
    unsigned char fingerprint[KEY_FINGERPRINT_SIZE]; /* of the key, also of a certified one */
    unsigned char digest[KEY_FINGERPRINT_SIZE]; /* SHA-256 of what is offered, key or certificate */
    /* A certificate. Without one, all that follows is 0. */
    bool certified;
    const char *fault; /* why no login accepts it, a static sentence; or NULL */
    unsigned char ca[KEY_FINGERPRINT_SIZE]; /* fingerprint of the key that signed it */
    uint64_t serial;
    int64_t valid_after, valid_before;        /* seconds since 1970; INT64_MAX: no end */
    char key_id[CERTIFICATE_ID_MAX + 1];      /* "" unless it has the form of a user id */
    char principal[CERTIFICATE_TEXT_MAX + 1]; /* the first one */
    struct certificate_claims claims;         /* certificate_read_claims */
    bool entered; /* also of a key: of an open session, which `require` has let in */
};

/*
 * Parses a key as keys_parse does, or a certificate for a key of the same types. False, with *why
 * set to a static sentence, if it is malformed, if its key or the key that signed it breaks the
 * rules of keys.h, or if bytes follow it.
 *
 * A well-formed certificate has a fault if it is not for a user; if it has no principals, or one
 * that is empty, longer than CERTIFICATE_TEXT_MAX, or has a comma, a quote, a backslash or a
 * control character, as sshd's lists of principals cannot carry them (CVE-2026-35414); or if it
 * has a critical option other than source-address and verify-required, which sshd enforces.
 */
bool offered_key_parse(const char *type, size_t type_length, const char *base64,
                       struct offered_key *out, const char **why);

/* The same for a line, by the rules of keys_parse_line. */
bool offered_key_parse_line(const char *line, struct offered_key *out, const char **why);

/* Whether both are the same key, or the same certificate. */
bool offered_key_equal(const struct offered_key *a, const struct offered_key *b);

/* Writes the name of a certificate, SERIAL@SHA256:... (the fingerprint of its authority). */
void certificate_name(const struct offered_key *offered, char out[CERTIFICATE_NAME_SIZE]);

/* Gives a certificate a fault if its validity is longer than `most` seconds (certificates_max of
 * cloudauth.conf(5), UINT32_MAX: forever) and CERTIFICATE_EARLY, by which an authority may begin it
 * early for hosts with a slow clock. */
#define CERTIFICATE_EARLY 300
void certificate_limit(struct offered_key *offered, uint32_t most);

/*
 * Reads the claims of the certificate that offered_key_parse has read from type and base64; a plain
 * key has none. They are in the extension `name`: at most 4 KiB of JSON, {"auth_time": SECONDS,
 * "amr": [WORD...]} and members that do not matter here. The extension has-mfa@platform.sh counts
 * as a further word "mfa", and as authentication at the begin of the certificate if that has no
 * claims. Claims that cannot be read, occur twice or have more than 8 words count for nothing, and
 * has-mfa beside them as well.
 */
void certificate_read_claims(const char *type, const char *base64, const char *name,
                             struct offered_key *offered);

/* Reads a name that certificate_name has written. False, with the outputs undefined, for any other
 * text. */
bool certificate_name_read(const char *name, uint64_t *serial,
                           unsigned char ca[KEY_FINGERPRINT_SIZE]);

#endif
