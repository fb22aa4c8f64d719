/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/out.h"

#include "access/json_scan.h"
#include "base/array.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

/* Whether a terminal would interpret or hide the character instead of showing it: C0, DEL, C1,
 * bidirectional marks, line separators, zero-width characters, tags. */
static bool is_control(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xe0000 && code <= 0xe007f);
}

/* Writes a control character as JSON escapes it (RFC 8259, section 7). */
static void put_escaped(FILE *to, unsigned code)
{
    if (code >= 0x10000)
        fprintf(to, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
    else
        fprintf(to, "\\u%04x", code);
}

/* Writes a text with its control characters and invalid bytes escaped: in text as \xHH; in JSON,
 * which is also read on terminals, a control character as \uHHHH and an invalid byte as U+FFFD. */
static void put_text(FILE *to, const char *text, bool json)
{
    unsigned code;

    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        size_t n = json_utf8(at, strnlen((const char *)at, 4), &code), bytes = n == 0 ? 1 : n;
        if (json && n == 0)
            fputs("\\ufffd", to);
        else if (json && is_control(code))
            put_escaped(to, code);
        else if (json && (at[0] == '"' || at[0] == '\\'))
            (void)fprintf(to, "\\%c", at[0]);
        else if (n > 0 && !is_control(code))
            (void)fwrite(at, 1, n, to);
        else
            for (size_t i = 0; i < bytes; i++)
                fprintf(to, "\\x%02x", at[i]);
        at += bytes;
    }
}

void out_no_memory(void)
{
    fputs("cloudauthctl: out of memory\n", stderr);
    exit(3); /* CTL_UNKNOWN */
}

/* Returns a malloc'ed copy of the text, escaped as by put_text without JSON. */
static char *escape(const char *text)
{
    char *out = NULL;
    size_t size;
    FILE *to = open_memstream(&out, &size);

    if (to == NULL)
        out_no_memory();
    put_text(to, text, false);
    if (fclose(to) != 0)
        out_no_memory();
    return out;
}

static void put_json(const char *text)
{
    putchar('"');
    put_text(stdout, text, true);
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

static bool started;
/* The messages so far; those that do not fit are left out. */
static char errors[4096];

bool out_has_started(void)
{
    return started;
}

void out_start(struct out *out, bool json)
{
    const char *term = getenv("TERM");

    started = true;
    *out = (struct out){.json = json};
    out->colour = !json && isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL && term != NULL &&
                  strcmp(term, "dumb") != 0;
    if (json)
        putchar('{');
}

bool out_end(struct out *out)
{
    if (out->json && errors[0] != '\0')
        out_pair(out, "error", errors);
    if (out->json)
        fputs("}\n", stdout);
    free(out->cell);
    out->cell = NULL;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fputs("cloudauthctl: the answer could not be written whole\n", stderr);
    return false;
}

void out_pair(struct out *out, const char *name, const char *value)
{
    char *shown, *shown_name;

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
    shown_name = escape(name);
    shown = escape(value);
    printf("%s%s%s: %s\n", out->colour ? BOLD : "", shown_name, out->colour ? PLAIN : "", shown);
    free(shown_name);
    free(shown);
}

void out_number(struct out *out, const char *name, int64_t value)
{
    if (!out->json) {
        out_pair(out, name, CLOUD_DIGITS(value));
        return;
    }
    put_name(out, name);
    fputs(CLOUD_DIGITS(value), stdout);
}

void out_table(struct out *out, const char *name, const char *columns)
{
    out->columns = out->cells = 0;
    for (size_t i = 0, n; columns[0] != '\0'; i++, columns += n + (columns[n] != '\0')) {
        size_t word = strcspn(columns, " #@");
        n = strcspn(columns, " ");
        if (i < out->skip && !out->json)
            continue;
        snprintf(out->column[out->columns].name, sizeof out->column->name, "%.*s", (int)word,
                 columns);
        out->column[out->columns++].type = columns[word];
    }
    if (!out->json)
        return;
    put_name(out, name);
    putchar('[');
    out->comma = false;
}

void out_time(int64_t seconds, char *out, size_t size)
{
    time_t when = (time_t)seconds;
    struct tm tm;

    if (seconds <= 0 || gmtime_r(&when, &tm) == NULL ||
        strftime(out, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        out[0] = '\0';
}

/* Returns the text to print for a cell: the cell itself or, in a column of times, the formatted
 * time, which is written to `time`. */
static const char *shown(const struct out *out, size_t column, const char *cell, char time[32])
{
    if (out->column[column].type != '@')
        return cell;
    out_time(strtoll(cell, NULL, 10), time, 32);
    return time;
}

/* Whether the text is an integer as JSON writes it. In a column of numbers any other text is
 * printed as null. */
static bool is_number(const char *text)
{
    text += text[0] == '-';
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0' &&
           (text[0] != '0' || text[1] == '\0');
}

static void put_row(struct out *out, const char *const *cell)
{
    char time[32];

    if (out->comma)
        putchar(',');
    putchar('{');
    out->comma = false;
    for (size_t i = 0; i < out->columns; i++) {
        put_name(out, out->column[i].name);
        if (out->column[i].type != '#')
            put_json(shown(out, i, cell[i], time));
        else
            fputs(is_number(cell[i]) ? cell[i] : "null", stdout);
    }
    putchar('}');
    out->comma = true;
}

void out_row(struct out *out, const char *const *cell)
{
    char time[32];

    if (out->json) {
        put_row(out, cell);
        return;
    }
    for (size_t i = 0; i < out->columns; i++) {
        const char *text = escape(shown(out, i, cell[i + out->skip], time));
        if (!array_add(&out->cell, &out->cells, &out->room, &text, sizeof text))
            out_no_memory();
    }
}

/* Returns the width of a text on a terminal, estimated as its number of characters. */
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

    while (last > 0 && cell[last - 1][0] == '\0')
        last--;
    for (size_t i = 0; i < last; i++) {
        fputs(cell[i], stdout);
        for (size_t n = width(cell[i]); i + 1 < last && n < widths[i] + 2; n++)
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
            if (width(out->cell[row + i]) > widths[i])
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

static void put_line(const struct out *out, const char *text, bool bold)
{
    char *shown;

    if (out->json)
        return;
    shown = escape(text);
    printf("%s%s%s\n", bold ? BOLD : "", shown, bold ? PLAIN : "");
    free(shown);
}

void out_line(const struct out *out, const char *text)
{
    put_line(out, text, false);
}

void out_heading(const struct out *out, const char *text)
{
    put_line(out, text, out->colour);
}

bool out_is_terminal(const struct out *out)
{
    return !out->json && isatty(STDOUT_FILENO);
}

const char *out_errors(void)
{
    return errors;
}

void out_error(const char *text)
{
    size_t used = strlen(errors);
    char *shown = escape(text);

    snprintf(errors + used, sizeof errors - used, "%s%s", used == 0 ? "" : "; ", text);
    fprintf(stderr, "cloudauthctl: %s\n", shown);
    free(shown);
}
