/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/owners.h"

#include "broker/loop.h"
#include "broker/table.h"
#include "common/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that was taken back, or has none yet, is there by its name alone. */
struct binding {
    struct table_node by_uid, by_gid, by_name, by_project;
    bool released;
    uint32_t uid, gid;
    int64_t moved; /* loop_now() when they were taken back, or given after that; 0: never */
    char project[CLOUD_PROJECT_MAX + 1];
    char environment[CLOUD_NAME_MAX + 1];
};

struct owners {
    struct table by_uid, by_gid, by_name, by_project;
};

struct owners *owners_new(void)
{
    struct owners *owners = calloc(1, sizeof *owners);

    if (owners != NULL && table_start(&owners->by_uid) && table_start(&owners->by_gid) &&
        table_start(&owners->by_name) && table_start(&owners->by_project))
        return owners;
    owners_free(owners);
    return NULL;
}

void owners_free(struct owners *owners)
{
    if (owners == NULL)
        return;
    for (size_t i = 0; i < owners->by_name.buckets && owners->by_name.bucket != NULL; i++)
        for (struct table_node *node = owners->by_name.bucket[i], *next; node != NULL;
             node = next) {
            next = node->next;
            free(TABLE_OWNER(node, struct binding, by_name));
        }
    table_end(&owners->by_uid);
    table_end(&owners->by_gid);
    table_end(&owners->by_name);
    table_end(&owners->by_project);
    free(owners);
}

static bool uid_equal(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct binding, by_uid)->uid == *(const uint32_t *)key;
}

static bool gid_equal(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct binding, by_gid)->gid == *(const uint32_t *)key;
}

static bool name_equal(const struct table_node *node, const void *key)
{
    const struct binding *binding = TABLE_OWNER(node, struct binding, by_name);
    const struct owner *owner = key;

    return strcmp(binding->project, owner->project) == 0 &&
           strcmp(binding->environment, owner->environment) == 0;
}

/* A project has no '-', so project, environment has one hash however it is cut. */
static uint64_t name_hash(const struct table *table, const struct owner *owner)
{
    return table_hash(table, owner->project, strlen(owner->project)) * 31 +
           table_hash(table, owner->environment, strlen(owner->environment));
}

static struct binding *find_uid(const struct owners *owners, uint32_t uid)
{
    struct table_node *node =
        table_find(&owners->by_uid, table_hash(&owners->by_uid, &uid, sizeof uid), uid_equal, &uid);

    return node == NULL ? NULL : TABLE_OWNER(node, struct binding, by_uid);
}

static struct binding *find_gid(const struct owners *owners, uint32_t gid)
{
    struct table_node *node =
        table_find(&owners->by_gid, table_hash(&owners->by_gid, &gid, sizeof gid), gid_equal, &gid);

    return node == NULL ? NULL : TABLE_OWNER(node, struct binding, by_gid);
}

/* Also one that was taken back. */
static struct binding *find_any(const struct owners *owners, const struct owner *owner)
{
    struct table_node *node =
        table_find(&owners->by_name, name_hash(&owners->by_name, owner), name_equal, owner);

    return node == NULL ? NULL : TABLE_OWNER(node, struct binding, by_name);
}

static struct binding *find_name(const struct owners *owners, const struct owner *owner)
{
    struct binding *binding = find_any(owners, owner);

    return binding == NULL || binding->released ? NULL : binding;
}

static bool same(const struct binding *binding, const struct owner *claim)
{
    return name_equal(&binding->by_name, claim);
}

bool owners_allow(const struct owners *owners, const struct owner *claim, char *why, size_t size)
{
    const struct binding *uid = find_uid(owners, claim->uid);
    const struct binding *gid = find_gid(owners, claim->gid);
    const struct binding *own = find_name(owners, claim);

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
static struct binding *add_binding(struct owners *owners, const struct owner *claim)
{
    struct binding *binding;

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

bool owners_claim(struct owners *owners, const struct owner *claim)
{
    struct binding *binding = find_any(owners, claim);

    if (binding != NULL && !binding->released)
        return true;
    if (binding != NULL)
        binding->moved = loop_now();
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

bool owners_move(struct owners *owners, const char *project, const char *environment)
{
    const struct owner wanted = {project, environment, 0, 0};
    struct binding *binding = find_any(owners, &wanted);

    if (binding == NULL)
        binding = add_binding(owners, &wanted);
    if (binding != NULL)
        binding->moved = loop_now();
    return binding != NULL;
}

int64_t owners_moved(const struct owners *owners, const char *project, const char *environment)
{
    const struct owner wanted = {project, environment, 0, 0};
    const struct binding *binding = find_any(owners, &wanted);

    return binding == NULL ? 0 : binding->moved;
}

static bool project_equal(const struct table_node *node, const void *key)
{
    return strcmp(TABLE_OWNER(node, struct binding, by_project)->project, key) == 0;
}

/* All of a project have one hash, and so stand in one bucket. */
void owners_each(const struct owners *owners, const char *project,
                 bool (*each)(void *arg, const char *environment), void *arg)
{
    uint64_t hash = table_hash(&owners->by_project, project, strlen(project));
    const struct table_node *node = table_find(&owners->by_project, hash, project_equal, project);

    for (; node != NULL; node = node->next)
        if (node->hash == hash && project_equal(node, project) &&
            !each(arg, TABLE_OWNER(node, const struct binding, by_project)->environment))
            return;
}

static bool give(const struct binding *binding, struct owner *out)
{
    if (binding == NULL)
        return false;
    *out = (struct owner){binding->project, binding->environment, binding->uid, binding->gid};
    return true;
}

bool owners_by_uid(const struct owners *owners, uint32_t uid, struct owner *out)
{
    return give(find_uid(owners, uid), out);
}

bool owners_by_gid(const struct owners *owners, uint32_t gid, struct owner *out)
{
    return give(find_gid(owners, gid), out);
}

bool owners_by_name(const struct owners *owners, const char *project, const char *environment,
                    struct owner *out)
{
    const struct owner wanted = {project, environment, 0, 0};

    return give(find_name(owners, &wanted), out);
}

bool owners_forget(struct owners *owners, const char *project, const char *environment)
{
    const struct owner wanted = {project, environment, 0, 0};
    struct binding *binding = find_name(owners, &wanted);

    if (binding == NULL)
        return false;
    table_remove(&owners->by_uid, &binding->by_uid);
    table_remove(&owners->by_gid, &binding->by_gid);
    table_remove(&owners->by_project, &binding->by_project);
    binding->released = true;
    binding->moved = loop_now();
    return true;
}
