/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_TREE_H
#define CLOUD_CTL_TREE_H

#include "access/document.h"
#include "access/envelope.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Access documents as files: one, or a directory of {project}/{environment}.json. They are read
 * with the rights of the caller, and checked by the parser that the daemon uses.
 */

struct checked {
    char *path;
    struct document *document; /* NULL: invalid, or not read */
    bool unreadable;
    char problem[300];   /* why it is not valid; "" if it is */
    char *unknown;       /* lines "path: unknown member", malloc'ed; NULL: none */
    size_t line, column; /* of a syntax error in JSON, from 1; 0: the problem names the member */
};

struct tree {
    struct checked *checked;
    size_t n, room;
};

/*
 * Reads a file, or every document of a directory in the order of their names. Documents must be
 * signed unless signers is empty. False, after a message, if memory is out or there is no document.
 */
bool tree_add(struct tree *tree, const char *path, const struct signers *signers);

/* The same for a directory that may be empty. */
bool tree_add_directory(struct tree *tree, const char *directory, const struct signers *signers);
void tree_free(struct tree *tree);

/* The bytes of a regular file, malloc'ed; NULL with errno. Of a file that is longer than most, most
 * + 1 bytes are returned. */
char *tree_read(const char *path, size_t most, size_t *n);

#endif
