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
/* The most bytes that are hashed to verify one envelope. The payload is hashed once for each pair
 * of a signature and a signer's key, and the limit bounds the work that an attacker on the network
 * can cause by adding wrong signatures. */
#define ENVELOPE_HASHED_MAX ((size_t)16 << 20)

#define ENVELOPE_FUTURE 300 /* seconds by which issued_at may be ahead of this host's clock */

/* The public keys of the publisher of the documents, from the setting signing_key. A document that
 * is signed with one of them is accepted. If there are none, documents are expected without an
 * envelope. */
struct signers {
    size_t n;
    unsigned char key[ENVELOPE_SIGNERS_MAX][KEYS_SIGNER_SIZE];
};

/* Parses the value of signing_key: keys in base64, separated by spaces. Returns false if a word is
 * not a key of KEYS_SIGNER_SIZE bytes or anyone can sign for it (key_has_small_order), or if there
 * are more than ENVELOPE_SIGNERS_MAX. */
bool envelope_parse_signers(const char *text, struct signers *out);

/*
 * Verifies an envelope of n bytes. If one of the signers has signed it, returns its payload,
 * malloc'ed: *length bytes and a NUL. Otherwise returns NULL, with the reason in *problem.
 */
char *envelope_open(const void *body, size_t n, const struct signers *signers, size_t *length,
                    struct document_problem *problem);

/* Returns the payload as envelope_open does, but without verifying the signatures, for an envelope
 * that was verified when it was stored. The caller must not let anyone in because of such a
 * payload: signing_key may have changed since then. */
char *envelope_reopen(const void *body, size_t n, size_t *length, struct document_problem *problem);

/* Returns why a signed document with this issued_at is invalid at `now` (both in seconds since
 * 1970); NULL if it is valid. Does not check that the document is newer than the one in use. */
const char *envelope_time_fault(int64_t issued_at, int64_t now);

#endif
