/* SPDX-License-Identifier: Apache-2.0 */
#include "access/certificate.h"
#include "base/digest.h"
#include "tests/unit/sample_certificates.h"
#include "tests/unit/sample_keys.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <string.h>

#define BLOB_SIZE 4096
#define CLAIMS    "token-claims@platform.sh"
#define NEW_YEAR  INT64_C(1798761600) /* 2027-01-01T00:00:00Z */

static unsigned char blob[BLOB_SIZE];
static size_t used;

static struct key_bytes bytes(const char *text)
{
    return key_bytes_of(text, strlen(text));
}

static bool parse(const char *type, const char *base64, struct offered_key *out)
{
    const char *why = NULL;
    bool ok = offered_key_parse(bytes(type), bytes(base64), CLAIMS, out, &why);

    assert_true(ok || why != NULL);
    return ok;
}

static void start(const char *base64)
{
    assert_true(strlen(base64) / 4 * 3 <= sizeof blob);
    assert_true(digest_base64_decode(base64, strlen(base64), blob, &used));
}

/* Parses the first n bytes of the blob as a certificate for an Ed25519 key. */
static bool parse_blob(size_t n, struct offered_key *out)
{
    static char base64[DIGEST_BASE64_SIZE(BLOB_SIZE)];

    digest_base64_encode(blob, n, base64);
    return parse(CERT_GOOD_TYPE, base64, out);
}

static size_t find(const void *bytes, size_t n)
{
    unsigned char *at = memmem(blob, used, bytes, n);

    assert_non_null(at);
    return (size_t)(at - blob);
}

/* Replaces old bytes by others, and subtracts what is lost from the length at `length`. */
static void replace(const char *old, size_t n, const char *other, size_t other_n, size_t length)
{
    size_t at = find(old, n);

    memmove(blob + at + other_n, blob + at + n, used - at - n);
    memcpy(blob + at, other, other_n);
    used = used - n + other_n;
    blob[length + 3] = (unsigned char)(blob[length + 3] - n + other_n);
}

static void assert_print(const unsigned char *fingerprint, const char *print)
{
    char text[KEY_FINGERPRINT_TEXT];

    keys_fingerprint_text(fingerprint, text);
    assert_string_equal(text, print);
}

static void test_key_types(void **state)
{
    static const struct {
        const char *type, *base64, *key, *ca;
    } samples[] = {
        {CERT_GOOD_TYPE, CERT_GOOD_BASE64, CERT_GOOD_PRINT, CERT_CA_PRINT},
        {CERT_ECDSA_256_TYPE, CERT_ECDSA_256_BASE64, CERT_ECDSA_256_PRINT, CERT_CA_PRINT},
        {CERT_ECDSA_384_TYPE, CERT_ECDSA_384_BASE64, CERT_ECDSA_384_PRINT, CERT_ECDSA_CA_PRINT},
        {CERT_ECDSA_521_TYPE, CERT_ECDSA_521_BASE64, CERT_ECDSA_521_PRINT, CERT_CA_PRINT},
        {CERT_RSA_TYPE, CERT_RSA_BASE64, CERT_RSA_PRINT, CERT_RSA_CA_PRINT},
        {CERT_SK_ED25519_TYPE, CERT_SK_ED25519_BASE64, CERT_SK_ED25519_PRINT, CERT_CA_PRINT},
        {CERT_SK_ECDSA_TYPE, CERT_SK_ECDSA_BASE64, CERT_SK_ECDSA_PRINT, CERT_CA_PRINT},
    };
    struct offered_key offered;

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        assert_true(parse(samples[i].type, samples[i].base64, &offered));
        assert_true(offered.certified);
        assert_null(offered.fault);
        assert_print(offered.fingerprint, samples[i].key);
        assert_print(offered.ca, samples[i].ca);
        assert_int_equal(offered.valid_after, NEW_YEAR);
        assert_int_equal(offered.valid_before, NEW_YEAR + 3600);
        assert_string_equal(offered.key_id, "u-1");
        assert_string_equal(offered.principal, "alice");
    }
}

static size_t put_text(unsigned char *at, const void *text, size_t n)
{
    at[0] = at[1] = 0;
    at[2] = (unsigned char)(n >> 8);
    at[3] = (unsigned char)n;
    memcpy(at + 4, text, n);
    return n + 4;
}

#define AMR "{\"auth_time\": 1798761500, \"amr\": [\"pwd\", \"mfa\"], \"sub\": {}}"

