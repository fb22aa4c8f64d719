/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_ENVELOPE_H
#define CLOUD_ACCESS_ENVELOPE_H

#include "access/document.h"
#include "access/keys.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Signed documents: DSSE v1.0 envelopes (the secure-systems-lab's "Dead Simple Signing Envelope"),
 * payload type application/vnd.cloudauth.access+json, Ed25519. What is signed is
 * "DSSEv1 LENGTH(type) type LENGTH(payload) payload"; nothing in the envelope but a payload whose
 * signature was right is looked at.
 */

#define ENVELOPE_PAYLOAD_TYPE   "application/vnd.cloudauth.access+json"
#define ENVELOPE_SIGNATURES_MAX 16
#define ENVELOPE_SIGNERS_MAX    4
/* Bytes of payload that are hashed for one envelope, once for each signature and key: whoever lies
 * between us and the publisher may put wrong ones in front. */
#define ENVELOPE_HASHED_MAX ((size_t)16 << 20)

#define ENVELOPE_FUTURE 300 /* seconds that an issued_at may be ahead of this host's clock */

/* Those whose signature counts; any one of them does. None: documents are not signed. */
struct signers {
    size_t n;
    unsigned char key[ENVELOPE_SIGNERS_MAX][KEYS_SIGNER_SIZE];
};

/* Reads the configuration's signing_key. False if a word is no key of 32 bytes in base64. */
bool envelope_parse_signers(const char *text, struct signers *out);

/*
 * Opens an envelope: the payload, malloc'ed, of *length bytes and a NUL, if one of the signers has
 * signed it; else NULL, with *problem filled.
 */
char *envelope_open(const void *body, size_t n, const struct signers *signers, size_t *length,
                    struct document_problem *problem);

/* Why a signed document with that issued_at is invalid at now (seconds since 1970), whatever was
 * accepted before; NULL if it is not. */
const char *envelope_time_fault(int64_t issued_at, int64_t now);

#endif
