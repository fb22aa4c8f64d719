/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_TEXT_H
#define CLOUD_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Builds a string in a buffer, without stdio, which the NSS module may not use. The text is always
 * NUL-terminated. Text that does not fit is not appended at all, and sets `cut`, which stays set,
 * so that a caller can append everything and check once at the end.
 */
struct cloud_text {
    char *at;
    size_t size; /* of the buffer, at least 1 */
    size_t used; /* without the NUL */
    bool cut;
};

/* Starts an empty text in a buffer of at least one byte. */
void cloud_text_start(struct cloud_text *text, char *buffer, size_t size);

/* Append a string, n bytes, one character, or a number in decimal. */
void cloud_text_add(struct cloud_text *text, const char *string);
void cloud_text_add_bytes(struct cloud_text *text, const char *bytes, size_t n);
void cloud_text_add_char(struct cloud_text *text, char c);
void cloud_text_add_number(struct cloud_text *text, uint64_t number);

/* Writes a number in decimal to `out`, and returns `out`. CLOUD_DIGITS(number) is such a string,
 * valid until the end of the block that it stands in. */
#define CLOUD_DIGITS_SIZE 24
const char *cloud_text_digits(char out[CLOUD_DIGITS_SIZE], int64_t number);
#define CLOUD_DIGITS(number) cloud_text_digits((char[CLOUD_DIGITS_SIZE]){0}, (int64_t)(number))

/* Appends several strings: cloud_text_add_all(&text, "a", b, "c"). */
void cloud_text_add_strings(struct cloud_text *text, const char *const *string, size_t n);
#define cloud_text_add_all(text, ...)                                                              \
    cloud_text_add_strings(text, (const char *const[]){__VA_ARGS__},                               \
                           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* Appends a byte: as \xHH unless it is printable ASCII. */
void cloud_text_add_escaped(struct cloud_text *text, char c);

/* Whether the byte is a control character of ASCII: 0 to 0x1f, or 0x7f. */
bool cloud_text_is_control(char c);

/* Whether the string has a control character, which could end or forge a line of a log. */
bool cloud_text_has_control(const char *string);

/* Whether text is a relative path that cannot leave its directory: parts separated by '/', none of
 * which is empty, "." or "..", and without control characters. */
bool cloud_text_is_path(const char *text);

/*
 * Appends a value of a log line such that no byte of it can end the value or the line. A value that
 * has only the characters A-Z a-z 0-9 . _ : @ / + = - is appended as it is. Any other is put into
 * double quotes, with '"' and '\\' escaped by '\\' and each byte outside printable ASCII as \xHH;
 * if that does not fit, nothing is appended and `cut` is set. Appends nothing for NULL and "".
 */
void cloud_text_add_value(struct cloud_text *text, const char *value);

/* Appends " name=value", with the value as cloud_text_add_value writes it. The value of a pair that
 * would take more than CLOUD_TEXT_VALUE_MAX bytes is left out, so that it does not push later
 * values off the line. */
#define CLOUD_TEXT_VALUE_MAX 1024
void cloud_text_add_pair(struct cloud_text *text, const char *name, const char *value);

/* Reads a decimal number of n digits, without sign, space or leading zeros. False, with *out
 * unchanged, if the text has another form or the number is greater than max. */
bool cloud_text_read_number(const char *digits, size_t n, uint64_t max, uint64_t *out);

#endif