/* The good certificate with other extensions: claims (or NULL) by name, twice if so, and has-mfa.
 */
static struct offered_key with_claims(const char *claims, bool twice, bool has_mfa)
{
    static unsigned char list[4 * 4096], value[8192];
    static char base64[DIGEST_BASE64_SIZE(4 * BLOB_SIZE)];
    static unsigned char all[4 * BLOB_SIZE];
    struct offered_key offered;
    size_t at, old, n = 0, size;

    start(CERT_GOOD_BASE64);
    at = find("permit-X11-forwarding", 21) - 8;
    old = 4 + ((size_t)blob[at + 2] << 8 | blob[at + 3]);
    for (int i = 0; claims != NULL && i < 1 + twice; i++) {
        n += put_text(list + n, CLAIMS, strlen(CLAIMS));
        size = put_text(value, claims, strlen(claims));
        n += put_text(list + n, value, size);
    }
    if (has_mfa) {
        n += put_text(list + n, "has-mfa@platform.sh", 19);
        n += put_text(list + n, "", 0);
    }
    memcpy(all, blob, at);
    size = at + put_text(all + at, list, n);
    memcpy(all + size, blob + at + old, used - at - old);
    digest_base64_encode(all, size + used - at - old, base64);
    assert_true(parse(CERT_GOOD_TYPE, base64, &offered));
    return offered;
}

static void test_claims(void **state)
{
    struct offered_key offered = with_claims(AMR, false, false);

    (void)state;
    assert_int_equal(offered.claims.auth_time, 1798761500);
    assert_int_equal(offered.claims.amrs, 2);
    assert_string_equal(offered.claims.amr[0], "pwd");
    assert_string_equal(offered.claims.amr[1], "mfa");
    /* The time of the claims counts, also if has-mfa adds its word. */
    offered = with_claims("{\"auth_time\":5,\"amr\":[]}", false, true);
    assert_int_equal(offered.claims.auth_time, 5);
    assert_int_equal(offered.claims.amrs, 1);
    offered = with_claims(NULL, false, true);
    assert_int_equal(offered.claims.auth_time, NEW_YEAR);
    assert_string_equal(offered.claims.amr[0], "mfa");
    offered = with_claims("{\"auth_time\":5,\"amr\":[\"12345678901234567890123456789012\","
                          "\"123456789012345678901234567890123\"]}",
                          false, false);
    assert_int_equal(offered.claims.amrs, 1);
    assert_int_equal(with_claims(NULL, false, false).claims.auth_time, 0);
}

/* Claims that cannot be read count for nothing, and has-mfa beside them as well. */
static void test_bad_claims(void **state)
{
    static const char *const bad[] = {
        "",
        "mfa",
        "[]",
        "{\"amr\":[\"mfa\"]}",
        "{\"auth_time\":5}",
        "{\"auth_time\":\"5\",\"amr\":[\"mfa\"]}",
        "{\"auth_time\":-5,\"amr\":[\"mfa\"]}",
        "{\"auth_time\":5,\"amr\":\"mfa\"}",
        "{\"auth_time\":5,\"amr\":[1]}",
        "{\"auth_time\":5,\"auth_time\":6,\"amr\":[\"mfa\"]}",
        "{\"auth_time\":5,\"amr\":[\"mfa\"]} x",
        "{\"auth_time\":5,\"amr\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"mfa\"]}"};
    char large[4200];
    struct offered_key offered;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
        offered = with_claims(bad[i / 2], false, i % 2 == 1);
        assert_int_equal(offered.claims.auth_time, 0);
        assert_int_equal(offered.claims.amrs, 0);
    }
    assert_int_equal(with_claims(AMR, true, false).claims.auth_time, 0);
    snprintf(large, sizeof large, "%-4096s", AMR);
    assert_int_equal(with_claims(large, false, false).claims.auth_time, 1798761500);
    snprintf(large, sizeof large, "%-4097s", AMR);
    assert_int_equal(with_claims(large, false, true).claims.auth_time, 0);
}

