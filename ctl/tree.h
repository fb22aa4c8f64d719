/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_TREE_H
#define CLOUD_CTL_TREE_H

#include "access/document.h"
#include "access/envelope.h"

#include <stdbool.h>
#include <stddef.h>

/* Access documents in files: one file, or a directory of {project}/{environment}.json. The files
 * are read with the rights of the caller, and checked by the parser that the daemon uses. */

struct checked {
    char *path;
    struct document *document; /* NULL: the document is invalid, or could not be read */
    bool unreadable;
    char problem[300];   /* why the document is not valid; "" if it is valid */
    char *unknown;       /* lines "path: unknown member", malloc'ed; NULL: none */
    size_t line, column; /* of a syntax error in JSON, from 1; 0: the problem names the member */
};

struct tree {
    struct checked *checked;
    size_t n, room;
};

/* Reads a file, or every document of a directory in the order of their names. Documents must be
 * signed unless signers is empty. False, after a message, if there is no document. */
bool tree_add(struct tree *tree, const char *path, const struct signers *signers);

void tree_free(struct tree *tree);

/* Reads a regular file. Returns its first bytes, at most most + 1, malloc'ed, and their number in
 * *n: a number greater than most means that the file is longer. NULL with errno. */
char *tree_read(const char *path, size_t most, size_t *n);

#endif
