/* SPDX-License-Identifier: Apache-2.0 */

#include "base/digest.h"
#include "tests/unit/support.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* RFC 4648 section 10, and FIPS 180-4's example. */
static void test_sha256(void **state)
{
    unsigned char digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    (void)state;
    assert_true(digest_sha256("abc", 3, digest));
    digest_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_base64(void **state)
{
    static const char *const pairs[][2] = {{"f", "Zg=="},         {"fo", "Zm8="},
                                           {"foo", "Zm9v"},       {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    static const char *const refused[] = {
        "",     "Zg",   "Zg=",  "Zh==", "Zm9=",     "Zg==Zg==", "====",         "Z===",    "Zm9v ",
        "Zm-v", "Zm_v", "Zm 9", "=m9v", "    Zm9v", "Zm9v    ", "Zm9v\n\n\n\n", "Zm9=Zm9v"};
    unsigned char bytes[16];
    char text[DIGEST_BASE64_SIZE(6)];
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        digest_base64_encode(pairs[i][0], strlen(pairs[i][0]), text);
        assert_string_equal(text, pairs[i][1]);
        assert_true(digest_base64_decode(text, strlen(text), bytes, &used));
        assert_int_equal(used, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], used);
    }
    digest_base64_encode("", 0, text);
    assert_string_equal(text, "");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(digest_base64_decode(refused[i], strlen(refused[i]), bytes, &used));
}

static void test_hex(void **state)
{
    static const char *const refused[] = {"",       "00",     "00ff1", "00ff1a00",
                                          "00FF1a", "00fg1a", "00 f1a"};
    const unsigned char bytes[3] = {0x00, 0xff, 0x1a};
    unsigned char read[3];
    char hex[7];

    (void)state;
    digest_hex(bytes, sizeof bytes, hex);
    assert_string_equal(hex, "00ff1a");
    assert_true(digest_unhex(hex, read, sizeof read));
    assert_memory_equal(read, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(digest_unhex(refused[i], read, sizeof read));
}

/* In a process that has not used OpenSSL yet. */
static void test_end_without_memory(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        if (digest_end_without_memory() && OPENSSL_malloc(1) != NULL)
            (void)OPENSSL_malloc(SIZE_MAX / 2);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_without_memory),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_hex),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