static void test_name(void **state)
{
    struct offered_key offered;
    char name[CERTIFICATE_NAME_SIZE];
    unsigned char ca[KEY_FINGERPRINT_SIZE];
    uint64_t serial = 0;

    (void)state;
    assert_true(parse(CERT_GOOD_TYPE, CERT_GOOD_BASE64, &offered));
    certificate_name(&offered, name);
    assert_string_equal(name, "7@" CERT_CA_PRINT);
    assert_true(parse(CERT_ECDSA_256_TYPE, CERT_ECDSA_256_BASE64, &offered));
    certificate_name(&offered, name);
    assert_string_equal(name, "18446744073709551615@" CERT_CA_PRINT);
    assert_true(certificate_name_read(name, &serial, ca));
    assert_true(serial == UINT64_MAX);
    assert_memory_equal(ca, offered.ca, sizeof ca);
    assert_false(certificate_name_read("18446744073709551616@" CERT_CA_PRINT, &serial, ca));
    assert_false(certificate_name_read("@" CERT_CA_PRINT, &serial, ca));
    assert_false(certificate_name_read("7", &serial, ca));
    assert_false(certificate_name_read(CERT_CA_PRINT, &serial, ca));
}

/* A plain key is one without any field of a certificate. */
static void test_plain_key(void **state)
{
    struct offered_key plain, other, certified;
    const char *why = NULL;

    (void)state;
    assert_true(parse(ED25519_TYPE, ED25519_BASE64, &plain));
    assert_false(plain.certified);
    assert_print(plain.fingerprint, ED25519_PRINT);
    assert_int_equal(plain.serial, 0);
    assert_true(offered_key_parse_line(ED25519_TYPE " " ED25519_BASE64 " me", &other, &why));
    assert_true(offered_key_equal(&plain, &other));
    assert_true(
        offered_key_parse_line(CERT_GOOD_TYPE " " CERT_GOOD_BASE64 " me\n", &certified, &why));
    assert_false(offered_key_equal(&plain, &certified));
    assert_true(parse(CERT_GOOD_TYPE, CERT_GOOD_BASE64, &other));
    assert_true(offered_key_equal(&other, &certified));
    assert_true(parse(CERT_ENFORCED_TYPE, CERT_ENFORCED_BASE64, &other)); /* of the same key */
    assert_false(offered_key_equal(&other, &certified));
    assert_false(
        offered_key_parse_line("restrict " CERT_GOOD_TYPE " " CERT_GOOD_BASE64, &other, &why));
}

/* The type within a certificate is the one that stands before it. */
static void test_other_type(void **state)
{
    struct offered_key offered;

    (void)state;
    start(CERT_GOOD_BASE64);
    assert_true(parse_blob(used, &offered));
    blob[find(CERT_GOOD_TYPE, strlen(CERT_GOOD_TYPE))] = 'S';
    assert_false(parse_blob(used, &offered));
}

static void test_faults(void **state)
{
    static const struct {
        const char *base64, *fault;
    } samples[] = {
        {CERT_HOST_BASE64, "users"},
        {CERT_NO_PRINCIPALS_BASE64, "no principals"},
        {CERT_FORCED_BASE64, "force-command"},
        {CERT_UNKNOWN_OPTION_BASE64, "critical option"},
    };
    struct offered_key offered;

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        assert_true(parse(CERT_GOOD_TYPE, samples[i].base64, &offered));
        assert_non_null(offered.fault);
        assert_non_null(strstr(offered.fault, samples[i].fault));
    }
    assert_true(parse(CERT_GOOD_TYPE, CERT_ENFORCED_BASE64, &offered)); /* by sshd */
    assert_null(offered.fault);
}

static void test_no_end(void **state)
{
    struct offered_key offered;

    (void)state;
    assert_true(parse(CERT_FOREVER_TYPE, CERT_FOREVER_BASE64, &offered));
    assert_int_equal(offered.valid_after, 0);
    assert_true(offered.valid_before == INT64_MAX);
    assert_string_equal(offered.key_id, ""); /* "u 1" is no person's id */
}

static void test_limit(void **state)
{
    struct offered_key offered;

    (void)state;
    assert_true(parse(CERT_GOOD_TYPE, CERT_GOOD_BASE64, &offered)); /* for an hour */
    certificate_limit(&offered, 3600 - CERTIFICATE_EARLY);
    assert_null(offered.fault);
    certificate_limit(&offered, 3599 - CERTIFICATE_EARLY);
    assert_non_null(offered.fault);
    assert_true(parse(CERT_FOREVER_TYPE, CERT_FOREVER_BASE64, &offered));
    certificate_limit(&offered, UINT32_MAX);
    assert_null(offered.fault);
    certificate_limit(&offered, UINT32_MAX - 1);
    assert_non_null(offered.fault);
    assert_true(parse(ED25519_TYPE, ED25519_BASE64, &offered));
    certificate_limit(&offered, 1);
    assert_null(offered.fault);
}

