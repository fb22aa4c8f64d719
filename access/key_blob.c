/* SPDX-License-Identifier: Apache-2.0 */
#include "access/key_blob.h"

#include "common/text.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <pthread.h>
#include <string.h>

#define FF10            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define RSA_BITS_MIN    2048
#define RSA_BITS_MAX    16384
#define APPLICATION_MAX 255

const char key_no_memory[] = "out of memory";

bool key_fail(const char **why, const char *sentence)
{
    *why = sentence;
    return false;
}

enum curve {
    CURVE_256,
    CURVE_384,
    CURVE_521,
    CURVES,
};

struct key_type;
typedef bool read_body(const struct key_type *type, struct key_bytes *rest, const char **why);
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
    const char *name, *certificate; /* certificate: the type of a certificate for such a key */
    read_body *read;
    const char *curve_name;
    size_t point_size;
    enum curve curve;
    bool security_key; /* the fields are followed by the application */
} types[] = {
    {"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", read_ed25519, NULL, 0, CURVES, false},
    {"sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com", read_ed25519, NULL, 0,
     CURVES, true},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com", read_ecdsa, "nistp256", 65,
     CURVE_256, false},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com", read_ecdsa, "nistp384", 97,
     CURVE_384, false},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com", read_ecdsa, "nistp521", 133,
     CURVE_521, false},
    {"sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
     read_ecdsa, "nistp256", 65, CURVE_256, true},
    {"ssh-rsa", "ssh-rsa-cert-v01@openssh.com", read_rsa, NULL, 0, CURVES, false},
};

struct key_bytes key_bytes_of(const char *text, size_t n)
{
    return (struct key_bytes){(const unsigned char *)text, n};
}

bool key_bytes_are(struct key_bytes bytes, const char *text)
{
    return bytes.n == strlen(text) && memcmp(bytes.at, text, bytes.n) == 0;
}

bool key_blob_take_number(struct key_bytes *rest, size_t width, uint64_t *out)
{
    if (rest->n < width)
        return false;
    for (*out = 0; width > 0; width--, rest->n--)
        *out = *out << 8 | *rest->at++;
    return true;
}

bool key_blob_take(struct key_bytes *rest, struct key_bytes *out)
{
    uint64_t n;

    if (!key_blob_take_number(rest, 4, &n) || n > rest->n)
        return false;
    *out = (struct key_bytes){rest->at, (size_t)n};
    rest->at += n;
    rest->n -= (size_t)n;
    return true;
}

/* Takes a positive mpint; *out is its magnitude without leading zeros. Returns false if the next
 * field is not a positive mpint in canonical form. */
static bool take_positive(struct key_bytes *rest, struct key_bytes *out)
{
    if (!key_blob_take(rest, out) || out->n == 0 || (out->at[0] & 0x80) != 0)
        return false;
    if (out->at[0] != 0)
        return true;
    if (out->n == 1 || (out->at[1] & 0x80) == 0)
        return false;
    out->at++;
    out->n--;
    return true;
}

static size_t count_bits(struct key_bytes magnitude)
{
    size_t bits = magnitude.n * 8;

    for (unsigned top = magnitude.at[0]; (top & 0x80) == 0; top <<= 1)
        bits--;
    return bits;
}

bool key_has_small_order(const unsigned char point[KEY_ED25519_SIZE])
{
    /* The encodings of such points, which may have either sign: y is 0, 1, p - 1, p or p + 1 for an
     * order of 1, 2 or 4, and one of two values for an order of 8. */
    static const unsigned char y[][KEY_ED25519_SIZE] = {
        {0},
        {1},
        {0xec, FF10, FF10, FF10, 0x7f},
        {0xed, FF10, FF10, FF10, 0x7f},
        {0xee, FF10, FF10, FF10, 0x7f},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    };

    for (size_t i = 0; i < sizeof y / sizeof y[0]; i++)
        if (memcmp(point, y[i], KEY_ED25519_SIZE - 1) == 0 &&
            (point[KEY_ED25519_SIZE - 1] & 0x7f) == y[i][KEY_ED25519_SIZE - 1])
            return true;
    return false;
}

