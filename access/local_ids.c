/* SPDX-License-Identifier: Apache-2.0 */
#include "access/local_ids.h"

#include "base/array.h"
#include "common/local.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct list {
    size_t used, capacity;
    struct cloud_local_entry *entry; /* sorted by name */
    size_t ids, id_capacity;
    uint32_t *id; /* sorted */
};

struct local_ids {
    struct list users, groups;
    struct stat passwd_stat, group_stat;
    unsigned reads;
    bool ready;
};

struct local_ids *local_ids_new(void)
{
    return calloc(1, sizeof(struct local_ids));
}

static void clear(struct list *list)
{
    free(list->entry);
    free(list->id);
    *list = (struct list){0};
}

void local_ids_free(struct local_ids *ids)
{
    if (ids == NULL)
        return;
    clear(&ids->users);
    clear(&ids->groups);
    free(ids);
}

static int by_name(const void *a, const void *b)
{
    const struct cloud_local_entry *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static int by_id(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static bool add_id(struct list *list, uint32_t id)
{
    uint32_t *grown = array_grow(list->id, list->ids, &list->id_capacity, sizeof *grown);

    if (grown == NULL)
        return false;
    list->id = grown;
    list->id[list->ids++] = id;
    return true;
}

static bool add_entry(struct list *list, const struct cloud_local_entry *entry)
{
    struct cloud_local_entry *grown =
        array_grow(list->entry, list->used, &list->capacity, sizeof *grown);

    if (grown == NULL)
        return false;
    list->entry = grown;
    list->entry[list->used++] = *entry;
    return true;
}

struct reading {
    struct list *list;   /* of the file being read */
    struct list *groups; /* gets the primary gid of a user, too */
    bool failed;
};

static bool take(void *arg, const struct cloud_local_entry *entry)
{
    struct reading *reading = arg;

    reading->failed = !add_entry(reading->list, entry) ||
                      (entry->id_ok && !add_id(reading->list, entry->id)) ||
                      (entry->gid_ok && !add_id(reading->groups, entry->gid));
    return !reading->failed;
}

static void sort(struct list *list)
{
    if (list->used > 0)
        qsort(list->entry, list->used, sizeof *list->entry, by_name);
    if (list->ids > 0)
        qsort(list->id, list->ids, sizeof *list->id, by_id);
}

static bool changed(const struct stat *a, const struct stat *b)
{
    return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec ||
           a->st_ctim.tv_sec != b->st_ctim.tv_sec || a->st_ctim.tv_nsec != b->st_ctim.tv_nsec;
}

static bool read_both(struct list *users, struct list *groups)
{
    struct reading passwd = {users, groups, false}, group = {groups, groups, false};

    return cloud_local_scan(CLOUD_PASSWD_PATH, true, take, &passwd) && !passwd.failed &&
           cloud_local_scan(CLOUD_GROUP_PATH, false, take, &group) && !group.failed;
}

bool local_ids_refresh(struct local_ids *ids)
{
    struct list users = {0}, groups = {0};
    struct stat passwd_stat, group_stat;

    if (stat(CLOUD_PASSWD_PATH, &passwd_stat) != 0 || stat(CLOUD_GROUP_PATH, &group_stat) != 0)
        return ids->ready = false;
    if (ids->ready && !changed(&passwd_stat, &ids->passwd_stat) &&
        !changed(&group_stat, &ids->group_stat))
        return true;
    /* stat came before the read, so the next call sees a change that is made in between. */
    ids->ready = read_both(&users, &groups);
    if (!ids->ready) {
        clear(&users);
        clear(&groups);
        return false;
    }
    clear(&ids->users);
    clear(&ids->groups);
    sort(&users);
    sort(&groups);
    ids->users = users;
    ids->groups = groups;
    ids->passwd_stat = passwd_stat;
    ids->group_stat = group_stat;
    ids->reads++;
    return true;
}

unsigned local_ids_reads(const struct local_ids *ids)
{
    return ids->reads;
}

static const struct cloud_local_entry *find(const struct list *list, const char *name)
{
    struct cloud_local_entry wanted = {0};

    if (list->used == 0 || strlen(name) >= sizeof wanted.name)
        return NULL;
    strcpy(wanted.name, name);
    return bsearch(&wanted, list->entry, list->used, sizeof wanted, by_name);
}

static bool has_id(const struct list *list, uint32_t id)
{
    return list->ids > 0 && bsearch(&id, list->id, list->ids, sizeof id, by_id) != NULL;
}

bool local_ids_has_user(const struct local_ids *ids, const char *name)
{
    return find(&ids->users, name) != NULL;
}

bool local_ids_has_group(const struct local_ids *ids, const char *name)
{
    return find(&ids->groups, name) != NULL;
}

bool local_ids_has_uid(const struct local_ids *ids, uint32_t uid)
{
    return has_id(&ids->users, uid);
}

bool local_ids_has_gid(const struct local_ids *ids, uint32_t gid)
{
    return has_id(&ids->groups, gid);
}

bool local_ids_find_group(const struct local_ids *ids, const char *name, uint32_t *gid)
{
    const struct cloud_local_entry *entry = find(&ids->groups, name);

    if (entry == NULL || !entry->id_ok)
        return false;
    *gid = entry->id;
    return true;
}

bool local_ids_find_user(const struct local_ids *ids, const char *name, uint32_t *uid,
                         uint32_t *gid)
{
    const struct cloud_local_entry *entry = find(&ids->users, name);

    if (entry == NULL || !entry->id_ok || !entry->gid_ok)
        return false;
    *uid = entry->id;
    *gid = entry->gid;
    return true;
}
