/* SPDX-License-Identifier: Apache-2.0 */
#include "access/envelope.h"
#include "access/keys.h"
#include "tests/unit/sample_keys.h"
#include "tests/unit/support.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOB_SIZE 4096

/* A blob under construction, and its base64. */
struct blob {
    unsigned char bytes[BLOB_SIZE];
    size_t n;
    char text[BLOB_SIZE * 2];
};

static const struct sample {
    const char *type, *base64, *print;
} samples[] = {
    {ED25519_TYPE, ED25519_BASE64, ED25519_PRINT},
    {ED25519_SECOND_TYPE, ED25519_SECOND_BASE64, ED25519_SECOND_PRINT},
    {ECDSA_256_TYPE, ECDSA_256_BASE64, ECDSA_256_PRINT},
    {ECDSA_384_TYPE, ECDSA_384_BASE64, ECDSA_384_PRINT},
    {ECDSA_521_TYPE, ECDSA_521_BASE64, ECDSA_521_PRINT},
    {RSA_2048_TYPE, RSA_2048_BASE64, RSA_2048_PRINT},
    {RSA_3072_TYPE, RSA_3072_BASE64, RSA_3072_PRINT},
};

#define SAMPLES (sizeof samples / sizeof samples[0])

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static unsigned char byte_at(const struct blob *blob, size_t i)
{
    return i < blob->n ? blob->bytes[i] : 0;
}

static const char *encode(struct blob *blob)
{
    char *at = blob->text;

    for (size_t i = 0; i < blob->n; i += 3) {
        unsigned bits = (unsigned)byte_at(blob, i) << 16 | (unsigned)byte_at(blob, i + 1) << 8 |
                        byte_at(blob, i + 2);
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = digits[bits >> 6 & 63];
        *at++ = digits[bits & 63];
    }
    *at = '\0';
    for (size_t i = 0; i < (3 - blob->n % 3) % 3; i++)
        at[-1 - (ptrdiff_t)i] = '=';
    return blob->text;
}

static void decode(struct blob *blob, const char *text)
{
    unsigned bits = 0, have = 0;

    blob->n = 0;
    for (; *text != '\0' && *text != '='; text++) {
        bits = (bits << 6 | (unsigned)(strchr(digits, *text) - digits)) & 0xffffff;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        blob->bytes[blob->n++] = (unsigned char)(bits >> have);
    }
}

static void add(struct blob *blob, const void *bytes, size_t n)
{
    assert_true(blob->n + 4 + n <= sizeof blob->bytes);
    for (int shift = 24; shift >= 0; shift -= 8)
        blob->bytes[blob->n++] = (unsigned char)(n >> shift);
    if (n > 0)
        memcpy(blob->bytes + blob->n, bytes, n);
    blob->n += n;
}

static void add_text(struct blob *blob, const char *text)
{
    add(blob, text, strlen(text));
}

/* The base64 ends, with its NUL, at a page that cannot be read. */
static bool parse(const char *type, const char *base64, size_t n, const char **why)
{
    struct guarded copy = guarded_copy(base64, n + 1);
    struct key key;

    assert_non_null(copy.at);
    ((char *)copy.at)[n] = '\0';
    *why = NULL;
    bool ok = keys_parse(key_bytes_of(type, strlen(type)), key_bytes_of(copy.at, n), &key, why);
    if (ok) {
        assert_string_equal(key.type, type);
        assert_ptr_equal(key.base64, copy.at);
        assert_int_equal(key.base64_length, n);
    } else {
        assert_non_null(*why);
    }
    guarded_free(&copy);
    return ok;
}

static void refuse(const char *type, const char *base64, const char *expected)
{
    const char *why;

    assert_false(parse(type, base64, strlen(base64), &why));
    if (strstr(why, expected) == NULL)
        fail_msg("expected \"%s\", got \"%s\"", expected, why);
}

static void refuse_blob(const char *type, struct blob *blob, const char *expected)
{
    refuse(type, encode(blob), expected);
}

