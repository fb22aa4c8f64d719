/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

/* The length of the UTF-8 sequence at `at` (RFC 3629), or 0 if there is none. */
static size_t sequence(const unsigned char *at)
{
    size_t n = at[0] < 0x80                     ? 1
               : at[0] >= 0xc2 && at[0] <= 0xdf ? 2
               : at[0] >= 0xe0 && at[0] <= 0xef ? 3
               : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                : 0;

    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

/* The code point of a sequence of n bytes. */
static unsigned code_point(const unsigned char *at, size_t n)
{
    unsigned code = n == 1 ? at[0] : at[0] & (0x7fu >> n);

    for (size_t i = 1; i < n; i++)
        code = code << 6 | (at[i] & 0x3f);
    return code;
}

/* C0, DEL, C1, and the characters that change a terminal's output without being shown: marks of
 * direction, line separators, characters of no width, tags. */
static bool is_control(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xe0000 && code <= 0xe007f);
}

/* The text with control characters and invalid bytes as \xHH, malloc'ed; NULL if memory is out. */
static char *escape(const char *text)
{
    char *out = malloc(strlen(text) * 4 + 1), *to = out;

    if (out == NULL)
        return NULL;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        size_t n = sequence(at), bytes = n == 0 ? 1 : n;
        if (n > 0 && !is_control(code_point(at, n))) {
            memcpy(to, at, n);
            to += n;
        } else {
            for (size_t i = 0; i < bytes; i++, to += 4)
                snprintf(to, 5, "\\x%02x", at[i]);
        }
        at += bytes;
    }
    *to = '\0';
    return out;
}

/* RFC 8259, section 7. */
static void put_escaped(unsigned code)
{
    if (code >= 0x10000)
        printf("\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
    else
        printf("\\u%04x", code);
}

/* JSON is read on terminals as well, so that control characters are escaped in it, too. */
static void put_json(const char *text)
{
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        size_t n = sequence(at);
        if (n == 0)
            fputs("\\ufffd", stdout);
        else if (at[0] == '"' || at[0] == '\\')
            printf("\\%c", at[0]);
        else if (is_control(code_point(at, n)))
            put_escaped(code_point(at, n));
        else
            printf("%.*s", (int)n, (const char *)at);
        at += n == 0 ? 1 : n;
    }
    putchar('"');
}

static void put_name(struct out *out, const char *name)
{
    if (out->comma)
        putchar(',');
    out->comma = true;
    put_json(name);
    putchar(':');
}

void out_start(struct out *out, bool json)
{
    const char *term = getenv("TERM");

    *out = (struct out){.json = json};
    out->colour = !json && isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL && term != NULL &&
                  strcmp(term, "dumb") != 0;
    if (json)
        putchar('{');
}

bool out_end(struct out *out)
{
    if (out->json)
        fputs("}\n", stdout);
    if (fflush(stdout) != 0 || ferror(stdout))
        out->failed = true;
    free(out->cell);
    out->cell = NULL;
    if (out->failed)
        fputs("cloudauthctl: the answer could not be written whole\n", stderr);
    return !out->failed;
}

void out_pair(struct out *out, const char *name, const char *value)
{
    char *shown;

    if (out->json) {
        put_name(out, name);
        if (value == NULL)
            fputs("null", stdout);
        else
            put_json(value);
        return;
    }
    if (value == NULL || value[0] == '\0')
        return;
    shown = escape(value);
    if (shown == NULL)
        out->failed = true;
    else
        printf("%s%s%s: %s\n", out->colour ? BOLD : "", name, out->colour ? PLAIN : "", shown);
    free(shown);
}

void out_number(struct out *out, const char *name, int64_t value)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%lld", (long long)value);
    if (!out->json) {
        out_pair(out, name, digits);
        return;
    }
    put_name(out, name);
    fputs(digits, stdout);
}

void out_bool(struct out *out, const char *name, bool value)
{
    if (!out->json) {
        out_pair(out, name, value ? "yes" : "no");
        return;
    }
    put_name(out, name);
    fputs(value ? "true" : "false", stdout);
}

