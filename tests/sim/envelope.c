/* SPDX-License-Identifier: Apache-2.0 */

/* The publisher of signed documents, and those who forge them: DSSE envelopes (docs/signing.md). */
#include "tests/sim/host.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE       "application/vnd.cloudauth.access+json"
#define OTHER_TYPE "application/vnd.in-toto+json"

enum {
    PAYLOAD = 24576,
    SIGNATURE = 64,
    AGED = 100, /* after so many, envelopes are no longer signed again for their age alone */
};

static EVP_PKEY *keys[SIGNERS];
static char public_keys[SIGNERS][45];

void publisher_prepare(void)
{
    for (int i = 0; i < SIGNERS; i++) {
        unsigned char raw[32] = {(unsigned char)(i + 1), 's'}, signature[SIGNATURE];
        size_t size = sizeof raw, n = sizeof signature;
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        keys[i] = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
        if (keys[i] == NULL || EVP_PKEY_get_raw_public_key(keys[i], raw, &size) != 1)
            abort();
        EVP_EncodeBlock((unsigned char *)public_keys[i], raw, sizeof raw);
        /* Once, so that OpenSSL finds its algorithms in memory that is not the daemon's. */
        if (EVP_DigestSignInit(context, NULL, NULL, NULL, keys[i]) != 1 ||
            EVP_DigestSign(context, signature, &n, raw, sizeof raw) != 1 ||
            EVP_DigestVerifyInit(context, NULL, NULL, NULL, keys[i]) != 1 ||
            EVP_DigestVerify(context, signature, n, raw, sizeof raw) != 1)
            abort();
        EVP_MD_CTX_free(context);
    }
}

const char *publisher_key(int signer)
{
    return public_keys[signer];
}

/* ---- The publisher ---- */

static int64_t publisher_now(void)
{
    return (world->lived + world->publisher) / 1000;
}

/* One of the keys that the host has. */
static unsigned choose_key(void)
{
    int first = (int)below(SIGNERS);

    for (int i = 0; i < SIGNERS; i++)
        if ((world->settings.signers >> (first + i) % SIGNERS & 1) != 0)
            return 1u << (first + i) % SIGNERS;
    return 1u << first;
}

/* Whether the envelope has to be signed again: well before its bound, or because the host has other
 * keys. */
static bool is_due(const struct envelope *envelope)
{
    int64_t bound = world->settings.max_stale;

    if ((envelope->signers & world->settings.signers) == 0)
        return world->settings.signers != 0;
    if (envelope->version != ABSENT && world->version[envelope->version].max_stale >= 0 &&
        world->version[envelope->version].max_stale < bound)
        bound = world->version[envelope->version].max_stale;
    return world->envelopes < AGED &&
           (publisher_now() - envelope->issued > bound / 2 || one_in(16));
}

int publisher_sign(int number)
{
    struct environment *e = &world->environment[number];
    const struct envelope *last = e->envelope < 0 ? NULL : &world->envelope[e->envelope];
    struct envelope *envelope = &world->envelope[world->envelopes];

    if (last != NULL && last->version == e->now && !is_due(last))
        return e->envelope;
    if (world->envelopes == ENVELOPES)
        wrong("the publisher has signed too often");
    *envelope = (struct envelope){.environment = number,
                                  .version = e->now,
                                  .issued = publisher_now() + (one_in(8) ? below(280) : 0) -
                                            (one_in(8) ? below(60) : 0),
                                  .signers = choose_key()};
    if (one_in(6)) /* while keys are replaced */
        envelope->signers |= 1u << below(SIGNERS);
    if (last != NULL && envelope->issued < last->issued)
        envelope->issued = last->issued;
    e->envelope = world->envelopes;
    return world->envelopes++;
}

/* ---- Envelopes ---- */

/* Signs the payload, and writes the entry of the list. */
static size_t put_signature(const struct envelope *envelope, int signer, const char *payload,
                            char *out, size_t size)
{
    static const char *const types[] = {TYPE, OTHER_TYPE};
    const char *type = types[envelope->flaw == ENVELOPE_TYPE || envelope->flaw == ENVELOPE_TYPED];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[SIGNATURE], text[SIGNATURE / 3 * 4 + 5];
    char bytes[PAYLOAD + 128];
    size_t n = sizeof signature;
    int length = snprintf(bytes, sizeof bytes, "DSSEv1 %zu %s %zu %s", strlen(type), type,
                          strlen(payload), payload);

    if (EVP_DigestSignInit(context, NULL, NULL, NULL, keys[signer]) != 1 ||
        EVP_DigestSign(context, signature, &n, (unsigned char *)bytes, (size_t)length) != 1)
        abort();
    EVP_MD_CTX_free(context);
    if (envelope->flaw == ENVELOPE_DAMAGED)
        signature[below(SIGNATURE)] ^= (unsigned char)(1u << below(8));
    EVP_EncodeBlock(text, signature, sizeof signature);
    return (size_t)snprintf(out, size, "{\"keyid\":\"key %d\",\"sig\":\"%s\"}", signer, text);
}

static size_t put_signatures(const struct envelope *envelope, const char *payload, char *out,
                             size_t size)
{
    static const char no[] = "{\"sig\":\"AAAA\"}";
    int others = envelope->flaw == ENVELOPE_MANY ? 16 : envelope->flaw == ENVELOPE_LONG ? 3 : 0;
    size_t n = 0;
    bool any = false;

    for (int i = 0; i < others; i++) {
        n += (size_t)snprintf(out + n, size - n, "%s%s", any ? "," : "", no);
        any = true;
    }
    for (int i = 0; i < SIGNERS; i++) {
        if ((envelope->signers >> i & 1) == 0)
            continue;
        n += (size_t)snprintf(out + n, size - n, "%s", any ? "," : "");
        n += put_signature(envelope, i, payload, out + n, size - n);
        any = true;
    }
    return n;
}

size_t envelope_write(const struct envelope *envelope, char *out, size_t size)
{
    const struct environment *e = &world->environment[envelope->environment];
    unsigned char text[PAYLOAD / 3 * 4 + 5];
    char payload[PAYLOAD], other[PAYLOAD];
    size_t n = scenario_write(envelope->environment, envelope->version, envelope->issued, payload,
                              sizeof payload);

    EVP_EncodeBlock(text, (unsigned char *)payload, (int)n);
    scenario_write(envelope->environment, e->now, envelope->issued, other, sizeof other);
    n = (size_t)snprintf(out, size, "{\"payloadType\":\"%s\",\"payload\":\"%s\",\"signatures\":[",
                         envelope->flaw == ENVELOPE_TYPE ? OTHER_TYPE : TYPE, text);
    n += put_signatures(envelope, envelope->flaw == ENVELOPE_SWAPPED ? other : payload, out + n,
                        size - n);
    n += (size_t)snprintf(out + n, size - n, "]%s}",
                          envelope->flaw == ENVELOPE_LONG ? ",\"x\":[1]" : "");
    if (n >= size)
        wrong("an envelope does not fit");
    if (envelope->flaw == ENVELOPE_CUT)
        out[n = below((uint32_t)n)] = '\0';
    return n;
}
