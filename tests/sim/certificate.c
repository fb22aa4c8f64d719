/* SPDX-License-Identifier: Apache-2.0 */

/* User certificates (OpenSSH's PROTOCOL.certkeys), good and not. Nothing here verifies a signature:
 * sshd does. */
#include "tests/sim/host.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>

struct blob {
    size_t n;
    unsigned char at[600];
};

static void put_number(struct blob *blob, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        blob->at[blob->n++] = (unsigned char)(number >> (8 * (bytes - 1 - i)));
}

static void put_bytes(struct blob *blob, const void *bytes, size_t n)
{
    put_number(blob, n, 4);
    memcpy(blob->at + blob->n, bytes, n);
    blob->n += n;
}

static void put_text(struct blob *blob, const char *text)
{
    put_bytes(blob, text, strlen(text));
}

static void put_blob(struct blob *blob, const struct blob *inner)
{
    put_bytes(blob, inner->at, inner->n);
}

static void put_principals(struct blob *blob, const struct certificate *certificate)
{
    static const char *const bad[] = {"", "a,b", "a\"b", "a\\b"};
    struct blob list = {0};

    if (certificate->fault != CERTIFICATE_OF_NONE)
        put_text(&list, "user");
    if (certificate->fault == CERTIFICATE_OF_BAD)
        put_text(&list, bad[certificate->serial % 4]);
    put_blob(blob, &list);
}

static void put_critical(struct blob *blob, const struct certificate *certificate)
{
    struct blob list = {0}, data = {0};

    put_text(&data, "true");
    if (certificate->fault == CERTIFICATE_COMMAND || certificate->fault == CERTIFICATE_OPTION) {
        put_text(&list, certificate->fault == CERTIFICATE_COMMAND ? "force-command" : "hours");
        put_blob(&list, &data);
    }
    put_blob(blob, &list);
}

static void put_extensions(struct blob *blob, const struct certificate *certificate)
{
    struct blob list = {0}, data = {0};
    char claims[100];

    if (certificate->claims == CLAIMS_HAS_MFA) {
        put_text(&list, "has-mfa@platform.sh");
        put_blob(&list, &data);
    } else if (certificate->claims != CLAIMS_NONE) {
        snprintf(claims, sizeof claims, "{\"auth_time\":%lld,\"amr\":[\"%s\"]%s",
                 (long long)certificate->auth_time,
                 certificate->claims == CLAIMS_OTHER ? "pwd" : "mfa",
                 certificate->claims == CLAIMS_UNREADABLE ? "" : "}");
        put_text(&data, claims);
        put_text(&list, "token-claims@platform.sh");
        put_blob(&list, &data);
    }
    put_blob(blob, &list);
}

void certificate_write(struct certificate *certificate)
{
    const struct sim_key *key = &sim_keys[certificate->key],
                         *authority = &sim_keys[certificate->authority];
    const char *at = strchr(key->type, '@');
    int plain = at == NULL ? (int)strlen(key->type) : (int)(at - key->type);
    size_t type = 4 + strlen(key->type);
    struct blob blob = {0};
    char id[20] = "nobody";

    snprintf(certificate->type, sizeof certificate->type, "%.*s-cert-v01@openssh.com", plain,
             key->type);
    if (certificate->person >= 0)
        snprintf(id, sizeof id, "id-%d", certificate->person);
    put_text(&blob, certificate->type);
    put_text(&blob, "nonce");
    memcpy(blob.at + blob.n, key->blob + type, key->size - type);
    blob.n += key->size - type;
    put_number(&blob, certificate->serial, 8);
    put_number(&blob, certificate->fault == CERTIFICATE_OF_HOST ? 2 : 1, 4);
    put_text(&blob, id);
    put_principals(&blob, certificate);
    put_number(&blob, (uint64_t)certificate->right.not_before, 8);
    put_number(&blob, (uint64_t)certificate->right.expires_at, 8);
    put_critical(&blob, certificate);
    put_extensions(&blob, certificate);
    put_text(&blob, "");
    put_bytes(&blob, authority->blob, authority->size);
    put_text(&blob, "signature");
    if (certificate->fault == CERTIFICATE_CUT)
        blob.n -= 1 + certificate->serial;
    EVP_EncodeBlock((unsigned char *)certificate->base64, blob.at, (int)blob.n);
}
