/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text.h"

#include <string.h>

void cloud_text_start(struct cloud_text *text, char *buffer, size_t size)
{
    text->at = buffer;
    text->size = size;
    text->used = 0;
    text->cut = false;
    buffer[0] = '\0';
}

void cloud_text_add_bytes(struct cloud_text *text, const char *bytes, size_t n)
{
    if (n >= text->size - text->used) {
        text->cut = true;
        return;
    }
    memcpy(text->at + text->used, bytes, n);
    text->used += n;
    text->at[text->used] = '\0';
}

void cloud_text_add(struct cloud_text *text, const char *string)
{
    cloud_text_add_bytes(text, string, strlen(string));
}

void cloud_text_add_strings(struct cloud_text *text, const char *const *string, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cloud_text_add(text, string[i]);
}

void cloud_text_add_char(struct cloud_text *text, char c)
{
    cloud_text_add_bytes(text, &c, 1);
}

void cloud_text_add_number(struct cloud_text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    cloud_text_add_bytes(text, digits + at, sizeof digits - at);
}

const char *cloud_text_digits(char out[CLOUD_DIGITS_SIZE], int64_t number)
{
    struct cloud_text text;

    cloud_text_start(&text, out, CLOUD_DIGITS_SIZE);
    if (number < 0)
        cloud_text_add_char(&text, '-');
    cloud_text_add_number(&text, number < 0 ? -(uint64_t)number : (uint64_t)number);
    return out;
}

bool cloud_text_is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

bool cloud_text_has_control(const char *string)
{
    while (*string != '\0' && !cloud_text_is_control(*string))
        string++;
    return *string != '\0';
}

static bool is_value(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._:@/+=-", c) != NULL);
}

void cloud_text_add_escaped(struct cloud_text *text, char c)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char byte = (unsigned char)c;
    const char escaped[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};

    if (byte < ' ' || byte > '~')
        cloud_text_add_bytes(text, escaped, sizeof escaped);
    else
        cloud_text_add_char(text, c);
}

bool cloud_text_is_path(const char *text)
{
    for (;; text++) {
        size_t n = strcspn(text, "/");

        if (n == 0 || (text[0] == '.' && (n == 1 || (n == 2 && text[1] == '.'))))
            return false;
        for (; n > 0; n--)
            if (cloud_text_is_control(*text++))
                return false;
        if (*text == '\0')
            return true;
    }
}

static void add_quoted(struct cloud_text *text, const char *value)
{
    cloud_text_add_char(text, '"');
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            cloud_text_add_char(text, '\\');
        cloud_text_add_escaped(text, *at);
    }
    cloud_text_add_char(text, '"');
}

void cloud_text_add_value(struct cloud_text *text, const char *value)
{
    size_t start = text->used;
    bool cut = text->cut;
    const char *at = value;

    if (value == NULL)
        return;
    while (is_value(*at))
        at++;
    if (*at == '\0') {
        cloud_text_add_bytes(text, value, (size_t)(at - value));
        return;
    }
    text->cut = false;
    add_quoted(text, value);
    if (text->cut) { /* without its closing quote the value would swallow what follows */
        text->used = start;
        text->at[start] = '\0';
    }
    text->cut = text->cut || cut;
}

void cloud_text_add_pair(struct cloud_text *text, const char *name, const char *value)
{
    char written[CLOUD_TEXT_VALUE_MAX + 1];
    struct cloud_text one;

    cloud_text_start(&one, written, sizeof written);
    cloud_text_add_value(&one, value);
    cloud_text_add_char(text, ' ');
    cloud_text_add(text, name);
    cloud_text_add_char(text, '=');
    cloud_text_add(text, written);
}

bool cloud_text_read_number(const char *digits, size_t n, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (n == 0 || (n > 1 && digits[0] == '0'))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(digits[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}