static void accept_blob(const char *type, struct blob *blob)
{
    const char *why;

    (void)encode(blob);
    if (!parse(type, blob->text, strlen(blob->text), &why))
        fail_msg("%s: %s", type, why);
}

static void refuse_line(const char *line, const char *expected)
{
    struct guarded copy = guarded_copy(line, strlen(line) + 1);
    const char *why = NULL;
    struct key key;

    assert_non_null(copy.at);
    assert_false(keys_parse_line(copy.at, &key, &why));
    assert_non_null(why);
    if (strstr(why, expected) == NULL)
        fail_msg("expected \"%s\", got \"%s\"", expected, why);
    guarded_free(&copy);
}

static void test_real_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        char line[2048], print[KEY_FINGERPRINT_TEXT];
        const char *why = NULL;
        struct key key;
        (void)snprintf(line, sizeof line, "%s  %s  a comment", samples[i].type, samples[i].base64);
        assert_true(keys_parse_line(line, &key, &why));
        assert_string_equal(key.type, samples[i].type);
        assert_int_equal(key.base64_length, strlen(samples[i].base64));
        assert_memory_equal(key.base64, samples[i].base64, key.base64_length);
        keys_fingerprint_text(key.fingerprint, print);
        assert_string_equal(print, samples[i].print);
        (void)snprintf(line, sizeof line, "%s %s", samples[i].type, samples[i].base64);
        assert_true(keys_parse_line(line, &key, &why));
    }
}

static void test_refused_kinds(void **state)
{
    (void)state;
    refuse(RSA_1024_TYPE, RSA_1024_BASE64, "RSA key of less than 2048 bits");
    refuse(DSA_TYPE, DSA_BASE64, "DSA");
    refuse(CERTIFICATE_TYPE, CERTIFICATE_BASE64, "certificate");
    refuse("ssh-ed25519", CERTIFICATE_BASE64, "another type");
    refuse("ssh-ed448", ED25519_BASE64, "type that is accepted");
    refuse("SSH-ED25519", ED25519_BASE64, "type that is accepted");
    refuse("", ED25519_BASE64, "type that is accepted");
}

/* Each key with the type of each other key. */
static void test_type_inside_differs(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++)
        for (size_t j = 0; j < SAMPLES; j++)
            if (strcmp(samples[i].type, samples[j].type) != 0)
                refuse(samples[j].type, samples[i].base64, "another type");
}

/* Cut off after every byte of the blob, and after every character of the base64. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct blob blob;
        const char *why;
        decode(&blob, samples[i].base64);
        assert_string_equal(encode(&blob), samples[i].base64);
        while (blob.n-- > 0) {
            (void)encode(&blob);
            assert_false(parse(samples[i].type, blob.text, strlen(blob.text), &why));
        }
        for (size_t n = 0; n < strlen(samples[i].base64); n++)
            assert_false(parse(samples[i].type, samples[i].base64, n, &why));
    }
}

static void test_extra_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct blob blob;
        decode(&blob, samples[i].base64);
        blob.bytes[blob.n++] = 0;
        refuse_blob(samples[i].type, &blob, "bytes follow");
        blob.n--;
        add_text(&blob, "ssh:");
        refuse_blob(samples[i].type, &blob, "bytes follow");
    }
}

/* Every length of a field set to a value that reaches past the end. */
static void test_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct blob blob;
        const char *why;
        decode(&blob, samples[i].base64);
        for (size_t at = 0; at + 4 <= blob.n;) {
            size_t n = (size_t)blob.bytes[at] << 24 | (size_t)blob.bytes[at + 1] << 16 |
                       (size_t)blob.bytes[at + 2] << 8 | blob.bytes[at + 3];
            blob.bytes[at] = 0xff;
            (void)encode(&blob);
            assert_false(parse(samples[i].type, blob.text, strlen(blob.text), &why));
            blob.bytes[at] = 0;
            blob.bytes[at + 3]++;
            (void)encode(&blob);
            assert_false(parse(samples[i].type, blob.text, strlen(blob.text), &why));
            blob.bytes[at + 3]--;
            at += 4 + n;
        }
    }
}

