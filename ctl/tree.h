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
 * signed unless there are no signers. False, after a message, if out of memory or there is no
 * document.
 */
bool tree_add(struct tree *tree, const char *path, const struct signers *signers);

void tree_free(struct tree *tree);

/* Reads a regular file. Returns its bytes, malloc'ed, but at most most + 1 of them, so that the
 * caller sees that it is longer than most; NULL with errno. */
char *tree_read(const char *path, size_t most, size_t *n);

#endif
