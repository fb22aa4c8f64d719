/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_ACCESS_ENVELOPE_H
#define CLOUD_ACCESS_ENVELOPE_H

#include "access/document.h"
#include "access/keys.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Signed documents: DSSE v1.0 envelopes ("Dead Simple Signing Envelope", secure-systems-lab) of
 * payload type application/vnd.cloudauth.access+json, signed with Ed25519. The signature covers
 * "DSSEv1 LENGTH(type) type LENGTH(payload) payload". Only a payload with a valid signature is
 * used; the rest of the envelope, key ids included, is not trusted.
 */

#define ENVELOPE_PAYLOAD_TYPE   "application/vnd.cloudauth.access+json"
#define ENVELOPE_SIGNATURES_MAX 16
#define ENVELOPE_SIGNERS_MAX    4
/* The most bytes that are hashed for one envelope: its payload is hashed once for each pair of a
 * signature and a signer's key. Limits the work that wrong signatures, added by an attacker on the
 * network, can cause. */
#define ENVELOPE_HASHED_MAX ((size_t)16 << 20)

#define ENVELOPE_FUTURE 300 /* seconds by which issued_at may be ahead of this host's clock */

/* The public keys of the documents' publisher, from signing_key. A document that one of them has
 * signed is accepted. If there are none, documents are not signed. */
struct signers {
    size_t n;
    unsigned char key[ENVELOPE_SIGNERS_MAX][KEYS_SIGNER_SIZE];
};

/* Reads the setting signing_key. False if a word of it is not a key of 32 bytes in base64, or if it
 * has more than ENVELOPE_SIGNERS_MAX. */
bool envelope_parse_signers(const char *text, struct signers *out);

/*
 * Verifies an envelope of n bytes. Returns its payload, malloc'ed, of *length bytes and a NUL, if
 * one of the signers has signed it; else NULL with *problem filled.
 */
char *envelope_open(const void *body, size_t n, const struct signers *signers, size_t *length,
                    struct document_problem *problem);

/* Returns the payload as envelope_open does, but without looking at the signatures, of an envelope
 * that was verified when it was stored. The payload must let no person in: signing_key may have
 * changed since then. */
char *envelope_reopen(const void *body, size_t n, size_t *length, struct document_problem *problem);

/* Why a signed document with this issued_at is invalid at now (seconds since 1970), or NULL. Does
 * not check that the document is newer than the one in use. */
const char *envelope_time_fault(int64_t issued_at, int64_t now);

#endif
