/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CTL_TREE_H
#define CLOUD_CTL_TREE_H

#include "access/document.h"
#include "access/envelope.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Access documents as files: one, or a folder of them as {project}/{environment}.json. They are
 * read with the caller's own rights, and judged by the parser that the daemon uses.
 */

struct checked {
    char *path;
    struct document *document; /* NULL: invalid, or not read */
    bool unreadable;
    char problem[300];   /* why not */
    size_t line, column; /* of a fault of JSON, from 1; 0: the problem says where */
};

struct tree {
    struct checked *checked;
    size_t n, room;
};

/*
 * Reads a file, or every document of a folder, in the order of their names. signers may be empty:
 * then documents are not signed. False, after a message, if memory is out or there is nothing.
 */
bool tree_add(struct tree *tree, const char *path, const struct signers *signers);

/* The same for a folder that may be empty. */
bool tree_add_folder(struct tree *tree, const char *folder, const struct signers *signers);
void tree_free(struct tree *tree);

/* The bytes of a regular file, malloc'ed; NULL with errno. One byte more than most shows that it is
 * too long. */
char *tree_read(const char *path, size_t most, size_t *n);

/* Judges bytes as the file at path; project and environment may be NULL: as the document says. */
void tree_judge(struct checked *checked, const char *body, size_t n, const struct signers *signers,
                const char *project, const char *environment);

#endif
