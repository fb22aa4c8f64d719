/* SPDX-License-Identifier: Apache-2.0 */
#include "access/bindings.h"

#include "base/table.h"
#include "common/clock.h"
#include "common/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that was taken back is there by its name alone. */
struct entry {
    struct table_node by_uid, by_gid, by_name, by_project;
    bool released;
    uint32_t uid, gid;
    int64_t moved; /* cloud_clock_ms() when they were taken back, or given after that; 0: never */
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];
};

struct bindings {
    struct table by_uid, by_gid, by_name, by_project;
};

struct bindings *bindings_new(void)
{
    struct bindings *owners = calloc(1, sizeof *owners);

    if (owners != NULL && table_start(&owners->by_uid) && table_start(&owners->by_gid) &&
        table_start(&owners->by_name) && table_start(&owners->by_project))
        return owners;
    bindings_free(owners);
    return NULL;
}

void bindings_free(struct bindings *owners)
{
    if (owners == NULL)
        return;
    for (size_t i = 0; i < owners->by_name.buckets && owners->by_name.bucket != NULL; i++)
        for (struct table_node *node = owners->by_name.bucket[i], *next; node != NULL;
             node = next) {
            next = node->next;
            free(TABLE_OWNER(node, struct entry, by_name));
        }
    table_end(&owners->by_uid);
    table_end(&owners->by_gid);
    table_end(&owners->by_name);
    table_end(&owners->by_project);
    free(owners);
}

static bool uid_equal(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct entry, by_uid)->uid == *(const uint32_t *)key;
}

static bool gid_equal(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct entry, by_gid)->gid == *(const uint32_t *)key;
}

static bool name_equal(const struct table_node *node, const void *key)
{
    const struct entry *binding = TABLE_OWNER(node, struct entry, by_name);
    const struct binding *owner = key;

    return strcmp(binding->project, owner->project) == 0 &&
           strcmp(binding->environment, owner->environment) == 0;
}

/* A project has no '-', so project, environment has one hash however it is cut. */
static uint64_t name_hash(const struct table *table, const struct binding *owner)
{
    return table_hash_pair(table, owner->project, owner->environment);
}

static struct entry *find_uid(const struct bindings *owners, uint32_t uid)
{
    struct table_node *node =
        table_find(&owners->by_uid, table_hash(&owners->by_uid, &uid, sizeof uid), uid_equal, &uid);

    return node == NULL ? NULL : TABLE_OWNER(node, struct entry, by_uid);
}

static struct entry *find_gid(const struct bindings *owners, uint32_t gid)
{
    struct table_node *node =
        table_find(&owners->by_gid, table_hash(&owners->by_gid, &gid, sizeof gid), gid_equal, &gid);

    return node == NULL ? NULL : TABLE_OWNER(node, struct entry, by_gid);
}

/* Also one that was taken back. */
static struct entry *find_any(const struct bindings *owners, const struct binding *owner)
{
    struct table_node *node =
        table_find(&owners->by_name, name_hash(&owners->by_name, owner), name_equal, owner);

    return node == NULL ? NULL : TABLE_OWNER(node, struct entry, by_name);
}

static struct entry *find_name(const struct bindings *owners, const struct binding *owner)
{
    struct entry *binding = find_any(owners, owner);

    return binding == NULL || binding->released ? NULL : binding;
}

static bool same(const struct entry *binding, const struct binding *claim)
{
    return name_equal(&binding->by_name, claim);
}

bool bindings_allow(const struct bindings *owners, const struct binding *claim, char *why,
                    size_t size)
{
    const struct entry *uid = find_uid(owners, claim->uid);
    const struct entry *gid = find_gid(owners, claim->gid);
    const struct entry *own = find_name(owners, claim);

    if (uid != NULL && !same(uid, claim))
        snprintf(why, size, "uid %u belongs to environment %s of project %s", claim->uid,
                 uid->environment, uid->project);
    else if (gid != NULL && !same(gid, claim))
        snprintf(why, size, "gid %u belongs to environment %s of project %s", claim->gid,
                 gid->environment, gid->project);
    else if (own != NULL && (own->uid != claim->uid || own->gid != claim->gid))
        snprintf(why, size, "uid:gid changed from %u:%u to %u:%u", own->uid, own->gid, claim->uid,
                 claim->gid);
    else
        return true;
    return false;
}

