/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_STATE_STATEFILE_H
#define CLOUDAUTHD_STATE_STATEFILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How the daemon keeps its state on disk: the format that its files share, and the one way to read
 * and write them.
 *
 * A state file consists of a head and its content, both text. The head has the magic of the format,
 * which names the kind of file and its version; in some formats the length of the content in
 * decimal, and a space; the SHA-256 of the content in lower case hexadecimal; and a newline. So a
 * changed, missing or added byte is noticed. The hash guards against faults of the disk, not
 * against an attacker who can write to the directory. The content of documents and sessions begins
 * with `name value` lines, in the order of a table of fields. The bindings log and the clock file
 * have no head; instead, each of their lines ends with the first digits of its hash
 * (statefile_end_line).
 *
 * `directory` is a descriptor of the directory. statefile_write, statefile_replace and
 * statefile_remove return 0 or an errno. Functions that write or remove wait for the disk, so they
 * must be called in a worker thread or at the start, unless the directory is on a tmpfs
 * (session_files.h). Only one thread at a time may call them for a directory, because each write
 * goes through the same file "new".
 */

/* ---- The format ---- */

struct statefile_format {
    const char *magic;
    bool has_length;
};

#define STATEFILE_HEAD_MAX 128 /* bytes of a head */

/* Makes a file from n bytes of content, in place: before the call the content begins at offset
 * STATEFILE_HEAD_MAX of `file`; after it, `file` begins with the head, which the content follows
 * directly. Returns the size of the whole in bytes. */
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

/* A line of a record, which is a struct of the caller. An optional line is not written if its value
 * is "0", and need not be there when the record is read. */
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

/* Writes the lines of a record to out and returns their length in bytes, or 0 if they do not fit
 * into size bytes or a string has a newline. */
size_t statefile_put_fields(const struct statefile_field *fields, const void *record, char *out,
                            size_t size);

/* Reads the lines between *at and end into a record, which the caller has zeroed, and moves *at
 * behind them. False if a line is malformed or out of order, or if one that is not optional is
 * missing. */
bool statefile_get_fields(const struct statefile_field *fields, const char **at, const char *end,
                          void *record);

/* Appends to a line a space, the first 16 hexadecimal digits of its SHA-256 and a newline. n is
 * what snprintf returned for the line, so it may be negative or too large. Returns the new length
 * in bytes, or 0 if that does not fit. */
#define STATEFILE_LINE_SIZE 256
size_t statefile_end_line(char line[STATEFILE_LINE_SIZE], int n);

/* Whether a line of n bytes, without its newline, ends with the digits that statefile_end_line
 * appends. */
bool statefile_is_line(const char *line, size_t n);

/* ---- The disk ---- */

/*
 * Opens a directory and returns its descriptor: `path`, which must exist, or, if name is not NULL,
 * path/name, which is created (mode 0700) if it is missing. Then syncs the directory: an earlier
 * daemon may have been killed before it synced a change, and a power failure could undo that change
 * after this daemon has relied on it. A failure of the sync is only logged. Ends the daemon if it
 * cannot open the directory.
 */
int statefile_directory(const char *path, const char *name);

/*
 * Reads a whole file. Returns its bytes, which the caller frees, with a NUL after them, and their
 * number in *size. NULL with errno on failure: EFBIG if the file has more than `most` bytes, ELOOP
 * if it is a symbolic link, EPERM if it is not a regular file, belongs to a user other than root
 * and the daemon's, or is writable by group or others.
 */
char *statefile_read(int directory, const char *name, size_t most, size_t *size);

/* Whether an error of statefile_read says nothing about the file, which may be good: the disk,
 * memory or descriptors have failed. EPERM, ELOOP and EFBIG say that it is damaged, ENOENT that
 * there is none. */
bool statefile_may_be_good(int error);

/* Replaces a file, or creates it (mode 0600): writes the bytes to the file "new", syncs it, renames
 * it over the former file and syncs the directory. If one of these fails, the former file may still
 * be there. */
int statefile_write(int directory, const char *name, const char *bytes, size_t n);

/* The same. *replaced says whether the former file is gone, also after a failure. */
int statefile_replace(int directory, const char *name, const char *bytes, size_t n, bool *replaced);

/* Removes a file and syncs the directory. A missing file is not an error, and even then the
 * directory is synced, because the sync of an earlier removal may have failed. */
int statefile_remove(int directory, const char *name);

/* Renames a damaged file to name.damaged, so that an operator can look at it, and logs that;
 * removes it if it cannot be renamed. `what` names the kind of file, `lost` says what is lost with
 * it. */
void statefile_set_aside(int directory, const char *name, const char *what, const char *lost);

#define STATEFILE_DAMAGED ".damaged"

#endif
