/* SPDX-License-Identifier: Apache-2.0 */
/* A security key in software, which ssh(1) and ssh-keygen(1) load as SecurityKeyProvider (OpenSSH's
 * sk-api.h, version 10). Its key handles are the private keys. AUTHENTICATOR in the environment has
 * the letters of what its signatures assert: `p` that a user is present, `v` that it verified the
 * user. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VERSION  0x000a0000
#define FAILED   (-1)
#define ED25519  1
#define PRESENT  0x01
#define VERIFIED 0x04
#define COUNTER  7

struct bytes {
    uint8_t *data;
    size_t size;
};

struct enrolled {
    uint8_t flags;
    struct bytes public_key;
    struct bytes handle;
    struct bytes signature;
    struct bytes attestation;
    struct bytes data;
};

struct signature {
    uint8_t flags;
    uint32_t counter;
    struct bytes r;
    struct bytes s;
};

uint32_t sk_api_version(void);
int sk_enroll(uint32_t type, const uint8_t *challenge, size_t challenge_size,
              const char *application, uint8_t flags, const char *pin, void *options,
              struct enrolled **out);
int sk_sign(uint32_t type, const uint8_t *message, size_t size, const char *application,
            const uint8_t *handle, size_t handle_size, uint8_t flags, const char *pin,
            void *options, struct signature **out);
int sk_load_resident_keys(const char *pin, void *options, void *keys, size_t *count);

uint32_t sk_api_version(void)
{
    return VERSION;
}

/* The parts of the answers are freed by the caller, with free(3). */
static int allocate(struct bytes *bytes, size_t size)
{
    bytes->size = size;
    bytes->data = calloc(1, size > 0 ? size : 1);
    return bytes->data != NULL;
}

int sk_enroll(uint32_t type, const uint8_t *challenge, size_t challenge_size,
              const char *application, uint8_t flags, const char *pin, void *options,
              struct enrolled **out)
{
    EVP_PKEY *key = type == ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                    : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    struct enrolled *answer = calloc(1, sizeof(*answer));
    uint8_t point[128], *der;
    size_t size;

    (void)challenge, (void)challenge_size, (void)application, (void)pin, (void)options;
    if (key == NULL || answer == NULL ||
        !EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
                                         &size) ||
        !allocate(&answer->public_key, size) ||
        !allocate(&answer->handle, (size_t)i2d_PrivateKey(key, NULL)) ||
        !allocate(&answer->signature, 1))
        return FAILED;
    answer->flags = flags;
    memcpy(answer->public_key.data, point, size);
    der = answer->handle.data;
    i2d_PrivateKey(key, &der);
    EVP_PKEY_free(key);
    *out = answer;
    return 0;
}

static uint8_t asserted(void)
{
    const char *letters = getenv("AUTHENTICATOR");

    if (letters == NULL)
        return 0;
    return (uint8_t)((strchr(letters, 'p') != NULL ? PRESENT : 0) |
                     (strchr(letters, 'v') != NULL ? VERIFIED : 0));
}

static int take_number(struct bytes *to, const BIGNUM *number)
{
    return allocate(to, (size_t)BN_num_bytes(number)) && BN_bn2bin(number, to->data) >= 0;
}

/* The two numbers of an ECDSA signature; one of Ed25519 goes into the first. */
static int take_signature(uint32_t type, struct signature *to, const uint8_t *from, size_t size)
{
    ECDSA_SIG *numbers;

    if (type == ED25519)
        return allocate(&to->r, size) && memcpy(to->r.data, from, size) != NULL;
    numbers = d2i_ECDSA_SIG(NULL, &from, (long)size);
    return numbers != NULL && take_number(&to->r, ECDSA_SIG_get0_r(numbers)) &&
           take_number(&to->s, ECDSA_SIG_get0_s(numbers));
}

/* Signs the digest of the application, the flags, the counter and the digest of the message
 * (WebAuthn's authenticator data without extensions). */
int sk_sign(uint32_t type, const uint8_t *message, size_t size, const char *application,
            const uint8_t *handle, size_t handle_size, uint8_t flags, const char *pin,
            void *options, struct signature **out)
{
    uint8_t data[SHA256_DIGEST_LENGTH + 5 + SHA256_DIGEST_LENGTH], signed_data[256];
    size_t n = sizeof(signed_data);
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &handle, (long)handle_size);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct signature *answer = calloc(1, sizeof(*answer));

    (void)flags, (void)pin, (void)options;
    if (key == NULL || context == NULL || answer == NULL)
        return FAILED;
    answer->flags = asserted();
    answer->counter = COUNTER;
    SHA256((const uint8_t *)application, strlen(application), data);
    memcpy(data + SHA256_DIGEST_LENGTH, (uint8_t[]){answer->flags, 0, 0, 0, COUNTER}, 5);
    SHA256(message, size, data + SHA256_DIGEST_LENGTH + 5);
    if (EVP_DigestSignInit(context, NULL, type == ED25519 ? NULL : EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(context, signed_data, &n, data, sizeof(data)) != 1 ||
        !take_signature(type, answer, signed_data, n))
        return FAILED;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    *out = answer;
    return 0;
}

int sk_load_resident_keys(const char *pin, void *options, void *keys, size_t *count)
{
    (void)pin, (void)options, (void)keys, (void)count;
    return FAILED;
}
