/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/pairs.h"

#include <string.h>

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* The byte that \xHH at `at` stands for; -1 if there is none, or if it is NUL. */
static int read_hex(const char *at)
{
    int high = at[0] == '\\' && at[1] == 'x' ? digit(at[2]) : -1;
    int low = high < 0 ? -1 : digit(at[3]);

    return low < 0 || high * 16 + low == 0 ? -1 : high * 16 + low;
}

/* Undoes the escapes in place, to the closing quote; returns what follows it. */
static char *unquote(char *at)
{
    char *to = at;

    while (*at != '\0' && *at != '"') {
        int byte = read_hex(at);
        if (byte >= 0) {
            *to++ = (char)byte;
            at += 4;
            continue;
        }
        if (*at == '\\' && at[1] != '\0')
            at++;
        *to++ = *at++;
    }
    if (*at == '"')
        at++;
    *to = '\0';
    return at;
}

bool pairs_next(struct pairs *pairs, const char **name, const char **value)
{
    char *at = pairs->at + strspn(pairs->at, " "), *end;

    if (*at == '\0')
        return false;
    *name = at;
    end = at + strcspn(at, " =");
    *value = end;
    if (*end == '=') {
        *end++ = '\0';
        *value = end;
        if (*end == '"') {
            *value = end + 1;
            end = unquote(end + 1);
        }
        /* The daemon writes a space behind a quote; anything else there is skipped. */
        end += strcspn(end, " ");
    }
    pairs->at = *end == '\0' ? end : end + 1;
    if (*end != '\0')
        *end = '\0';
    if (*value == end)
        *value = "";
    return true;
}