static bool read_ed25519(const struct key_type *type, struct key_bytes *rest, const char **why)
{
    struct key_bytes point;

    (void)type;
    if (!key_blob_take(rest, &point) || point.n != KEY_ED25519_SIZE)
        return key_fail(why, "the key is malformed: its public part is not one of Ed25519");
    if (key_has_small_order(point.at))
        return key_fail(why, "anyone can sign for this key: its point has a small order");
    return true;
}

/* Returns the group of a curve, or NULL if out of memory. Each is created once and never freed,
 * because creating a group takes much longer than checking a point. */
static const EC_GROUP *group_of(enum curve curve)
{
    static const int nids[CURVES] = {NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1};
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static EC_GROUP *groups[CURVES];

    (void)pthread_mutex_lock(&lock);
    if (groups[curve] == NULL)
        groups[curve] = EC_GROUP_new_by_curve_name(nids[curve]);
    const EC_GROUP *group = groups[curve];
    (void)pthread_mutex_unlock(&lock);
    return group;
}

/* Whether the point is on the curve; if not, *why is set. Leaves no error in this thread's OpenSSL
 * error queue, because a TLS connection of the thread would take the error for its own. OpenSSL
 * reports a lack of memory as one of several errors, so errno tells it from a wrong point. */
static bool on_curve(enum curve curve, struct key_bytes encoded, const char **why)
{
    int before = errno;

    (void)ERR_set_mark();
    errno = 0;
    const EC_GROUP *group = group_of(curve);
    EC_POINT *point = group == NULL ? NULL : EC_POINT_new(group);
    bool ok = point != NULL && EC_POINT_oct2point(group, point, encoded.at, encoded.n, NULL) == 1;

    bool no_memory = point == NULL || (!ok && errno == ENOMEM);

    if (!ok)
        *why = no_memory ? key_no_memory : "the key is malformed: its point is not on its curve";
    EC_POINT_free(point);
    (void)ERR_pop_to_mark();
    errno = no_memory ? ENOMEM : before;
    return ok;
}

static bool read_ecdsa(const struct key_type *type, struct key_bytes *rest, const char **why)
{
    struct key_bytes curve, point;

    if (!key_blob_take(rest, &curve) || !key_bytes_are(curve, type->curve_name))
        return key_fail(why, "the key is malformed: its curve is not the one of its type");
    if (!key_blob_take(rest, &point) || point.n != type->point_size || point.at[0] != 0x04)
        return key_fail(why,
                        "the key is malformed: its point is not an uncompressed one of its curve");
    return on_curve(type->curve, point, why);
}

static bool read_rsa(const struct key_type *type, struct key_bytes *rest, const char **why)
{
    struct key_bytes exponent, modulus;

    (void)type;
    if (!take_positive(rest, &exponent) || (exponent.at[exponent.n - 1] & 1) == 0 ||
        (exponent.n == 1 && exponent.at[0] < 3))
        return key_fail(why, "the key is malformed: its RSA exponent is not an odd number from 3");
    if (!take_positive(rest, &modulus))
        return key_fail(why, "the key is malformed: its RSA modulus is not a positive number");
    if (count_bits(modulus) < RSA_BITS_MIN)
        return key_fail(why, "the key is an RSA key of less than 2048 bits");
    if (count_bits(modulus) > RSA_BITS_MAX)
        return key_fail(why, "the key is an RSA key of more than 16384 bits");
    return true;
}

static bool read_application(struct key_bytes *rest, const char **why)
{
    struct key_bytes application;
    const char *sentence = "the key is malformed: its application is not a short text";

    if (!key_blob_take(rest, &application) || application.n == 0 || application.n > APPLICATION_MAX)
        return key_fail(why, sentence);
    for (size_t i = 0; i < application.n; i++)
        if (cloud_text_is_control((char)application.at[i]))
            return key_fail(why, sentence);
    return true;
}

bool key_type_read(const struct key_type *type, struct key_bytes *rest, const char **why)
{
    return type->read(type, rest, why) && (!type->security_key || read_application(rest, why));
}

const char *key_type_name(const struct key_type *type)
{
    return type->name;
}

const struct key_type *key_type_find(struct key_bytes name, bool certificate)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (key_bytes_are(name, certificate ? types[i].certificate : types[i].name))
            return &types[i];
    return NULL;
}
