/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/health.h"
#include "tests/unit/support.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static EVP_PKEY *key;
static char pem[65536];
static size_t length;

static int start(void **state)
{
    (void)state;
    if (key == NULL)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    length = 0;
    return key == NULL;
}

/* Adds a PEM block to the text. */
static void add(BIO *bio)
{
    int n = BIO_read(bio, pem + length, (int)(sizeof pem - length));

    assert_true(n > 0);
    length += (size_t)n;
    BIO_free(bio);
}

static void add_certificate(int64_t end)
{
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());

    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(certificate), 0));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(certificate), end));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, NULL) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    add(bio);
    X509_free(certificate);
}

static void add_key(void)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    add(bio);
}

static void add_text(const char *text)
{
    memcpy(pem + length, text, strlen(text));
    length += strlen(text);
}

static void test_one(void **state)
{
    struct certificates seen;

    (void)state;
    add_certificate(1893456000);
    assert_true(certificates_read(pem, length, &seen));
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.first, 1893456000);
    assert_int_equal(seen.earliest, 1893456000);
}

/* Times after 2049 are encoded as GeneralizedTime (RFC 5280, 4.1.2.5). */
static void test_far(void **state)
{
    struct certificates seen;

    (void)state;
    add_certificate(INT64_C(253402300799));
    assert_true(certificates_read(pem, length, &seen));
    assert_int_equal(seen.first, INT64_C(253402300799));
}

/* The first and the earliest are told apart; text and keys between them are skipped. */
static void test_several(void **state)
{
    struct certificates seen;

    (void)state;
    add_text("# the chain\n");
    add_certificate(2000000000);
    add_key();
    add_certificate(1000000000);
    add_text("text\n");
    add_certificate(1500000000);
    assert_true(certificates_read(pem, length, &seen));
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.first, 2000000000);
    assert_int_equal(seen.earliest, 1000000000);
}

static void test_none(void **state)
{
    struct certificates seen;

    (void)state;
    assert_false(certificates_read("", 0, &seen));
    assert_false(certificates_read("nothing\n", 8, &seen));
    add_key();
    assert_false(certificates_read(pem, length, &seen));
}

/* A damaged certificate at any place makes the file unusable. */
static void test_damaged(void **state)
{
    struct certificates seen;
    size_t first;

    (void)state;
    add_certificate(2000000000);
    first = length;
    add_certificate(1900000000);
    assert_false(certificates_read(pem, length - 30, &seen));
    pem[first + 60] = '!';
    assert_false(certificates_read(pem, length, &seen));
    /* The first one is valid. */
    assert_true(certificates_read(pem, first, &seen));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one, start),     cmocka_unit_test_setup(test_far, start),
        cmocka_unit_test_setup(test_several, start), cmocka_unit_test_setup(test_none, start),
        cmocka_unit_test_setup(test_damaged, start),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    EVP_PKEY_free(key);
    return failed;
}