static void test_base64(void **state)
{
    char text[256];
    struct blob blob;

    (void)state;
    /* 51 bytes are 68 characters without padding; an sk key below has padding. */
    refuse(ED25519_TYPE, ED25519_BASE64 "=", "base64");
    refuse(ED25519_TYPE, ED25519_BASE64 "====", "base64");
    refuse(ED25519_TYPE, "", "base64");
    refuse(ED25519_TYPE, "====", "base64");
    refuse(ED25519_TYPE, "A===", "base64");
    for (const char *bad = " \n\t-_=*"; *bad != '\0'; bad++) {
        (void)snprintf(text, sizeof text, "%s", ED25519_BASE64);
        text[40] = *bad;
        refuse(ED25519_TYPE, text, "base64");
    }
    blob.n = 0;
    add_text(&blob, "sk-ssh-ed25519@openssh.com");
    add(&blob, "01234567890123456789012345678901", 32);
    for (size_t n = 1; n <= 3; n++) {
        struct blob one = blob;
        add(&one, "abc", n);
        accept_blob("sk-ssh-ed25519@openssh.com", &one);
        size_t length = strlen(one.text);
        size_t padding = (3 - one.n % 3) % 3;
        if (padding == 0)
            continue;
        /* An unused bit that is set, or missing padding, would encode the same bytes differently.
         */
        char *last = &one.text[length - padding - 1];
        *last = digits[(size_t)(strchr(digits, *last) - digits) + 1];
        refuse("sk-ssh-ed25519@openssh.com", one.text, "base64");
        (void)encode(&one);
        one.text[length - 1] = '\0';
        refuse("sk-ssh-ed25519@openssh.com", one.text, "base64");
    }
}

/* Keys for which anyone can sign, with either sign of the point. */
static void test_small_order(void **state)
{
    static const char *const points[] = {
        "\x00",
        "\x01",
        "\xec",
        "\xed",
        "\xee",
        "\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0"
        "\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        "\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f"
        "\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        for (unsigned sign = 0; sign <= 0x80; sign += 0x80) {
            unsigned char point[32];
            struct blob blob = {.n = 0};
            if (i >= 5)
                memcpy(point, points[i], sizeof point);
            else
                memset(point, i < 2 ? 0 : 0xff, sizeof point);
            point[0] = (unsigned char)points[i][0];
            point[31] = (unsigned char)((point[31] & 0x7f) | sign);
            add_text(&blob, "ssh-ed25519");
            add(&blob, point, sizeof point);
            refuse_blob("ssh-ed25519", &blob, "small order");
            point[1] ^= 1;
            blob.n = 0;
            add_text(&blob, "ssh-ed25519");
            add(&blob, point, sizeof point);
            accept_blob("ssh-ed25519", &blob);
        }
}

