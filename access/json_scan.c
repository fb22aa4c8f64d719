/* SPDX-License-Identifier: Apache-2.0 */
#include "access/json_scan.h"

#include <string.h>

#define NUMBER_MAX 60 /* characters; cJSON copies a number into a buffer of 64 bytes */

struct scan {
    const unsigned char *bytes;
    size_t at, n;
    size_t nesting_left, values_left;
    const char *what;
    char *copy;    /* the end of the copy; NULL: none is made */
    size_t copied; /* the bytes before this offset are in the copy */
};

static bool scan_value(struct scan *scan);

static bool fail(struct scan *scan, const char *what)
{
    scan->what = what;
    return false;
}

/* Returns the next byte; -1 at the end. */
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

/* Returns the value of a hexadecimal digit; -1 for any other byte. */
static int hex_of(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads the four hexadecimal digits after "\u". Returns false, with scan->what set, if they are
 * missing. */
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

/* Scans the part of an escape after its backslash. Returns false, with scan->what set, if it is
 * wrong. */
static bool scan_escape(struct scan *scan)
{
    int c = peek(scan);

    if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return fail(scan, "not JSON: an unknown escape");
    scan->at++;
    return c != 'u' || scan_unicode_escape(scan);
}

static bool scan_string(struct scan *scan)
{
    unsigned code;

    if (!take(scan, '"'))
        return fail(scan, "not JSON: a string is missing");
    while (!take(scan, '"')) {
        int c = peek(scan);
        if (c < 0)
            return fail(scan, "not JSON: a string has no end");
        if (c < 0x20)
            return fail(scan, "a control character in a string");
        size_t bytes = c < 0x80 ? 1 : json_utf8(scan->bytes + scan->at, scan->n - scan->at, &code);
        if (bytes == 0)
            return fail(scan, "not UTF-8");
        scan->at += bytes;
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

/* Copies the bytes before `end` that are not in the copy yet. */
static void copy_to(struct scan *scan, size_t end)
{
    scan->copy = mempcpy(scan->copy, scan->bytes + scan->copied, end - scan->copied);
    scan->copied = end;
}

/* Copies what has been scanned, with the number that begins at `start` in quotes. */
static void copy_quoted(struct scan *scan, size_t start)
{
    copy_to(scan, start);
    *scan->copy++ = '"';
    copy_to(scan, scan->at);
    *scan->copy++ = '"';
}

static bool scan_number(struct scan *scan)
{
    size_t start = scan->at, digits;

    (void)take(scan, '-');
    if (!take(scan, '0') && !scan_digits(scan))
        return false;
    digits = scan->bytes[start] == '-' ? 0 : scan->at - start;
    if (take(scan, '.') && !scan_digits(scan))
        return false;
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '-'))
            (void)take(scan, '+');
        if (!scan_digits(scan))
            return false;
    }
    if (scan->at - start > NUMBER_MAX)
        return fail(scan, "a number of more than 60 characters");
    if (scan->copy != NULL && digits > JSON_EXACT_DIGITS && digits == scan->at - start)
        copy_quoted(scan, start);
    return true;
}

static bool scan_word(struct scan *scan, const char *word)
{
    size_t n = strlen(word);

    if (n > scan->n - scan->at || memcmp(scan->bytes + scan->at, word, n) != 0)
        return fail(scan, "not JSON: a value is missing");
    scan->at += n;
    return true;
}

/* Scans the part of an array or an object after its opening bracket. Returns false, with scan->what
 * set, if it is wrong. */
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

/* Scans a value. Recurses through scan_container, no deeper than json_limits.nesting. */
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

size_t json_utf8(const unsigned char *at, size_t left, unsigned *code)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = at[0] < 0x80   ? 1
               : at[0] < 0xc2 ? 0
               : at[0] < 0xe0 ? 2
               : at[0] < 0xf0 ? 3
               : at[0] < 0xf5 ? 4
                              : 0;

    *code = n == 1 ? at[0] : at[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (i == left || (at[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    return *code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : n;
}

bool json_scan(const void *bytes, size_t n, const struct json_limits *limits, char *copy,
               struct json_fault *fault)
{
    struct scan scan = {.bytes = bytes,
                        .n = n,
                        .nesting_left = limits->nesting,
                        .values_left = limits->values,
                        .copy = copy};

    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        scan.at = 3;
    skip_space(&scan);
    bool ok = scan_value(&scan);
    if (ok) {
        skip_space(&scan);
        ok = scan.at == n || fail(&scan, "not JSON: bytes follow the document");
    }
    if (ok && copy != NULL) {
        copy_to(&scan, n);
        *scan.copy = '\0';
    }
    fault->offset = scan.at;
    fault->what = scan.what;
    return ok;
}
