/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_OUT_H
#define CLOUD_CTL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A command's answer on standard output: one JSON object, or the same for people, with pairs as
 * "name: value" lines and tables as aligned columns. No byte of a value can end a line or a string,
 * or reach a terminal as a control character.
 */

#define OUT_COLUMNS 20

struct out {
    bool json, colour, comma;
    struct {
        char name[24], type;
    } column[OUT_COLUMNS]; /* of the table that is open */
    size_t columns;
    size_t skip;        /* columns at the left that are in JSON alone */
    char **cell;        /* of the table, for people: escaped */
    size_t cells, room; /* used, and allocated */
    bool failed;        /* memory or standard output failed */
};

/* Begins the answer. Colour is used if standard output is a terminal, and neither NO_COLOR nor
 * TERM=dumb is set. */
void out_start(struct out *out, bool json);

/* Ends the answer. False, after a message, if it could not be written whole. */
bool out_end(struct out *out);

/* Prints a pair. For people, "" and NULL are left out; in JSON they are "" and null. */
void out_pair(struct out *out, const char *name, const char *value);
void out_number(struct out *out, const char *name, int64_t value);

/*
 * Begins a table, in JSON an array of objects. columns has the names, with spaces between them. A
 * '#' behind a name marks a column of numbers ("" is null in JSON); a '@' marks a column of times,
 * for which the cells contain seconds since 1970. A row has a cell for each column; further cells
 * are not printed.
 */
void out_table(struct out *out, const char *name, const char *columns);
void out_row(struct out *out, const char *const *cell);
#define OUT_ROW(out, ...) out_row(out, (const char *const[]){__VA_ARGS__})
void out_table_end(struct out *out);

/* "2026-11-22 10:00:00 UTC", or "" for no time. */
void out_time(int64_t seconds, char *out, size_t size);

/* A line for people only. */
void out_line(struct out *out, const char *text);

/* Prints a line for people only, in bold. */
void out_heading(struct out *out, const char *text);

/* Whether the answer is for a person at a terminal: not JSON, and standard output is a terminal. */
bool out_is_terminal(const struct out *out);

/* Writes text to standard error, after the program's name, with control characters escaped. */
void out_error(const char *text);

#endif
