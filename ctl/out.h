/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_OUT_H
#define CLOUD_CTL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A command's answer on standard output: one JSON object, or the same for people, with pairs as
 * "name: value" lines and tables as aligned columns. No byte of a value can end a line or a string,
 * or reach a terminal as a control character. */

#define OUT_COLUMNS 20

struct out {
    bool json, colour, comma;
    struct {
        char name[24], type;
    } column[OUT_COLUMNS]; /* columns of the table that is open */
    size_t columns;
    size_t skip;        /* columns at the left that are printed in JSON alone */
    char **cell;        /* cells of the table that is open, escaped; for people only */
    size_t cells, room; /* elements of cell: used, and allocated */
};

/* Begins the answer. Colour is used if standard output is a terminal, and neither NO_COLOR nor
 * TERM=dumb is set. */
void out_start(struct out *out, bool json);

/* Ends the answer. False, after a message, if not all of it could be written. */
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

/* Writes a time (seconds since 1970) as "2026-11-22 10:00:00 UTC"; "" if it is 0 or less. */
void out_time(int64_t seconds, char *out, size_t size);

/* Prints a line for people only. */
void out_line(const struct out *out, const char *text);

/* Prints a line for people only, in bold. */
void out_heading(const struct out *out, const char *text);

/* Whether the answer is for a person at a terminal: not JSON, and standard output is a terminal. */
bool out_is_terminal(const struct out *out);

/* Ends the program with a message, and with exit status 3 (CTL_UNKNOWN). */
_Noreturn void out_no_memory(void);

/* Writes text to standard error, after the program's name, with control characters escaped. */
void out_error(const char *text);

#endif