void out_table(struct out *out, const char *name, const struct out_column *column, size_t columns)
{
    if (!out->json) {
        column += out->skip;
        columns -= out->skip;
    }
    out->column = column;
    out->columns = columns;
    out->cells = 0;
    if (!out->json)
        return;
    put_name(out, name);
    putchar('[');
    out->comma = false;
}

/* A cell that is not a JSON number is printed as null. */
static bool is_number(const char *text)
{
    text += text[0] == '-';
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0' &&
           (text[0] != '0' || text[1] == '\0');
}

static void put_row(struct out *out, const char *const *cell)
{
    if (out->comma)
        putchar(',');
    putchar('{');
    out->comma = false;
    for (size_t i = 0; i < out->columns; i++) {
        put_name(out, out->column[i].name);
        if (out->column[i].type == OUT_STRING)
            put_json(cell[i]);
        else
            fputs(is_number(cell[i]) ? cell[i] : "null", stdout);
    }
    putchar('}');
    out->comma = true;
}

void out_row(struct out *out, const char *const *cell)
{
    if (out->json) {
        put_row(out, cell);
        return;
    }
    if (out->cells + out->columns > out->room) {
        size_t room = (out->room + out->columns) * 2;
        char **grown = reallocarray(out->cell, room, sizeof *grown);
        if (grown == NULL) {
            out->failed = true;
            return;
        }
        out->cell = grown;
        out->room = room;
    }
    for (size_t i = 0; i < out->columns; i++) {
        out->cell[out->cells] = escape(cell[i + out->skip]);
        if (out->cell[out->cells] == NULL)
            out->failed = true;
        out->cells++;
    }
}

/* The width of a text on a terminal, taken as the number of its characters. */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void put_cells(const struct out *out, const char *const *cell, const size_t *widths)
{
    size_t last = out->columns;

    while (last > 0 && (cell[last - 1] == NULL || cell[last - 1][0] == '\0'))
        last--;
    for (size_t i = 0; i < last; i++) {
        const char *text = cell[i] == NULL ? "" : cell[i];
        fputs(text, stdout);
        for (size_t n = width(text); i + 1 < last && n < widths[i] + 2; n++)
            putchar(' ');
    }
    putchar('\n');
}

void out_table_end(struct out *out)
{
    size_t widths[OUT_COLUMNS] = {0};
    const char *head[OUT_COLUMNS];

    if (out->json) {
        putchar(']');
        out->comma = true;
        return;
    }
    for (size_t i = 0; i < out->columns; i++) {
        head[i] = out->column[i].name;
        widths[i] = width(head[i]);
    }
    for (size_t row = 0; row < out->cells; row += out->columns)
        for (size_t i = 0; i < out->columns; i++)
            if (out->cell[row + i] != NULL && width(out->cell[row + i]) > widths[i])
                widths[i] = width(out->cell[row + i]);
    if (out->cells > 0) {
        fputs(out->colour ? BOLD : "", stdout);
        put_cells(out, head, widths);
        fputs(out->colour ? PLAIN : "", stdout);
    }
    for (size_t i = 0; i < out->cells; i += out->columns)
        put_cells(out, (const char *const *)out->cell + i, widths);
    for (size_t i = 0; i < out->cells; i++)
        free(out->cell[i]);
    out->cells = 0;
}

void out_line(struct out *out, const char *text)
{
    char *shown = out->json ? NULL : escape(text);

    if (shown != NULL)
        puts(shown);
    free(shown);
}

void out_heading(struct out *out, const char *text)
{
    char *shown = out->json ? NULL : escape(text);

    if (shown != NULL)
        printf("%s%s%s\n", out->colour ? BOLD : "", shown, out->colour ? PLAIN : "");
    free(shown);
}

bool out_is_terminal(const struct out *out)
{
    return !out->json && isatty(STDOUT_FILENO);
}

void out_error(const char *text)
{
    char *shown = escape(text);

    fprintf(stderr, "cloudauthctl: %s\n", shown == NULL ? "out of memory" : shown);
    free(shown);
}
