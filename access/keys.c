/* SPDX-License-Identifier: Apache-2.0 */
#include "access/keys.h"

#include "base/digest.h"
#include "common/text.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define BLOB_MAX        (KEY_VALUE_MAX / 4 * 3)
#define ED25519_SIZE    32
#define RSA_BITS_MIN    2048
#define RSA_BITS_MAX    16384
#define APPLICATION_MAX 255

/* The unread rest of a blob. Only take_string() reads from it. */
struct blob {
    const unsigned char *at;
    size_t left;
};

struct bytes {
    const unsigned char *at;
    size_t n;
};

enum curve {
    CURVE_256,
    CURVE_384,
    CURVE_521,
    CURVES,
};

struct key_type;
typedef bool read_body(const struct key_type *type, struct blob *blob, const char **why);
static read_body read_ed25519, read_ecdsa, read_rsa;

/*
 * The blobs. Each field is a string or mpint of RFC 4251 section 5:
 *
 *   ssh-ed25519       type, public key of 32 bytes
 *   ecdsa-sha2-CURVE  type, CURVE, point: 0x04 and two coordinates
 *   ssh-rsa           type, mpint e, mpint n
 *   sk-...            the fields of the type without sk-, then the application
 */
static const struct key_type {
    const char *name;
    read_body *read;
    const char *curve_name;
    size_t point_size;
    enum curve curve;
    bool security_key; /* an application follows */
} types[] = {
    {"ssh-ed25519", read_ed25519, NULL, 0, CURVES, false},
    {"sk-ssh-ed25519@openssh.com", read_ed25519, NULL, 0, CURVES, true},
    {"ecdsa-sha2-nistp256", read_ecdsa, "nistp256", 65, CURVE_256, false},
    {"ecdsa-sha2-nistp384", read_ecdsa, "nistp384", 97, CURVE_384, false},
    {"ecdsa-sha2-nistp521", read_ecdsa, "nistp521", 133, CURVE_521, false},
    {"sk-ecdsa-sha2-nistp256@openssh.com", read_ecdsa, "nistp256", 65, CURVE_256, true},
    {"ssh-rsa", read_rsa, NULL, 0, CURVES, false},
};

static bool fail(const char **why, const char *sentence)
{
    *why = sentence;
    return false;
}

static bool is_text(struct bytes bytes, const char *text)
{
    return bytes.n == strlen(text) && memcmp(bytes.at, text, bytes.n) == 0;
}

static bool take_string(struct blob *blob, struct bytes *out)
{
    if (blob->left < 4)
        return false;
    size_t n = (size_t)blob->at[0] << 24 | (size_t)blob->at[1] << 16 | (size_t)blob->at[2] << 8 |
               (size_t)blob->at[3];
    if (n > blob->left - 4)
        return false;
    out->at = blob->at + 4;
    out->n = n;
    blob->at += 4 + n;
    blob->left -= 4 + n;
    return true;
}

/* A positive mpint in its canonical form; *out is its magnitude without leading zeros. */
static bool take_positive(struct blob *blob, struct bytes *out)
{
    if (!take_string(blob, out) || out->n == 0 || (out->at[0] & 0x80) != 0)
        return false;
    if (out->at[0] != 0)
        return true;
    if (out->n == 1 || (out->at[1] & 0x80) == 0)
        return false;
    out->at++;
    out->n--;
    return true;
}

static size_t count_bits(struct bytes magnitude)
{
    size_t bits = magnitude.n * 8;

    for (unsigned top = magnitude.at[0]; (top & 0x80) == 0; top <<= 1)
        bits--;
    return bits;
}

static bool read_ed25519(const struct key_type *type, struct blob *blob, const char **why)
{
    struct bytes point;

    (void)type;
    if (!take_string(blob, &point) || point.n != ED25519_SIZE)
        return fail(why, "the key is malformed: its public part is not one of Ed25519");
    return true;
}

static EC_GROUP *groups[CURVES];

static void create_groups(void)
{
    static const int nids[CURVES] = {NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1};

    for (int i = 0; i < CURVES; i++)
        groups[i] = EC_GROUP_new_by_curve_name(nids[i]);
}

/* Returns the group of a curve. The groups are created at the first use, by any thread, and kept:
 * to create one takes many times as long as to check a point. */
static const EC_GROUP *group_of(enum curve curve)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, create_groups);
    return groups[curve];
}

/* Whether the point is on the curve. Leaves no error in OpenSSL's queue of this thread, where a TLS
 * connection would take it for its own. */
static bool on_curve(enum curve curve, struct bytes encoded)
{
    (void)ERR_set_mark();
    const EC_GROUP *group = group_of(curve);
    EC_POINT *point = group == NULL ? NULL : EC_POINT_new(group);
    bool ok = point != NULL && EC_POINT_oct2point(group, point, encoded.at, encoded.n, NULL) == 1;

    EC_POINT_free(point);
    (void)ERR_pop_to_mark();
    return ok;
}

static bool read_ecdsa(const struct key_type *type, struct blob *blob, const char **why)
{
    struct bytes curve, point;

    if (!take_string(blob, &curve) || !is_text(curve, type->curve_name))
        return fail(why, "the key is malformed: its curve is not the one of its type");
    if (!take_string(blob, &point) || point.n != type->point_size || point.at[0] != 0x04)
        return fail(why, "the key is malformed: its point is not an uncompressed one of its curve");
    if (!on_curve(type->curve, point))
        return fail(why, "the key is malformed: its point is not on its curve");
    return true;
}

