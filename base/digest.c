/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include "base/fatal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

static void *resize(void *old, size_t n, const char *file, int line)
{
    void *memory;

    (void)file;
    (void)line;
    if (n == 0) {
        free(old);
        return NULL;
    }
    memory = realloc(old, n);
    if (memory == NULL)
        fatal("out of memory");
    return memory;
}

static void *allocate(size_t n, const char *file, int line)
{
    return resize(NULL, n, file, line);
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

bool digest_end_without_memory(void)
{
    return CRYPTO_set_mem_functions(allocate, resize, release) == 1;
}

/* Returns SHA-256, or NULL if OpenSSL fails. It is fetched only once: with EVP_sha256(), each
 * EVP_Digest(3) would look it up by name, which takes longer than the digest of a line. */
static const EVP_MD *fetch(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static EVP_MD *sha256;

    pthread_mutex_lock(&lock);
    /* EVP_MD_fetch(3) crashes without a default library context, which is missing if OpenSSL could
     * not be initialized. */
    if (sha256 == NULL && OSSL_LIB_CTX_get0_global_default() != NULL)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    const EVP_MD *fetched = sha256;
    pthread_mutex_unlock(&lock);
    return fetched;
}

bool digest_sha256(const void *bytes, size_t n, unsigned char out[DIGEST_SIZE])
{
    /* A failure must not leave an error in this thread's OpenSSL error queue, where the thread's
     * next use of OpenSSL would find it. */
    (void)ERR_set_mark();
    const EVP_MD *sha256 = fetch();
    bool ok = sha256 != NULL && EVP_Digest(bytes, n, out, NULL, sha256, NULL) == 1;

    (void)ERR_pop_to_mark();
    return ok;
}

/* EVP_DecodeBlock(3) alone would accept spaces at both ends, '=' as a digit, and unused bits that
 * are not 0. */
bool digest_base64_decode(const char *text, size_t n, unsigned char *out, size_t *used)
{
    unsigned char last[5];

    if (n == 0 || n % 4 != 0 || n > INT_MAX)
        return false;
    size_t padding = text[n - 1] != '=' ? 0 : text[n - 2] != '=' ? 1 : 2;
    size_t whole = n / 4 * 3;
    if (memchr(text, '=', n - padding) != NULL ||
        EVP_DecodeBlock(out, (const unsigned char *)text, (int)n) != (int)whole)
        return false;
    *used = whole - padding;
    EVP_EncodeBlock(last, out + whole - 3, 3 - (int)padding);
    return memcmp(last, text + n - 4, 4) == 0;
}

void digest_base64_encode(const void *bytes, size_t n, char *out)
{
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
}

void digest_hex(const unsigned char *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        *out++ = hex_digits[bytes[i] >> 4];
        *out++ = hex_digits[bytes[i] & 15];
    }
    *out = '\0';
}

bool digest_unhex(const char *hex, unsigned char *out, size_t n)
{
    if (strlen(hex) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *high = strchr(hex_digits, hex[2 * i]);
        const char *low = strchr(hex_digits, hex[2 * i + 1]);
        if (high == NULL || low == NULL)
            return false;
        out[i] = (unsigned char)((high - hex_digits) << 4 | (low - hex_digits));
    }
    return true;
}
