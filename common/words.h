/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_WORDS_H
#define CLOUD_COMMON_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* A list of words in a fixed buffer, without pointers, so that it can be copied. */

#define CLOUD_WORDS_SIZE     8192 /* bytes of all words with their lengths and NULs */
#define CLOUD_WORDS_WORD_MAX 128  /* characters of a word */

struct cloud_words {
    size_t used;
    char text[CLOUD_WORDS_SIZE]; /* for each word: its length in a byte, the word, a NUL */
};

/* Adds a word of n characters. False, with the list unchanged, if it has 0 characters or more than
 * CLOUD_WORDS_WORD_MAX, or if the list is full. */
bool cloud_words_add(struct cloud_words *words, const char *word, size_t n);

/* Returns the word at offset *at and moves *at to the next word; NULL at the end. The first offset
 * is 0. */
const char *cloud_words_next(const struct cloud_words *words, size_t *at);

#endif
