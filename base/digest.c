/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
static const char hex_digits[] = "0123456789abcdef";

bool digest_sha256_two(const void *first, size_t first_length, const void *second,
                       size_t second_length, unsigned char out[DIGEST_SIZE])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(context, first, first_length) == 1 &&
              EVP_DigestUpdate(context, second, second_length) == 1 &&
              EVP_DigestFinal_ex(context, out, NULL) == 1;

    EVP_MD_CTX_free(context);
    return ok;
}

bool digest_sha256(const void *bytes, size_t n, unsigned char out[DIGEST_SIZE])
{
    return digest_sha256_two(bytes, n, "", 0, out);
}

/* The value of a base64 digit, or 64 for any other character. */
static unsigned base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : 64;
}

bool digest_base64_decode(const char *text, size_t n, unsigned char *out, size_t *used)
{
    if (n == 0 || n % 4 != 0)
        return false;
    size_t padding = text[n - 1] != '=' ? 0 : text[n - 2] != '=' ? 1 : 2;
    uint32_t bits = 0;

    *used = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = i < n - padding ? base64_value(text[i]) : 0;
        if (digit > 63)
            return false;
        bits = bits << 6 | digit;
        if (i % 4 != 3)
            continue;
        out[(*used)++] = (unsigned char)(bits >> 16);
        out[(*used)++] = (unsigned char)(bits >> 8);
        out[(*used)++] = (unsigned char)bits;
    }
    uint32_t unused = padding == 0 ? 0 : padding == 1 ? 0xff : 0xffff;
    *used -= padding;
    return (bits & unused) == 0;
}

void digest_base64_encode(const void *bytes, size_t n, char *out)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = 0;
        for (size_t j = 0; j < 3; j++)
            three = three << 8 | (i + j < n ? at[i + j] : 0u);
        for (unsigned j = 0; j < 4; j++)
            *out++ = base64_digits[j <= n - i ? three >> (18 - 6 * j) & 63 : 64];
    }
    *out = '\0';
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
