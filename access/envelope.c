/* SPDX-License-Identifier: Apache-2.0 */
#include "access/envelope.h"

#include "access/json.h"
#include "access/key_blob.h"

#include "base/digest.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX   (DOCUMENT_SIZE_MAX / 3 * 4 + 4) /* characters of base64 */
#define SIGNATURE_MAX 88 /* characters of base64, for the 64 bytes of a signature */
#define PREFIX_MAX    128

bool envelope_parse_signers(const char *text, struct signers *out)
{
    struct signers signers = {0};

    while (*(text += strspn(text, " ")) != '\0') {
        size_t n = strcspn(text, " "), used;
        unsigned char key[64];
        if (signers.n == ENVELOPE_SIGNERS_MAX || n > 64 ||
            !digest_base64_decode(text, n, key, &used) || used != KEYS_SIGNER_SIZE ||
            key_has_small_order(key))
            return false;
        memcpy(signers.key[signers.n++], key, KEYS_SIGNER_SIZE);
        text += n;
    }
    *out = signers;
    return true;
}

/* The bytes that the signatures cover: a prefix of `prefix` bytes, then the payload of `length`
 * bytes and a NUL. */
struct signed_bytes {
    char *memory; /* malloc'ed; the payload is at PREFIX_MAX */
    size_t prefix, length;
    size_t left;     /* bytes of ENVELOPE_HASHED_MAX that may still be hashed */
    const char *why; /* why no signature is valid */
};

static bool take_payload(const struct json *root, struct signed_bytes *out)
{
    const char *type = "", *payload = "";
    char prefix[PREFIX_MAX];
    struct json at = {.parent = root, .name = "payload", .problem = root->problem};
    size_t n;

    if (!json_get_string(root, "payloadType", JSON_REQUIRED, DOCUMENT_STRING_MAX, &type) ||
        !json_get_string(root, "payload", JSON_REQUIRED, PAYLOAD_MAX, &payload))
        return false;
    if (strcmp(type, ENVELOPE_PAYLOAD_TYPE) != 0) {
        at.name = "payloadType";
        return json_fail(&at, "not " ENVELOPE_PAYLOAD_TYPE);
    }
    n = strlen(payload);
    out->memory = malloc(PREFIX_MAX + n / 4 * 3 + 1);
    if (out->memory == NULL)
        return json_fail(&at, "out of memory");
    if (!digest_base64_decode(payload, n, (unsigned char *)out->memory + PREFIX_MAX, &out->length))
        return json_fail(&at, "not canonical base64");
    out->memory[PREFIX_MAX + out->length] = '\0';
    out->prefix = (size_t)snprintf(prefix, sizeof prefix, "DSSEv1 %zu %s %zu ", strlen(type), type,
                                   out->length);
    memcpy(out->memory + PREFIX_MAX - out->prefix, prefix, out->prefix);
    return true;
}

/* Whether the text is a signature, in base64, by one of the signers. Subtracts the bytes that were
 * hashed from payload->left, and sets payload->why if OpenSSL fails. */
static bool verify_one(const char *text, const struct signers *signers,
                       struct signed_bytes *payload)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t n = strlen(text), used;

    if (n > SIGNATURE_MAX || !digest_base64_decode(text, n, signature, &used) ||
        used != KEYS_SIGNATURE_SIZE)
        return false;
    for (size_t i = 0; i < signers->n && payload->left >= payload->length; i++) {
        payload->left -= payload->length;
        if (keys_verify(signers->key[i], payload->memory + PREFIX_MAX - payload->prefix,
                        payload->prefix + payload->length, signature, &payload->why))
            return true;
    }
    return false;
}

static bool check_signatures(const struct json *root, const struct signers *signers,
                             struct signed_bytes *payload)
{
    struct json list, at;

    if (!json_get_array(root, "signatures", JSON_REQUIRED, ENVELOPE_SIGNATURES_MAX, &list))
        return false;
    for (bool more = json_first(&list, &at); more; more = json_next(&at)) {
        const char *text = "";
        if (!json_expect_object(&at) ||
            !json_get_string(&at, "sig", JSON_REQUIRED, DOCUMENT_STRING_MAX, &text))
            return false;
        if (verify_one(text, signers, payload))
            return true;
    }
    if (payload->left < payload->length)
        return json_fail(&list, "too many for a payload of this length");
    return json_fail(&list, payload->why);
}

/* Returns the payload, malloc'ed; NULL, with the reason in *problem, if the envelope is invalid.
 * Does not verify the signatures if `signers` is NULL. */
static char *open_envelope(const void *body, size_t n, const struct signers *signers,
                           size_t *length, struct document_problem *problem)
{
    static const struct json_limits limits = {DOCUMENT_NESTING_MAX, DOCUMENT_VALUES_MAX};
    struct signed_bytes payload = {.left = ENVELOPE_HASHED_MAX,
                                   .why = "none is by a key of this host's signing_key"};
    struct cloud_text text;
    struct json root;
    bool ok;

    cloud_text_start(&text, problem->text, sizeof problem->text);
    if (!json_parse(body, n, &limits, &text, &root))
        return NULL;
    ok = json_expect_object(&root) && take_payload(&root, &payload) &&
         (signers == NULL || check_signatures(&root, signers, &payload));
    json_free(&root);
    if (!ok) {
        free(payload.memory);
        return NULL;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): take_payload allocated it */
    memmove(payload.memory, payload.memory + PREFIX_MAX, payload.length + 1);
    *length = payload.length;
    return payload.memory;
}

char *envelope_open(const void *body, size_t n, const struct signers *signers, size_t *length,
                    struct document_problem *problem)
{
    static const struct signers none = {0};

    return open_envelope(body, n, signers == NULL ? &none : signers, length, problem);
}

char *envelope_reopen(const void *body, size_t n, size_t *length, struct document_problem *problem)
{
    return open_envelope(body, n, NULL, length, problem);
}

const char *envelope_time_fault(int64_t issued_at, int64_t now)
{
    if (issued_at == DOCUMENT_NO_TIME)
        return "issued_at: missing, which a signed document needs";
    if (issued_at > now + ENVELOPE_FUTURE)
        return "issued_at: more than 5 minutes in the future";
    return NULL;
}