static bool read_rsa(const struct key_type *type, struct blob *blob, const char **why)
{
    struct bytes exponent, modulus;

    (void)type;
    if (!take_positive(blob, &exponent) || (exponent.at[exponent.n - 1] & 1) == 0 ||
        (exponent.n == 1 && exponent.at[0] < 3))
        return fail(why, "the key is malformed: its RSA exponent is not an odd number from 3");
    if (!take_positive(blob, &modulus))
        return fail(why, "the key is malformed: its RSA modulus is not a positive number");
    if (count_bits(modulus) < RSA_BITS_MIN)
        return fail(why, "the key is an RSA key of less than 2048 bits");
    if (count_bits(modulus) > RSA_BITS_MAX)
        return fail(why, "the key is an RSA key of more than 16384 bits");
    return true;
}

static bool read_application(struct blob *blob, const char **why)
{
    struct bytes application;
    const char *sentence = "the key is malformed: its application is not a short text";

    if (!take_string(blob, &application) || application.n == 0 || application.n > APPLICATION_MAX)
        return fail(why, sentence);
    for (size_t i = 0; i < application.n; i++)
        if (cloud_text_is_control((char)application.at[i]))
            return fail(why, sentence);
    return true;
}

static bool read_blob(const struct key_type *type, struct blob blob, const char **why)
{
    struct bytes inner;

    if (!take_string(&blob, &inner))
        return fail(why, "the key is malformed: it is cut off");
    if (!is_text(inner, type->name))
        return fail(why, "the key is of another type than it says");
    if (!type->read(type, &blob, why) || (type->security_key && !read_application(&blob, why)))
        return false;
    if (blob.left != 0)
        return fail(why, "the key is malformed: bytes follow it");
    return true;
}

static const struct key_type *find_type(struct bytes name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (is_text(name, types[i].name))
            return &types[i];
    return NULL;
}

static bool is_certificate(struct bytes type)
{
    static const char ending[] = "-cert-v01@openssh.com";
    size_t n = sizeof ending - 1;

    return type.n >= n && memcmp(type.at + type.n - n, ending, n) == 0;
}

static bool fail_type(struct bytes type, const char **why)
{
    if (is_certificate(type))
        return fail(why, "the key is a certificate, which is not accepted");
    if (is_text(type, "ssh-dss"))
        return fail(why, "the key is a DSA key, which is not accepted");
    return fail(why, "the key does not begin with a type that is accepted");
}

static bool parse(struct bytes type, struct bytes base64, struct key *out, const char **why)
{
    unsigned char bytes[BLOB_MAX] = {0};
    struct blob blob = {bytes, 0};
    const struct key_type *found = find_type(type);

    if (found == NULL)
        return fail_type(type, why);
    if (base64.n > KEY_VALUE_MAX)
        return fail(why, "the key is longer than 16384 bytes");
    if (!digest_base64_decode((const char *)base64.at, base64.n, bytes, &blob.left))
        return fail(why, "the key is not canonical base64");
    if (!read_blob(found, blob, why))
        return false;
    if (!digest_sha256(bytes, blob.left, out->fingerprint))
        return fail(why, "the key's fingerprint could not be computed");
    out->type = found->name;
    out->base64 = (const char *)base64.at;
    out->base64_length = base64.n;
    return true;
}

static struct bytes bytes_of(const char *text, size_t n)
{
    return (struct bytes){(const unsigned char *)text, n};
}

bool keys_parse(const char *type, size_t type_length, const char *base64, struct key *out,
                const char **why)
{
    return parse(bytes_of(type, type_length),
                 bytes_of(base64, strnlen(base64, (size_t)KEY_VALUE_MAX + 1)), out, why);
}

/* The length of the blank at the start of the text, or 0. Keys that were pasted or come from a file
 * may be surrounded by white space, line ends, no-break spaces and byte order marks. */
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

/* Returns the next word, and moves *at behind it. */
static struct bytes take_word(const char **at)
{
    const char *word = skip_blanks(*at), *end = word;

    while (*end != '\0' && blank(end) == 0)
        end++;
    *at = end;
    return bytes_of(word, (size_t)(end - word));
}

bool keys_parse_line(const char *line, struct key *out, const char **why)
{
    if (strnlen(line, (size_t)KEY_VALUE_MAX + 1) > KEY_VALUE_MAX)
        return fail(why, "the key is longer than 16384 bytes");
    struct bytes type = take_word(&line), base64 = take_word(&line);
    if (base64.n == 0)
        return fail(why, "the key is not a type and base64");
    while (*line == '\t' || (*line != '\0' && !cloud_text_is_control(*line)))
        line++;
    if (*skip_blanks(line) != '\0')
        return fail(why, "the key has a line break or another control character behind it");
    return parse(type, base64, out, why);
}

void keys_fingerprint_text(const unsigned char fingerprint[KEY_FINGERPRINT_SIZE],
                           char out[KEY_FINGERPRINT_TEXT])
{
    char padded[DIGEST_BASE64_SIZE(KEY_FINGERPRINT_SIZE)];

    digest_base64_encode(fingerprint, KEY_FINGERPRINT_SIZE, padded);
    snprintf(out, KEY_FINGERPRINT_TEXT, "SHA256:%.43s", padded);
}

bool keys_verify(const unsigned char signer[KEYS_SIGNER_SIZE], const void *message, size_t n,
                 const unsigned char signature[KEYS_SIGNATURE_SIZE])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, signer, KEYS_SIGNER_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = false;

    /* A wrong signature must leave no error in OpenSSL's queue of this thread for its next user. */
    ERR_set_mark();
    if (key != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1)
        ok = EVP_DigestVerify(context, signature, KEYS_SIGNATURE_SIZE, message, n) == 1;
    ERR_pop_to_mark();
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