/* One that has its names only, and no ids yet. */
static struct entry *add_binding(struct bindings *owners, const struct binding *claim)
{
    struct entry *binding;

    if (strlen(claim->project) >= sizeof binding->project ||
        strlen(claim->environment) >= sizeof binding->environment)
        return NULL;
    binding = calloc(1, sizeof *binding);
    if (binding == NULL)
        return NULL;
    binding->released = true;
    strcpy(binding->project, claim->project);
    strcpy(binding->environment, claim->environment);
    table_insert(&owners->by_name, &binding->by_name, name_hash(&owners->by_name, claim));
    return binding;
}

bool bindings_claim(struct bindings *owners, const struct binding *claim)
{
    struct entry *binding = find_any(owners, claim);

    if (binding != NULL && !binding->released)
        return true;
    if (binding != NULL)
        binding->moved = cloud_clock_ms();
    else
        binding = add_binding(owners, claim);
    if (binding == NULL)
        return false;
    binding->released = false;
    binding->uid = claim->uid;
    binding->gid = claim->gid;
    table_insert(&owners->by_uid, &binding->by_uid,
                 table_hash(&owners->by_uid, &binding->uid, sizeof binding->uid));
    table_insert(&owners->by_gid, &binding->by_gid,
                 table_hash(&owners->by_gid, &binding->gid, sizeof binding->gid));
    table_insert(&owners->by_project, &binding->by_project,
                 table_hash(&owners->by_project, claim->project, strlen(claim->project)));
    return true;
}

int64_t bindings_moved(const struct bindings *owners, const char *project, const char *environment)
{
    const struct binding wanted = {project, environment, 0, 0};
    const struct entry *binding = find_any(owners, &wanted);

    return binding == NULL ? 0 : binding->moved;
}

static bool project_equal(const struct table_node *node, const void *key)
{
    return strcmp(TABLE_OWNER(node, struct entry, by_project)->project, key) == 0;
}

/* All of a project have one hash, and so stand in one bucket. */
void bindings_each(const struct bindings *owners, const char *project,
                   bool (*each)(void *arg, const char *environment), void *arg)
{
    uint64_t hash = table_hash(&owners->by_project, project, strlen(project));
    const struct table_node *node = table_find(&owners->by_project, hash, project_equal, project);

    for (; node != NULL; node = node->next)
        if (node->hash == hash && project_equal(node, project) &&
            !each(arg, TABLE_OWNER(node, const struct entry, by_project)->environment))
            return;
}

static bool give(const struct entry *binding, struct binding *out)
{
    if (binding == NULL)
        return false;
    *out = (struct binding){binding->project, binding->environment, binding->uid, binding->gid};
    return true;
}

bool bindings_by_uid(const struct bindings *owners, uint32_t uid, struct binding *out)
{
    return give(find_uid(owners, uid), out);
}

bool bindings_by_gid(const struct bindings *owners, uint32_t gid, struct binding *out)
{
    return give(find_gid(owners, gid), out);
}

bool bindings_by_name(const struct bindings *owners, const char *project, const char *environment,
                      struct binding *out)
{
    const struct binding wanted = {project, environment, 0, 0};

    return give(find_name(owners, &wanted), out);
}

bool bindings_forget(struct bindings *owners, const char *project, const char *environment)
{
    const struct binding wanted = {project, environment, 0, 0};
    struct entry *binding = find_name(owners, &wanted);

    if (binding == NULL)
        return false;
    table_remove(&owners->by_uid, &binding->by_uid);
    table_remove(&owners->by_gid, &binding->by_gid);
    table_remove(&owners->by_project, &binding->by_project);
    binding->released = true;
    binding->moved = cloud_clock_ms();
    return true;
}
