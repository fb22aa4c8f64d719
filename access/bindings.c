/* SPDX-License-Identifier: Apache-2.0 */
#include "access/bindings.h"

#include "base/fatal.h"
#include "base/table.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_BLOCK 64

/* A project with at least one environment that is or was bound. */
struct project {
    struct table_node node;
    size_t bound; /* number of environments that have a binding */
    char name[];
};

/* An environment that is or was bound. After its binding is removed, the entry remains only in the
 * table by_name. */
struct entry {
    struct table_node by_uid, by_gid, by_name;
    struct project *project;
    uint32_t uid, gid;
    int64_t changed; /* milliseconds, as returned by bindings_changed_at */
    bool bound;
    bool leaving; /* bindings_set_leaving */
    bool doubted; /* bindings_doubt */
    char environment[];
};

struct bindings {
    struct table by_uid, by_gid, by_name, projects;
};

struct bindings *bindings_new(void)
{
    struct bindings *bindings = xcalloc(1, sizeof *bindings);

    table_start(&bindings->by_uid);
    table_start(&bindings->by_gid);
    table_start(&bindings->by_name);
    table_start(&bindings->projects);
    return bindings;
}

static void free_entry(void *arg, struct table_node *node)
{
    (void)arg;
    free(TABLE_OWNER(node, struct entry, by_name));
}

static void free_project(void *arg, struct table_node *node)
{
    (void)arg;
    free(TABLE_OWNER(node, struct project, node));
}

void bindings_free(struct bindings *bindings)
{
    if (bindings == NULL)
        return;
    table_each(&bindings->by_name, free_entry, NULL);
    table_each(&bindings->projects, free_project, NULL);
    table_end(&bindings->by_uid);
    table_end(&bindings->by_gid);
    table_end(&bindings->by_name);
    table_end(&bindings->projects);
    free(bindings);
}

static bool uid_equal(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct entry, by_uid)->uid == *(const uint32_t *)key;
}

static bool gid_equal(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct entry, by_gid)->gid == *(const uint32_t *)key;
}

static bool is_project(const struct table_node *node, const void *key)
{
    return strcmp(TABLE_OWNER(node, struct project, node)->name, key) == 0;
}

static bool name_equal(const struct table_node *node, const void *key)
{
    const struct entry *entry = TABLE_OWNER(node, struct entry, by_name);
    const struct binding *wanted = key;

    return strcmp(entry->project->name, wanted->project) == 0 &&
           strcmp(entry->environment, wanted->environment) == 0;
}

/* The project API usually assigns consecutive ids. The ids of one block of ID_BLOCK hash to
 * adjacent buckets, so that loading 100,000 bindings does not cause a cache miss for each of
 * them. */
static uint64_t id_hash(const struct table *table, uint32_t id)
{
    uint32_t block = id / ID_BLOCK;

    return table_hash(table, &block, sizeof block) * ID_BLOCK + id % ID_BLOCK;
}

static uint64_t name_hash(const struct table *table, const struct binding *wanted)
{
    return table_hash_pair(table, wanted->project, wanted->environment);
}

static struct entry *find_uid(const struct bindings *bindings, uint32_t uid)
{
    struct table_node *node =
        table_find(&bindings->by_uid, id_hash(&bindings->by_uid, uid), uid_equal, &uid);

    return node == NULL ? NULL : TABLE_OWNER(node, struct entry, by_uid);
}

static struct entry *find_gid(const struct bindings *bindings, uint32_t gid)
{
    struct table_node *node =
        table_find(&bindings->by_gid, id_hash(&bindings->by_gid, gid), gid_equal, &gid);

    return node == NULL ? NULL : TABLE_OWNER(node, struct entry, by_gid);
}

/* Finds the entry of an environment, also after its binding was removed. Returns NULL if there is
 * none. */
static struct entry *find_any(const struct bindings *bindings, const struct binding *wanted)
{
    struct table_node *node =
        table_find(&bindings->by_name, name_hash(&bindings->by_name, wanted), name_equal, wanted);

    return node == NULL ? NULL : TABLE_OWNER(node, struct entry, by_name);
}

static struct entry *find_name(const struct bindings *bindings, const struct binding *wanted)
{
    struct entry *entry = find_any(bindings, wanted);

    return entry != NULL && entry->bound ? entry : NULL;
}

static bool same(const struct entry *entry, const struct binding *claim)
{
    return name_equal(&entry->by_name, claim);
}

bool bindings_allow(const struct bindings *bindings, const struct binding *claim, char *why,
                    size_t size)
{
    const struct entry *uid = find_uid(bindings, claim->uid);
    const struct entry *gid = find_gid(bindings, claim->gid);
    const struct entry *own = find_name(bindings, claim);

    if (uid != NULL && !same(uid, claim))
        snprintf(why, size, "uid %u belongs to environment %s of project %s", claim->uid,
                 uid->environment, uid->project->name);
    else if (gid != NULL && !same(gid, claim))
        snprintf(why, size, "gid %u belongs to environment %s of project %s", claim->gid,
                 gid->environment, gid->project->name);
    else if (own != NULL && (own->uid != claim->uid || own->gid != claim->gid))
        snprintf(why, size, "uid:gid changed from %u:%u to %u:%u", own->uid, own->gid, claim->uid,
                 claim->gid);
    else
        return true;
    return false;
}

static struct project *find_project(const struct bindings *bindings, const char *name)
{
    struct table_node *node = table_find(
        &bindings->projects, table_hash(&bindings->projects, name, strlen(name)), is_project, name);

    return node == NULL ? NULL : TABLE_OWNER(node, struct project, node);
}

