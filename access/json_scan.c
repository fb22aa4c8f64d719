/* SPDX-License-Identifier: Apache-2.0 */
#include "access/json_scan.h"

#include <string.h>

#define NUMBER_MAX 60 /* characters: cJSON copies a number into 64 bytes */

struct scan {
    const unsigned char *bytes;
    size_t at, n;
    size_t nesting_left, values_left;
    const char *what;
};

static bool scan_value(struct scan *scan);

static bool fail(struct scan *scan, const char *what)
{
    scan->what = what;
    return false;
}

/* The next byte; -1 at the end. */
static int peek(const struct scan *scan)
{
    return scan->at < scan->n ? scan->bytes[scan->at] : -1;
}

static bool take(struct scan *scan, char c)
{
    if (peek(scan) != (unsigned char)c)
        return false;
    scan->at++;
    return true;
}

static void skip_space(struct scan *scan)
{
    while (take(scan, ' ') || take(scan, '\t') || take(scan, '\n') || take(scan, '\r'))
        ;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static int hex_of(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits after "\u". */
static bool take_unit(struct scan *scan, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, scan->at++) {
        int digit = hex_of(peek(scan));
        if (digit < 0)
            return fail(scan, "not JSON: \\u without four hexadecimal digits");
        *out = *out << 4 | (unsigned)digit;
    }
    return true;
}

static bool scan_unicode_escape(struct scan *scan)
{
    unsigned unit, low;

    if (!take_unit(scan, &unit))
        return false;
    if (unit == 0)
        return fail(scan, "a NUL character");
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit > 0xdbff || !take(scan, '\\') || !take(scan, 'u') || !take_unit(scan, &low) ||
        low < 0xdc00 || low > 0xdfff)
        return fail(scan, "an unpaired surrogate");
    return true;
}

/* An escape, after its backslash. */
static bool scan_escape(struct scan *scan)
{
    int c = peek(scan);

    if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return fail(scan, "not JSON: an unknown escape");
    scan->at++;
    return c != 'u' || scan_unicode_escape(scan);
}

/*
 * One character of more than one byte (RFC 3629). The range of the second byte excludes overlong
 * forms, surrogates, and code points above U+10FFFF.
 */
static bool scan_utf8(struct scan *scan)
{
    int lead = peek(scan);
    int low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    int high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;

    if (lead < 0xc2 || lead > 0xf4)
        return fail(scan, "not UTF-8");
    scan->at++;
    for (int i = 0; i < more; i++, scan->at++) {
        if (peek(scan) < low || peek(scan) > high)
            return fail(scan, "not UTF-8");
        low = 0x80;
        high = 0xbf;
    }
    return true;
}

static bool scan_string(struct scan *scan)
{
    if (!take(scan, '"'))
        return fail(scan, "not JSON: a string is missing");
    while (!take(scan, '"')) {
        int c = peek(scan);
        if (c < 0)
            return fail(scan, "not JSON: a string has no end");
        if (c < 0x20)
            return fail(scan, "a control character in a string");
        if (c >= 0x80) {
            if (!scan_utf8(scan))
                return false;
            continue;
        }
        scan->at++;
        if (c == '\\' && !scan_escape(scan))
            return false;
    }
    return true;
}

static bool scan_digits(struct scan *scan)
{
    if (!is_digit(peek(scan)))
        return fail(scan, "not JSON: a number lacks a digit");
    while (is_digit(peek(scan)))
        scan->at++;
    return true;
}

static bool scan_number(struct scan *scan)
{
    size_t start = scan->at;

    (void)take(scan, '-');
    if (!take(scan, '0') && !scan_digits(scan))
        return false;
    if (take(scan, '.') && !scan_digits(scan))
        return false;
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '-'))
            (void)take(scan, '+');
        if (!scan_digits(scan))
            return false;
    }
    return scan->at - start <= NUMBER_MAX || fail(scan, "a number of more than 60 characters");
}

static bool scan_word(struct scan *scan, const char *word)
{
    size_t n = strlen(word);

    if (n > scan->n - scan->at || memcmp(scan->bytes + scan->at, word, n) != 0)
        return fail(scan, "not JSON: a value is missing");
    scan->at += n;
    return true;
}

/* An array or an object, after its bracket. */
static bool scan_container(struct scan *scan, char close, bool members)
{
    skip_space(scan);
    if (take(scan, close))
        return true;
    do {
        skip_space(scan);
        if (members) {
            if (!scan_string(scan))
                return false;
            skip_space(scan);
            if (!take(scan, ':'))
                return fail(scan, "not JSON: ':' is missing");
            skip_space(scan);
        }
        if (!scan_value(scan))
            return false;
        skip_space(scan);
    } while (take(scan, ','));
    return take(scan, close) || fail(scan, "not JSON: ',' or a closing bracket is missing");
}

/* Recurses through scan_container as deep as the limit of nesting. */
static bool scan_value(struct scan *scan)
{
    bool ok;

    if (scan->values_left == 0)
        return fail(scan, "too many values");
    scan->values_left--;
    switch (peek(scan)) {
    case '{':
    case '[':
        if (scan->nesting_left == 0)
            return fail(scan, "nested too deeply");
        scan->nesting_left--;
        ok = take(scan, '{') ? scan_container(scan, '}', true)
                             : take(scan, '[') && scan_container(scan, ']', false);
        scan->nesting_left++;
        return ok;
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        if (peek(scan) == '-' || is_digit(peek(scan)))
            return scan_number(scan);
        return fail(scan, "not JSON: a value is missing");
    }
}

bool json_scan(const void *bytes, size_t n, const struct json_limits *limits,
               struct json_fault *fault)
{
    struct scan scan = {bytes, 0, n, limits->nesting, limits->values, NULL};

    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        scan.at = 3;
    skip_space(&scan);
    bool ok = scan_value(&scan);
    if (ok) {
        skip_space(&scan);
        ok = scan.at == n || fail(&scan, "not JSON: bytes follow the document");
    }
    fault->offset = scan.at;
    fault->what = scan.what;
    return ok;
}