static void test_keys_that_are_not_accepted(void **state)
{
    struct offered_key offered;
    const char *why = "";

    (void)state;
    assert_false(parse(CERT_WEAK_KEY_TYPE, CERT_WEAK_KEY_BASE64, &offered));
    assert_false(offered_key_parse(bytes(CERT_WEAK_CA_TYPE), bytes(CERT_WEAK_CA_BASE64), NULL,
                                   &offered, &why));
    assert_non_null(strstr(why, "signed by"));
    assert_false(parse(CERT_DSA_TYPE, CERT_DSA_BASE64, &offered));
    assert_false(parse(ED25519_TYPE, CERT_GOOD_BASE64, &offered));
    assert_false(parse(CERT_ECDSA_256_TYPE, CERT_GOOD_BASE64, &offered));
    assert_false(parse(CERT_ECDSA_384_TYPE, CERT_ECDSA_256_BASE64, &offered));
    assert_false(parse("ssh-ed25519-cert-v00@openssh.com", CERT_GOOD_BASE64, &offered));
    /* a certificate that is signed by a certificate */
    start(CERT_GOOD_BASE64);
    replace("\0\0\0\x0bssh-ed25519\0\0\0 ", 19, "\0\0\0\x1fssh-ed25519-cert-v01@openssh.com\0\0\0 ",
            0, 0);
    assert_false(parse_blob(used, &offered));
}

static void test_principals(void **state)
{
    static const char *const bad[] = {"al,ce", "al\"ce", "al\\ce", "al\nce", "al\177ce"};
    struct offered_key offered;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        start(CERT_GOOD_BASE64);
        memcpy(blob + find("alice", 5), bad[i], 5);
        assert_true(parse_blob(used, &offered));
        assert_non_null(offered.fault);
        start(CERT_GOOD_BASE64);
        memcpy(blob + find("bob", 3), bad[i], 3); /* not the first one */
        assert_true(parse_blob(used, &offered));
        assert_non_null(offered.fault);
    }
    start(CERT_GOOD_BASE64);
    memcpy(blob + find("alice", 5), "al\0ce", 5);
    assert_true(parse_blob(used, &offered));
    assert_non_null(offered.fault);
    start(CERT_GOOD_BASE64);
    replace("\0\0\0\3bob", 7, "\0\0\0\0", 4, find("\0\0\0\x10\0\0\0\5alice", 13));
    assert_true(parse_blob(used, &offered));
    assert_string_equal(offered.principal, "alice");
    assert_non_null(offered.fault); /* an empty one */
    start(CERT_GOOD_BASE64);
    memcpy(blob + find("\0\0\0\3bob", 7), "\0\0\0\4", 4);
    assert_false(parse_blob(used, &offered)); /* its list ends first */
}

static void test_lengths(void **state)
{
    struct offered_key offered;

    (void)state;
    start(CERT_ENFORCED_BASE64);
    for (size_t n = 1; n < used; n++)
        assert_false(parse_blob(n, &offered));
    blob[used] = 0;
    assert_true(parse_blob(used, &offered));
    assert_false(parse_blob(used + 1, &offered));
    for (size_t i = 0; i < used; i++) { /* no length leads out of the blob, as ASan would tell */
        unsigned char byte = blob[i];
        blob[i] = 0xff;
        (void)parse_blob(used, &offered);
        blob[i] = 0;
        (void)parse_blob(used, &offered);
        blob[i] = byte;
    }
    start(CERT_GOOD_BASE64); /* without a signature */
    used -= 83;
    memset(blob + used - 4, 0, 4);
    assert_false(parse_blob(used, &offered));
}

static void test_size(void **state)
{
    static char base64[KEY_VALUE_MAX + 9];
    struct offered_key offered;
    const char *why = "";

    (void)state;
    memset(base64, 'A', sizeof base64 - 1);
    assert_false(offered_key_parse(bytes(CERT_GOOD_TYPE), bytes(base64), NULL, &offered, &why));
    assert_non_null(strstr(why, "longer than 16384"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_types),  cmocka_unit_test(test_claims),
        cmocka_unit_test(test_bad_claims), cmocka_unit_test(test_name),
        cmocka_unit_test(test_plain_key),  cmocka_unit_test(test_other_type),
        cmocka_unit_test(test_faults),     cmocka_unit_test(test_no_end),
        cmocka_unit_test(test_limit),      cmocka_unit_test(test_keys_that_are_not_accepted),
        cmocka_unit_test(test_principals), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
