/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_TABLE_H
#define CLOUD_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A hash table of nodes that stand inside their owners' structs (no allocation of its own but the
 * buckets). The hash has a random seed, because names come from strangers.
 */
struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **bucket;
    size_t buckets; /* a power of two */
    size_t used;
    uint64_t seed;
};

/* Whether node is the one with that key. */
typedef bool table_equal(const struct table_node *node, const void *key);

/* False if memory is out. */
bool table_start(struct table *table);
void table_end(struct table *table); /* the nodes stay their owners' */

uint64_t table_hash(const struct table *table, const void *key, size_t n);
/* The hash of two strings, such as a project and an environment. */
uint64_t table_hash_pair(const struct table *table, const char *first, const char *second);
struct table_node *table_find(const struct table *table, uint64_t hash, table_equal *equal,
                              const void *key);
/* node is not in the table yet. Growing is attempted and may fail harmlessly. */
void table_insert(struct table *table, struct table_node *node, uint64_t hash);
void table_remove(struct table *table, struct table_node *node);

/* The struct of type that node is a member of. */
#define TABLE_OWNER(node, type, member)                                                            \
    ((type *)(void *)((char *)(uintptr_t)(node)-offsetof(type, member)))

#endif