static struct project *find_or_add_project(struct bindings *bindings, const char *name)
{
    struct project *project = find_project(bindings, name);
    size_t n = strlen(name);

    if (project != NULL)
        return project;
    project = xcalloc(1, sizeof *project + n + 1);
    memcpy(project->name, name, n);
    table_insert(&bindings->projects, &project->node, table_hash(&bindings->projects, name, n));
    return project;
}

static struct entry *add_unbound(struct bindings *bindings, const struct binding *claim)
{
    size_t n = strlen(claim->environment);
    struct entry *entry = xcalloc(1, sizeof *entry + n + 1);

    entry->project = find_or_add_project(bindings, claim->project);
    memcpy(entry->environment, claim->environment, n);
    table_insert(&bindings->by_name, &entry->by_name, name_hash(&bindings->by_name, claim));
    return entry;
}

void bindings_claim(struct bindings *bindings, const struct binding *claim)
{
    struct entry *entry = find_any(bindings, claim);

    if (entry != NULL && entry->bound)
        return;
    if (entry != NULL)
        entry->changed = cloud_clock_ms();
    else
        entry = add_unbound(bindings, claim);
    entry->bound = true;
    entry->leaving = entry->doubted = false;
    entry->project->bound++;
    entry->uid = claim->uid;
    entry->gid = claim->gid;
    table_insert(&bindings->by_uid, &entry->by_uid, id_hash(&bindings->by_uid, claim->uid));
    table_insert(&bindings->by_gid, &entry->by_gid, id_hash(&bindings->by_gid, claim->gid));
}

bool bindings_has_project(const struct bindings *bindings, const char *name)
{
    const struct project *project = find_project(bindings, name);

    return project != NULL && project->bound > 0;
}

size_t bindings_count(const struct bindings *bindings)
{
    return bindings->by_uid.used;
}

bool bindings_is_released(const struct bindings *bindings, const char *project,
                          const char *environment)
{
    const struct binding wanted = {project, environment, 0, 0};
    const struct entry *entry = find_any(bindings, &wanted);

    return entry != NULL && (!entry->bound || entry->doubted);
}

void bindings_doubt(struct bindings *bindings, const struct binding *claim)
{
    struct entry *uid = find_uid(bindings, claim->uid), *gid = find_gid(bindings, claim->gid);

    if (uid != NULL)
        uid->doubted = true;
    if (gid != NULL)
        gid->doubted = true;
}

void bindings_trust(struct bindings *bindings, const char *project, const char *environment)
{
    const struct binding wanted = {project, environment, 0, 0};
    struct entry *entry = find_name(bindings, &wanted);

    if (entry != NULL)
        entry->doubted = false;
}

int64_t bindings_changed_at(const struct bindings *bindings, const char *project,
                            const char *environment)
{
    const struct binding wanted = {project, environment, 0, 0};
    const struct entry *entry = find_any(bindings, &wanted);

    return entry == NULL ? 0 : entry->changed;
}

static bool give(const struct entry *entry, struct binding *out)
{
    if (entry == NULL)
        return false;
    *out = (struct binding){entry->project->name, entry->environment, entry->uid, entry->gid};
    return true;
}

bool bindings_by_uid(const struct bindings *bindings, uint32_t uid, struct binding *out)
{
    return give(find_uid(bindings, uid), out);
}

bool bindings_by_gid(const struct bindings *bindings, uint32_t gid, struct binding *out)
{
    return give(find_gid(bindings, gid), out);
}

bool bindings_by_name(const struct bindings *bindings, const char *project, const char *environment,
                      struct binding *out)
{
    const struct binding wanted = {project, environment, 0, 0};

    return give(find_name(bindings, &wanted), out);
}

void bindings_set_leaving(struct bindings *bindings, const char *project, const char *environment,
                          bool leaving)
{
    const struct binding wanted = {project, environment, 0, 0};
    struct entry *entry = find_name(bindings, &wanted);

    if (entry != NULL)
        entry->leaving = leaving;
}

bool bindings_is_leaving(const struct bindings *bindings, const char *project,
                         const char *environment)
{
    const struct binding wanted = {project, environment, 0, 0};
    const struct entry *entry = find_name(bindings, &wanted);

    return entry != NULL && entry->leaving;
}

bool bindings_forget(struct bindings *bindings, const char *project, const char *environment)
{
    const struct binding wanted = {project, environment, 0, 0};
    struct entry *entry = find_name(bindings, &wanted);

    if (entry == NULL)
        return false;
    table_remove(&bindings->by_uid, &entry->by_uid);
    table_remove(&bindings->by_gid, &entry->by_gid);
    entry->bound = false;
    entry->project->bound--;
    entry->changed = cloud_clock_ms();
    return true;
}

void bindings_forget_for(struct bindings *bindings, const struct binding *claim)
{
    struct binding owner;

    (void)bindings_forget(bindings, claim->project, claim->environment);
    while (bindings_by_uid(bindings, claim->uid, &owner) ||
           bindings_by_gid(bindings, claim->gid, &owner))
        (void)bindings_forget(bindings, owner.project, owner.environment);
}

struct walk {
    bool (*see)(void *arg, const struct binding *binding);
    void *arg;
};

static bool see_entry(void *arg, struct table_node *node)
{
    const struct walk *walk = arg;
    struct binding binding;

    give(TABLE_OWNER(node, struct entry, by_uid), &binding);
    return walk->see(walk->arg, &binding);
}

size_t bindings_walk(const struct bindings *bindings, size_t from,
                     bool (*see)(void *arg, const struct binding *binding), void *arg)
{
    struct walk walk = {see, arg};

    return table_walk(&bindings->by_uid, from, see_entry, &walk);
}