/* Nor is a placeholder a key that signs documents. */
static void test_signer_of_zeros(void **state)
{
    struct signers signers;

    (void)state;
    assert_false(envelope_parse_signers("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &signers));
    assert_true(envelope_parse_signers("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgA=", &signers));
}

static void test_security_keys(void **state)
{
    static const char ed25519[] = "sk-ssh-ed25519@openssh.com";
    static const char ecdsa[] = "sk-ecdsa-sha2-nistp256@openssh.com";
    struct blob blob, plain;
    char application[257];

    (void)state;
    memset(application, 'a', sizeof application);
    for (size_t n = 0; n <= 256; n++) {
        blob.n = 0;
        add_text(&blob, ed25519);
        add(&blob, "01234567890123456789012345678901", 32);
        add(&blob, application, n);
        if (n >= 1 && n <= 255)
            accept_blob(ed25519, &blob);
        else
            refuse_blob(ed25519, &blob, "application");
    }
    for (size_t n = 31; n <= 33; n += 2) {
        blob.n = 0;
        add_text(&blob, ed25519);
        add(&blob, "012345678901234567890123456789012", n);
        add_text(&blob, "ssh:");
        refuse_blob(ed25519, &blob, "Ed25519");
    }
    decode(&plain, ECDSA_256_BASE64);
    blob.n = 0;
    add_text(&blob, ecdsa);
    /* The curve and the point of the plain key, after its type. */
    memcpy(blob.bytes + blob.n, plain.bytes + 4 + 19, plain.n - 4 - 19);
    blob.n += plain.n - 4 - 19;
    refuse_blob(ecdsa, &blob, "application");
    struct blob whole = blob;
    add_text(&whole, "ssh:");
    accept_blob(ecdsa, &whole);
    add_text(&whole, "x");
    refuse_blob(ecdsa, &whole, "bytes follow");
    whole = blob;
    add(&whole, "ssh:\0", 5);
    refuse_blob(ecdsa, &whole, "application");
    whole = blob;
    add(&whole, "ssh:\n", 5);
    refuse_blob(ecdsa, &whole, "application");
}

static void test_points(void **state)
{
    struct blob blob;

    (void)state;
    decode(&blob, ECDSA_256_BASE64);
    blob.bytes[blob.n - 1] ^= 1;
    refuse_blob(ECDSA_256_TYPE, &blob, "not on its curve");
    blob.bytes[blob.n - 1] ^= 1;
    blob.bytes[blob.n - 65] = 0x02;
    refuse_blob(ECDSA_256_TYPE, &blob, "uncompressed");
    /* The compressed form of the same point, and infinity. */
    blob.n -= 65 + 4;
    size_t start = blob.n;
    unsigned char compressed[33] = {0x02};
    decode(&blob, ECDSA_256_BASE64);
    memcpy(compressed + 1, blob.bytes + start + 5, 32);
    blob.n = start;
    add(&blob, compressed, sizeof compressed);
    refuse_blob(ECDSA_256_TYPE, &blob, "uncompressed");
    blob.n = start;
    add(&blob, "", 1);
    refuse_blob(ECDSA_256_TYPE, &blob, "uncompressed");
    blob.n = start;
    add(&blob, "", 0);
    refuse_blob(ECDSA_256_TYPE, &blob, "uncompressed");
    /* Another curve's name. */
    decode(&blob, ECDSA_256_BASE64);
    memcpy(blob.bytes + 4 + 19 + 4, "nistp384", 8);
    refuse_blob(ECDSA_256_TYPE, &blob, "curve");
}

/* An RSA key of two mpints, given as the bytes in the blob. */
static void make_rsa(struct blob *blob, const void *e, size_t e_size, const void *n, size_t n_size)
{
    blob->n = 0;
    add_text(blob, "ssh-rsa");
    add(blob, e, e_size);
    add(blob, n, n_size);
}

static void test_rsa_numbers(void **state)
{
    unsigned char n[2050];
    struct blob blob;

    (void)state;
    memset(n, 0xa5, sizeof n);
    n[0] = 0; /* 257 bytes: 2048 bits, with the zero that keeps them positive */
    make_rsa(&blob, "\1\0\1", 3, n, 257);
    accept_blob("ssh-rsa", &blob);
    make_rsa(&blob, "\3", 1, n, 257);
    accept_blob("ssh-rsa", &blob);
    make_rsa(&blob, "\1", 1, n, 257);
    refuse_blob("ssh-rsa", &blob, "exponent");
    make_rsa(&blob, "\1\0\2", 3, n, 257);
    refuse_blob("ssh-rsa", &blob, "exponent");
    make_rsa(&blob, "", 0, n, 257);
    refuse_blob("ssh-rsa", &blob, "exponent");
    make_rsa(&blob, "\0", 1, n, 257);
    refuse_blob("ssh-rsa", &blob, "exponent");
    make_rsa(&blob, "\0\1\0\1", 4, n, 257);
    refuse_blob("ssh-rsa", &blob, "exponent");
    make_rsa(&blob, "\x81", 1, n, 257);
    refuse_blob("ssh-rsa", &blob, "exponent");
    make_rsa(&blob, "\1\0\1", 3, n + 1, 256); /* negative */
    refuse_blob("ssh-rsa", &blob, "modulus");
    make_rsa(&blob, "\1\0\1", 3, "", 0);
    refuse_blob("ssh-rsa", &blob, "modulus");
    make_rsa(&blob, "\1\0\1", 3, n, 2049);
    accept_blob("ssh-rsa", &blob);
    n[0] = 1; /* a bit more than 16384 */
    make_rsa(&blob, "\1\0\1", 3, n, 2049);
    refuse_blob("ssh-rsa", &blob, "more than 16384");
    n[0] = 0x7f; /* 2047 bits */
    make_rsa(&blob, "\1\0\1", 3, n, 256);
    refuse_blob("ssh-rsa", &blob, "less than 2048");
    n[0] = 0;
    n[1] = 0x7f; /* a zero that is not needed */
    make_rsa(&blob, "\1\0\1", 3, n, 258);
    refuse_blob("ssh-rsa", &blob, "modulus");
}

static void accept_pasted(const char *line)
{
    const char *why = "";
    struct key key;

    if (!keys_parse_line(line, &key, &why))
        fail_msg("%s: %s", line, why);
    assert_string_equal(key.type, ED25519_TYPE);
    assert_int_equal(key.base64_length, strlen(ED25519_BASE64));
    assert_memory_equal(key.base64, ED25519_BASE64, key.base64_length);
}

/* What a file, an editor or a web form leaves around a key. */
static void test_pasted(void **state)
{
    static const char *const blanks[] = {"\n",       "\r\n",         " ",    "\t",
                                         "\xc2\xa0", "\xef\xbb\xbf", " \t\n"};
    char line[512];

    (void)state;
    for (size_t i = 0; i < sizeof blanks / sizeof blanks[0]; i++) {
        const char *b = blanks[i];
        (void)snprintf(line, sizeof line, "%s%s%s%s%s", b, ED25519_TYPE, b, ED25519_BASE64, b);
        accept_pasted(line);
        (void)snprintf(line, sizeof line, "%s %s me@laptop%s", ED25519_TYPE, ED25519_BASE64, b);
        accept_pasted(line);
    }
    accept_pasted(ED25519_TYPE " " ED25519_BASE64 "\tme\tlaptop");
}

static void test_lines(void **state)
{
    char *line = malloc(KEY_VALUE_MAX + 2);
    const char *key = ED25519_TYPE " " ED25519_BASE64 " ";
    const char *why = NULL;
    struct key out;

    (void)state;
    assert_non_null(line);
    refuse_line("", "not a type and base64");
    refuse_line(ED25519_TYPE, "not a type and base64");
    refuse_line(ED25519_TYPE "   ", "not a type and base64");
    refuse_line(ED25519_BASE64, "not a type and base64");
    refuse_line("command=\"id\" " ED25519_TYPE " " ED25519_BASE64, "does not begin with a type");
    refuse_line("restrict " ED25519_TYPE " " ED25519_BASE64, "does not begin with a type");
    refuse_line("cert-authority " ED25519_TYPE " " ED25519_BASE64, "does not begin with a type");
    refuse_line("restrict," ED25519_TYPE " " ED25519_BASE64, "does not begin with a type");
    refuse_line("#" ED25519_TYPE " " ED25519_BASE64, "does not begin with a type");
    refuse_line(ED25519_TYPE " " ED25519_BASE64 " c\n" ED25519_SECOND_TYPE, "control character");
    refuse_line(ED25519_TYPE " " ED25519_BASE64 " \x7f", "control character");
    refuse_line(ED25519_TYPE " " ED25519_BASE64 "\n" ED25519_SECOND_TYPE, "control character");
    refuse_line(ED25519_TYPE " " ED25519_BASE64 " a\x1b[2J", "control character");
    refuse_line(ED25519_TYPE " " ED25519_BASE64 "\x07", "base64");
    refuse_line(ED25519_TYPE " " ED25519_BASE64 "comment", "base64");
    refuse_line(ED25519_TYPE "\xc2" ED25519_BASE64, "not a type and base64");
    refuse_line("\xef\xbb\xbf \r\n", "not a type and base64");
    refuse_line("\xef\xbb\xbf"
                "no-pty " ED25519_TYPE " " ED25519_BASE64,
                "does not begin with a type");
    size_t start = strlen(key);
    memcpy(line, key, start);
    memset(line + start, 'x', KEY_VALUE_MAX + 1 - start);
    line[KEY_VALUE_MAX + 1] = '\0';
    refuse_line(line, "longer than 16384");
    line[KEY_VALUE_MAX] = '\0';
    assert_true(keys_parse_line(line, &out, &why));
    memset(line, 'A', KEY_VALUE_MAX + 1);
    assert_false(
        keys_parse(key_bytes_of("ssh-rsa", 7), key_bytes_of(line, strlen(line)), &out, &why));
    assert_non_null(strstr(why, "longer than 16384"));
    line[KEY_VALUE_MAX] = '\0';
    assert_false(
        keys_parse(key_bytes_of("ssh-rsa", 7), key_bytes_of(line, strlen(line)), &out, &why));
    assert_non_null(strstr(why, "another type"));
    free(line);
}

/* ---- Lack of memory ---- */

/* The allocation of OpenSSL that fails; 0: none. Counted from 1. */
static unsigned fails, allocations;

static bool is_failing(void)
{
    if (++allocations != fails)
        return false;
    errno = ENOMEM;
    return true;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return is_failing() ? NULL : malloc(size);
}

static void *reallocate(void *at, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return is_failing() ? NULL : realloc(at, size);
}

static void release(void *at, const char *file, int line)
{
    (void)file;
    (void)line;
    free(at);
}

/* A key is never malformed because memory was short. */
static void test_no_memory(void **state)
{
    char line[BLOB_SIZE];

    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        const char *why = "";
        unsigned refused = 0, n = 0;
        struct key key;
        bool ok;
        (void)snprintf(line, sizeof line, "%s %s", samples[i].type, samples[i].base64);
        /* What OpenSSL creates only once is there from now on. */
        assert_true(keys_parse_line(line, &key, &why));
        do {
            fails = ++n;
            allocations = 0;
            ok = keys_parse_line(line, &key, &why);
            fails = 0;
            if (!ok && why != key_no_memory)
                fail_msg("%s, allocation %u: %s", samples[i].type, n, why);
            refused += !ok;
            assert_int_equal(ERR_peek_error(), 0);
        } while (allocations >= n);
        assert_true(ok);
        assert_true(refused > 0);
    }
}

/* Nor is a signature verified, or an error left behind. */
static void test_no_memory_to_verify(void **state)
{
    static const unsigned char signer[KEYS_SIGNER_SIZE] = {1}, signature[KEYS_SIGNATURE_SIZE];
    const char *why = "";
    unsigned n = 0;

    (void)state;
    assert_false(keys_verify(signer, "x", 1, signature, &why));
    assert_string_equal(why, "");
    do {
        fails = ++n;
        allocations = 0;
        assert_false(keys_verify(signer, "x", 1, signature, &why));
        fails = 0;
        assert_int_equal(ERR_peek_error(), 0);
    } while (allocations >= n);
    assert_string_equal(why, "could not be verified, because OpenSSL failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_keys),       cmocka_unit_test(test_refused_kinds),
        cmocka_unit_test(test_truncated),       cmocka_unit_test(test_type_inside_differs),
        cmocka_unit_test(test_extra_bytes),     cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_base64),          cmocka_unit_test(test_small_order),
        cmocka_unit_test(test_signer_of_zeros), cmocka_unit_test(test_security_keys),
        cmocka_unit_test(test_points),          cmocka_unit_test(test_rsa_numbers),
        cmocka_unit_test(test_pasted),          cmocka_unit_test(test_lines),
        cmocka_unit_test(test_no_memory),       cmocka_unit_test(test_no_memory_to_verify),
    };

    if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
