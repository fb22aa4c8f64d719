/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_STATEFILE_H
#define CLOUDAUTHD_STATE_STATEFILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How the daemon keeps its state on disk: the format that its files share, and the one way to read
 * and write them.
 *
 * A state file is a head and its content, both text. The head is the magic of the format, which
 * names the kind of file and its version; in some formats the length of the content in decimal and
 * a space; the SHA-256 of the content in lower case hexadecimal; and a newline. So a file in which
 * a byte has changed, is missing or was added is noticed. The hash guards against faults of the
 * disk, not against an attacker who can write to the directory. The content, or the beginning of
 * it, is `name value` lines in the order of a table of fields.
 *
 * `directory` is a descriptor of the directory. statefile_write and statefile_remove return 0 or an
 * errno. Functions that write or remove wait for the disk, so they are for a worker thread, and one
 * thread at a time may use them on a directory: each write goes through the same file "new".
 */

/* ---- The format ---- */

struct statefile_format {
    const char *magic;
    bool has_length;
};

#define STATEFILE_HEAD_MAX 128 /* bytes of a head */

/*
 * Turns a content into a file. `file` has STATEFILE_HEAD_MAX bytes that are not used yet, then n
 * bytes of content; it begins with the head afterwards, and the content follows directly. Returns
 * the size of the file.
 */
size_t statefile_seal(const struct statefile_format *format, char *file, size_t n);

/* Returns the content of a file of size bytes, and its length in *n. NULL unless the file is
 * complete, undamaged and of this format. */
const char *statefile_open(const struct statefile_format *format, const char *file, size_t size,
                           size_t *n);

enum statefile_type {
    STATEFILE_TEXT,   /* char[]: a string without a newline */
    STATEFILE_HASH,   /* unsigned char[32], in lower case hexadecimal */
    STATEFILE_NUMBER, /* in decimal: a uint32_t, an int64_t, or a uint64_t below 2^63 */
};

/* A line of a record. An optional line is left out where its value is "0". */
struct statefile_field {
    const char *name; /* NULL ends a table */
    enum statefile_type type;
    size_t offset, size; /* of the record's member */
    bool optional;
};

#define STATEFILE_FIELD(record, name, type, member)                                                \
    {                                                                                              \
        name, type, offsetof(record, member), sizeof(((record *)NULL)->member), false              \
    }
#define STATEFILE_OPTIONAL(record, name, type, member)                                             \
    {                                                                                              \
        name, type, offsetof(record, member), sizeof(((record *)NULL)->member), true               \
    }

/* Writes the lines of a record to out and returns how many bytes they have, or 0 if they do not fit
 * into size bytes or a string has a newline. */
size_t statefile_put_fields(const struct statefile_field *fields, const void *record, char *out,
                            size_t size);

/* Reads the lines between *at and end into a record, which the caller has set to 0; *at moves
 * behind the lines. False if a line is missing, out of order or malformed. */
bool statefile_get_fields(const struct statefile_field *fields, const char **at, const char *end,
                          void *record);

/* Ends a line of n bytes, as snprintf returned n, with a space, the first 16 hexadecimal digits of
 * its SHA-256 and a newline. Returns the length with these, or 0 if they do not fit. */
#define STATEFILE_LINE_SIZE 256
size_t statefile_end_line(char line[STATEFILE_LINE_SIZE], int n);

/* Whether a line of n bytes, without its newline, ends with the digits that statefile_end_line
 * gives it. */
bool statefile_is_line(const char *line, size_t n);

/* ---- The disk ---- */

/* Opens the directory `path`, which must exist, or, if name is not NULL, path/name, which is
 * created (mode 0700) if it is missing. Then syncs the directory: an earlier daemon may have been
 * killed before it synced a change, and a loss of power would undo that change after this daemon
 * has relied on it. A failure of the sync is only logged. Ends the daemon if it cannot open the
 * directory. */
int statefile_directory(const char *path, const char *name);

/*
 * Reads a file; the caller frees it, and a NUL follows it. NULL with errno: EFBIG if it has more
 * than `most` bytes, EPERM unless it is a regular file (never a symbolic link: ELOOP) of the
 * daemon's user or root that no other user can write to.
 */
char *statefile_read(int directory, const char *name, size_t most, size_t *size);

/* Replaces a file, or creates it (mode 0600): the bytes are written aside and synced, the file is
 * renamed over the former one, and the directory is synced. Where that fails the former file may
 * still be there. */
int statefile_write(int directory, const char *name, const char *bytes, size_t n);

/* Removes a file and syncs the directory. If there is no such file, that is no failure, and the
 * directory is synced all the same: the sync of an earlier removal may have failed. */
int statefile_remove(int directory, const char *name);

/* Renames a damaged file to name.damaged, so that an operator can look at it, and logs that. `what`
 * names the kind of file, `lost` says what is lost with it. */
void statefile_set_aside(int directory, const char *name, const char *what, const char *lost);

#define STATEFILE_DAMAGED ".damaged"

#endif
