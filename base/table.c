/* SPDX-License-Identifier: Apache-2.0 */
#include "base/table.h"

#include "base/fatal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_BUCKETS 64

void table_start(struct table *table)
{
    *table = (struct table){.buckets = FIRST_BUCKETS};
    if (getrandom(&table->seed, sizeof table->seed, 0) != (ssize_t)sizeof table->seed)
        fatal("no random bytes");
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is an array of pointers */
    table->bucket = xcalloc(table->buckets, sizeof *table->bucket);
}

void table_end(struct table *table)
{
    free(table->bucket);
    *table = (struct table){0};
}

/* FNV-1a with a secret start value. Steps of MurmurHash3's finalizer then spread the hash to the
 * low bits, which select the bucket. */
uint64_t table_hash(const struct table *table, const void *key, size_t n)
{
    const unsigned char *at = key;
    uint64_t hash = table->seed ^ 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 33;
    return hash;
}

uint64_t table_hash_pair(const struct table *table, const char *first, const char *second)
{
    return table_hash(table, first, strlen(first)) * 31 + table_hash(table, second, strlen(second));
}

struct table_node *table_find(const struct table *table, uint64_t hash, table_equal *equal,
                              const void *key)
{
    struct table_node *node = table->bucket[hash & (table->buckets - 1)];

    while (node != NULL && !(node->hash == hash && equal(node, key)))
        node = node->next;
    return node;
}

static void resize(struct table *table, size_t buckets)
{
    struct table_node **bucket = calloc(buckets, sizeof(struct table_node *));

    if (bucket == NULL)
        return;
    for (size_t i = 0; i < table->buckets; i++)
        for (struct table_node *node = table->bucket[i], *next; node != NULL; node = next) {
            next = node->next;
            node->next = bucket[node->hash & (buckets - 1)];
            bucket[node->hash & (buckets - 1)] = node;
        }
    free(table->bucket);
    table->bucket = bucket;
    table->buckets = buckets;
}

void table_insert(struct table *table, struct table_node *node, uint64_t hash)
{
    if (table->used >= table->buckets)
        resize(table, table->buckets * 2);
    node->hash = hash;
    node->next = table->bucket[hash & (table->buckets - 1)];
    table->bucket[hash & (table->buckets - 1)] = node;
    table->used++;
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_node **link = &table->bucket[node->hash & (table->buckets - 1)];

    while (*link != NULL && *link != node)
        link = &(*link)->next;
    if (*link == node) {
        *link = node->next;
        table->used--;
    }
}

void table_each(const struct table *table, void (*visit)(void *arg, struct table_node *node),
                void *arg)
{
    for (size_t i = 0; table->bucket != NULL && i < table->buckets; i++)
        for (struct table_node *node = table->bucket[i], *next; node != NULL; node = next) {
            next = node->next;
            visit(arg, node);
        }
}

size_t table_walk(const struct table *table, size_t from,
                  bool (*visit)(void *arg, struct table_node *node), void *arg)
{
    bool enough = false;

    for (; from < table->buckets && !enough; from++)
        for (struct table_node *node = table->bucket[from]; node != NULL; node = node->next)
            enough |= visit(arg, node);
    return from < table->buckets ? from : 0;
}
