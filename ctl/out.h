/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_OUT_H
#define CLOUD_CTL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A command's answer on standard output, either one JSON object, or text for people, with pairs as
 * "name: value" lines and tables as aligned columns. No byte of a name or value can end a line or a
 * string, or reach a terminal as a control character. */

#define OUT_COLUMNS 20

struct out {
    bool json, colour, comma;
    struct {
        char name[24], type;
    } column[OUT_COLUMNS]; /* columns of the table that is open */
    size_t columns;
    size_t skip;        /* number of columns at the left that are printed only in JSON */
    char **cell;        /* cells of the table that is open, escaped; only for text */
    size_t cells, room; /* elements of cell: used, and allocated */
};

/* Begins the answer. Text is coloured if standard output is a terminal, NO_COLOR is not set, and
 * TERM is set to anything but "dumb". */
void out_start(struct out *out, bool json);

/* Whether an answer has begun in this process. */
bool out_has_started(void);

/* Ends the answer; in JSON, `error` has the messages of out_error, if there were any. If not all of
 * it could be written, prints a message and returns false. */
bool out_end(struct out *out);

/* Prints a pair. With the value "" or NULL, it is left out of text, and is "" or null in JSON. */
void out_pair(struct out *out, const char *name, const char *value);
void out_number(struct out *out, const char *name, int64_t value);

/*
 * Begins a table; in JSON, this is an array of objects. `columns` is a list of names, separated by
 * spaces. A '#' after a name marks a column of integers, in which any other cell is null in JSON; a
 * '@' marks a column of times, whose cells are in seconds since 1970. A row has a cell for each
 * column; further cells are not printed.
 */
void out_table(struct out *out, const char *name, const char *columns);
void out_row(struct out *out, const char *const *cell);
#define OUT_ROW(out, ...) out_row(out, (const char *const[]){__VA_ARGS__})
void out_table_end(struct out *out);

/* Writes a time (seconds since 1970) as "2026-11-22 10:00:00 UTC"; "" if it is 0 or less. */
void out_time(int64_t seconds, char *out, size_t size);

/* Prints a line of text; prints nothing in JSON. */
void out_line(const struct out *out, const char *text);

/* Prints a line of text, in bold if text is coloured; prints nothing in JSON. */
void out_heading(const struct out *out, const char *text);

/* Whether the answer is text and standard output is a terminal. */
bool out_is_terminal(const struct out *out);

/* Prints a message, and ends the program with exit status 3 (CTL_UNKNOWN). */
_Noreturn void out_no_memory(void);

/* Writes text to standard error, after the program's name, with control characters escaped. */
void out_error(const char *text);

/* Returns the texts of out_error so far, with "; " between them. */
const char *out_errors(void);

#endif
