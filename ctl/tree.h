/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_TREE_H
#define CLOUD_CTL_TREE_H

#include "access/document.h"
#include "access/envelope.h"

#include <stdbool.h>
#include <stddef.h>

/* Access documents in files: one file, or a directory with files {project}/{environment}.json. The
 * files are read with the privileges of the caller, and checked with the parser that the daemon
 * uses. */

struct checked {
    char *path;
    struct document *document; /* NULL: the document is invalid, or could not be read */
    bool unreadable;
    char problem[300];   /* why the document cannot be used; "" if it can */
    char *unknown;       /* a line "path: unknown member" for each, malloc'ed; NULL: none */
    size_t line, column; /* of a JSON syntax error, counted from 1; 0: there is none */
};

struct tree {
    struct checked *checked;
    size_t n, room;
};

/* Reads a file, or every document of a directory, sorted by name. Documents must be signed unless
 * `signers` has no keys. If there is no document, prints a message and returns false. */
bool tree_add(struct tree *tree, const char *path, const struct signers *signers);

void tree_free(struct tree *tree);

/* Reads at most `most` + 1 bytes of a regular file. Returns them, malloc'ed, with their number in
 * *n; if that is greater than `most`, the file is too long. Returns NULL, with errno set, on
 * failure. */
char *tree_read(const char *path, size_t most, size_t *n);

#endif
