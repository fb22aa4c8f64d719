/* SPDX-License-Identifier: Apache-2.0 */
#include "access/keys.h"

#include "base/digest.h"
#include "common/text.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static bool fail_type(struct key_bytes type, const char **why)
{
    if (key_type_find(type, true) != NULL)
        return key_fail(why, "the key is a certificate, which is not accepted");
    if (key_bytes_are(type, "ssh-dss"))
        return key_fail(why, "the key is a DSA key, which is not accepted");
    return key_fail(why, "the key does not begin with a type that is accepted");
}

bool keys_decode(struct key_bytes base64, unsigned char out[KEY_BLOB_MAX], struct key_bytes *blob,
                 const char **why)
{
    if (base64.n > KEY_VALUE_MAX)
        return key_fail(why, "the key is longer than 16384 bytes");
    blob->at = out;
    return digest_base64_decode((const char *)base64.at, base64.n, out, &blob->n) ||
           key_fail(why, "the key is not canonical base64");
}

bool keys_read(struct key_bytes blob, struct key *out, const char **why)
{
    struct key_bytes rest = blob, name;
    const struct key_type *type;

    if (!key_blob_take(&rest, &name))
        return key_fail(why, "the key is malformed: it is cut off");
    type = key_type_find(name, false);
    if (type == NULL)
        return fail_type(name, why);
    if (!key_type_read(type, &rest, why))
        return false;
    if (rest.n != 0)
        return key_fail(why, "the key is malformed: bytes follow it");
    out->type = key_type_name(type);
    return digest_sha256(blob.at, blob.n, out->fingerprint) || key_fail(why, key_no_memory);
}

bool keys_parse(struct key_bytes type, struct key_bytes base64, struct key *out, const char **why)
{
    unsigned char bytes[KEY_BLOB_MAX];
    const struct key_type *said = key_type_find(type, false);
    struct key_bytes blob = {NULL, 0}, rest, name;

    if (said == NULL)
        return fail_type(type, why);
    if (!keys_decode(base64, bytes, &blob, why))
        return false;
    rest = blob;
    if (key_blob_take(&rest, &name) && !key_bytes_are(name, key_type_name(said)))
        return key_fail(why, "the key is of another type than it says");
    if (!keys_read(blob, out, why))
        return false;
    out->base64 = (const char *)base64.at;
    out->base64_length = base64.n;
    return true;
}

/* Returns the length in bytes of the blank at the start of the text; 0 if there is none. A key that
 * was pasted or comes from a file may have white space, line ends, no-break spaces and byte order
 * marks around it. */
static size_t blank(const char *text)
{
    static const char *const blanks[] = {" ", "\t", "\r", "\n", "\xc2\xa0", "\xef\xbb\xbf"};

    for (size_t i = 0; i < sizeof blanks / sizeof blanks[0]; i++)
        if (strncmp(text, blanks[i], strlen(blanks[i])) == 0)
            return strlen(blanks[i]);
    return 0;
}

static const char *skip_blanks(const char *text)
{
    for (size_t n; (n = blank(text)) > 0;)
        text += n;
    return text;
}

/* Returns the next word, and moves *at past it. */
static struct key_bytes take_word(const char **at)
{
    const char *word = skip_blanks(*at), *end = word;

    while (*end != '\0' && blank(end) == 0)
        end++;
    *at = end;
    return key_bytes_of(word, (size_t)(end - word));
}

bool keys_split_line(const char *line, struct key_bytes *type, struct key_bytes *base64,
                     const char **why)
{
    if (strnlen(line, (size_t)KEY_VALUE_MAX + 1) > KEY_VALUE_MAX)
        return key_fail(why, "the key is longer than 16384 bytes");
    *type = take_word(&line);
    *base64 = take_word(&line);
    if (base64->n == 0)
        return key_fail(why, "the key is not a type and base64");
    while (*line == '\t' || (*line != '\0' && !cloud_text_is_control(*line)))
        line++;
    if (*skip_blanks(line) != '\0')
        return key_fail(why, "the key has a line break or another control character behind it");
    return true;
}

bool keys_parse_line(const char *line, struct key *out, const char **why)
{
    struct key_bytes type = {NULL, 0}, base64 = {NULL, 0};

    return keys_split_line(line, &type, &base64, why) && keys_parse(type, base64, out, why);
}

void keys_fingerprint_text(const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                           char out[KEY_FINGERPRINT_TEXT])
{
    char padded[DIGEST_BASE64_SIZE(KEY_FINGERPRINT_SIZE)];

    digest_base64_encode(fingerprint, KEY_FINGERPRINT_SIZE, padded);
    snprintf(out, KEY_FINGERPRINT_TEXT, "SHA256:%.43s", padded);
}

bool keys_verify(const unsigned char signer[KEYS_SIGNER_SIZE], const void *message, size_t n,
                 const unsigned char signature[KEYS_SIGNATURE_SIZE], const char **why)
{
    /* A wrong signature must not leave an error in this thread's OpenSSL error queue, where the
     * thread's next use of OpenSSL would find it. */
    (void)ERR_set_mark();
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, signer, KEYS_SIGNER_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = false;

    if (key != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1)
        ok = EVP_DigestVerify(context, signature, KEYS_SIGNATURE_SIZE, message, n) == 1;
    else
        *why = "could not be verified, because OpenSSL failed";
    (void)ERR_pop_to_mark();
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return ok;
}

bool keys_fingerprint_read(const char *text, unsigned char out[KEY_FINGERPRINT_SIZE])
{
    static const char prefix[] = "SHA256:";
    char padded[45];
    unsigned char bytes[36];
    size_t used = 0;

    if (strlen(text) != KEY_FINGERPRINT_TEXT - 1 || strncmp(text, prefix, sizeof prefix - 1) != 0)
        return false;
    snprintf(padded, sizeof padded, "%s=", text + sizeof prefix - 1);
    if (!digest_base64_decode(padded, 44, bytes, &used) || used != KEY_FINGERPRINT_SIZE)
        return false;
    memcpy(out, bytes, KEY_FINGERPRINT_SIZE);
    return true;
}
