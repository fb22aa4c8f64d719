/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The product's allocations, and the calls of libraries that fail where there is no memory. One
 * fails when a target says so, but none without which the daemon ends (base/fatal.h).
 */
#include "tests/fuzz/fuzz.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

static unsigned left; /* until one fails; 0: none does */
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_xcalloc(size_t count, size_t size);
char *__wrap_xstrdup(const char *text);
char *__real_strdup(const char *text);
cJSON *__real_cJSON_Parse(const char *text);
int __real_EVP_Digest(const void *bytes, size_t size, unsigned char *out, unsigned *out_size,
                      const EVP_MD *type, ENGINE *engine);
EC_POINT *__real_EC_POINT_new(const EC_GROUP *group);
CURLU *__real_curl_url(void);
CURLUcode __real_curl_url_set(CURLU *url, CURLUPart part, const char *text, unsigned flags);
CURLUcode __real_curl_url_get(const CURLU *url, CURLUPart part, char **out, unsigned flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
cJSON *__wrap_cJSON_Parse(const char *text);
int __wrap_EVP_Digest(const void *bytes, size_t size, unsigned char *out, unsigned *out_size,
                      const EVP_MD *type, ENGINE *engine);
EC_POINT *__wrap_EC_POINT_new(const EC_GROUP *group);
CURLU *__wrap_curl_url(void);
CURLUcode __wrap_curl_url_set(CURLU *url, CURLUPart part, const char *text, unsigned flags);
CURLUcode __wrap_curl_url_get(const CURLU *url, CURLUPart part, char **out, unsigned flags);

void fuzz_fail(unsigned n)
{
    left = n;
    failed = false;
}

bool fuzz_failed(void)
{
    left = 0;
    return failed;
}

static bool fails(void)
{
    if (left == 0 || --left > 0)
        return false;
    failed = true;
    return true;
}

void *__wrap_xcalloc(size_t count, size_t size)
{
    void *memory = __real_calloc(count, size);

    require(memory != NULL);
    return memory;
}

char *__wrap_xstrdup(const char *text)
{
    char *copy = __real_strdup(text);

    require(copy != NULL);
    return copy;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

cJSON *__wrap_cJSON_Parse(const char *text)
{
    return fails() ? NULL : __real_cJSON_Parse(text);
}

int __wrap_EVP_Digest(const void *bytes, size_t size, unsigned char *out, unsigned *out_size,
                      const EVP_MD *type, ENGINE *engine)
{
    return fails() ? 0 : __real_EVP_Digest(bytes, size, out, out_size, type, engine);
}

EC_POINT *__wrap_EC_POINT_new(const EC_GROUP *group)
{
    return fails() ? NULL : __real_EC_POINT_new(group);
}

CURLU *__wrap_curl_url(void)
{
    return fails() ? NULL : __real_curl_url();
}

CURLUcode __wrap_curl_url_set(CURLU *url, CURLUPart part, const char *text, unsigned flags)
{
    return fails() ? CURLUE_OUT_OF_MEMORY : __real_curl_url_set(url, part, text, flags);
}

CURLUcode __wrap_curl_url_get(const CURLU *url, CURLUPart part, char **out, unsigned flags)
{
    return fails() ? CURLUE_OUT_OF_MEMORY : __real_curl_url_get(url, part, out, flags);
}
