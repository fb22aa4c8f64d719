/* SPDX-License-Identifier: Apache-2.0 */
#include "common/words.h"

#include <limits.h>
#include <string.h>

bool cloud_words_add(struct cloud_words *words, const char *word, size_t n)
{
    _Static_assert(CLOUD_WORDS_WORD_MAX <= UCHAR_MAX, "a word's length is a byte");
    char *at = words->text + words->used;

    if (n == 0 || n > CLOUD_WORDS_WORD_MAX || n + 2 > sizeof words->text - words->used)
        return false;
    *at++ = (char)n;
    memcpy(at, word, n);
    at[n] = '\0';
    words->used += n + 2;
    return true;
}

const char *cloud_words_next(const struct cloud_words *words, size_t *at)
{
    const char *length = words->text + *at;

    if (*at >= words->used)
        return NULL;
    *at += (unsigned char)*length + 2u;
    return length + 1;
}
