/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_TABLE_H
#define CLOUD_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A hash table. Its nodes are members of the caller's structs, so that only the buckets are
 * allocated. The hash has a random seed, because an attacker may choose the keys. Several nodes may
 * have the same key. */
struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **bucket;
    size_t buckets; /* number of buckets, a power of two */
    size_t used;    /* number of nodes */
    uint64_t seed;
};

/* Whether the node has the key. */
typedef bool table_equal(const struct table_node *node, const void *key);

void table_start(struct table *table);

/* Frees the buckets. The nodes remain the caller's. */
void table_end(struct table *table);

/* Return the hash of n bytes, or of a pair of strings such as a project and an environment. */
uint64_t table_hash(const struct table *table, const void *key, size_t n);
uint64_t table_hash_pair(const struct table *table, const char *first, const char *second);

/* Returns a node with the key, or NULL. `hash` is the hash of the key (table_hash). */
struct table_node *table_find(const struct table *table, uint64_t hash, table_equal *equal,
                              const void *key);

/* Adds a node that is in no table; `hash` is the hash of its key. The table allocates more buckets
 * as it grows; if out of memory, it only gets slower. */
void table_insert(struct table *table, struct table_node *node, uint64_t hash);
void table_remove(struct table *table, struct table_node *node);

/* Calls `visit` for each node, in no particular order. `visit` may remove and free the node that it
 * is called with, and no other. */
void table_each(const struct table *table, void (*visit)(void *arg, struct table_node *node),
                void *arg);

/*
 * Calls `visit` for each node, bucket by bucket, starting with bucket `from`. After `visit` has
 * returned true, visits the other nodes of the same bucket and stops. Returns the bucket to
 * continue with, or 0 at the end. Nodes that are inserted or removed between two calls may be
 * missed or visited twice.
 */
size_t table_walk(const struct table *table, size_t from,
                  bool (*visit)(void *arg, struct table_node *node), void *arg);

/* The struct of type `type` whose member `member` is the node. */
#define TABLE_OWNER(node, type, member)                                                            \
    ((type *)(void *)((char *)(uintptr_t)(node)-offsetof(type, member)))

#endif
