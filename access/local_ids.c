/* SPDX-License-Identifier: Apache-2.0 */
#include "access/local_ids.h"

#include "base/array.h"
#include "base/log.h"
#include "common/local.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The ids of an entry of subuid(5) or subgid(5). */
struct span {
    uint64_t first, count;
};

struct spans {
    size_t used, capacity;
    struct span *span;
};

struct list {
    size_t used, capacity;
    struct cloud_local_entry *entry; /* sorted by name */
    size_t ids, id_capacity;
    uint32_t *id; /* sorted */
};

enum { PASSWD, GROUP, SUBUID, SUBGID, FILES };

struct local_ids {
    struct list users, groups;
    struct spans subuid, subgid;
    struct stat stat[FILES];
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
    free(ids->subuid.span);
    free(ids->subgid.span);
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

/* Reads "user:first:count" of each line. A file that cannot be read counts as one that gives out
 * every id, so that no new id is bound until the file can be read. */
static bool read_spans(const char *path, struct spans *spans)
{
    static const struct span all = {0, UINT64_MAX};
    FILE *file = fopen(path, "re");
    struct span span, *grown;
    size_t capacity = 0;
    char *line = NULL;
    bool missing = file == NULL && errno == ENOENT, ok = true;

    if (file == NULL && !missing) {
        log_error("%s cannot be read: no new uid or gid is bound (%s)", path, strerror(errno));
        spans->span = array_grow(spans->span, 0, &spans->capacity, sizeof all);
        if (spans->span != NULL)
            spans->span[spans->used++] = all;
        return spans->span != NULL;
    }
    while (ok && file != NULL && getline(&line, &capacity, file) > 0) {
        /* NOLINTNEXTLINE(cert-err34-c): a number that does not fit is no id */
        if (sscanf(line, "%*[^:]:%" SCNu64 ":%" SCNu64, &span.first, &span.count) != 2)
            continue;
        grown = array_grow(spans->span, spans->used, &spans->capacity, sizeof *grown);
        ok = grown != NULL;
        if (ok)
            (spans->span = grown)[spans->used++] = span;
    }
    free(line);
    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    return ok;
}

static bool read_all(struct local_ids *ids)
{
    struct reading passwd = {&ids->users, &ids->groups, false},
                   group = {&ids->groups, &ids->groups, false};

    return cloud_local_scan(CLOUD_PASSWD_PATH, true, take, &passwd) && !passwd.failed &&
           cloud_local_scan(CLOUD_GROUP_PATH, false, take, &group) && !group.failed &&
           read_spans(CLOUD_SUBUID_PATH, &ids->subuid) &&
           read_spans(CLOUD_SUBGID_PATH, &ids->subgid);
}

bool local_ids_refresh(struct local_ids *ids)
{
    const char *const paths[FILES] = {CLOUD_PASSWD_PATH, CLOUD_GROUP_PATH, CLOUD_SUBUID_PATH,
                                      CLOUD_SUBGID_PATH};
    struct local_ids *fresh = NULL;
    struct stat now[FILES] = {0};
    bool same = ids->ready;

    for (size_t i = 0; i < FILES; i++) {
        if (stat(paths[i], &now[i]) != 0) {
            if (i < SUBUID)
                return ids->ready = false;
            now[i].st_dev = (dev_t)errno; /* missing and not readable differ */
        }
        same = same && !changed(&now[i], &ids->stat[i]);
    }
    if (same)
        return true;
    /* The files were examined with stat(2) before they are read, so the next call sees a change
     * made in between. */
    fresh = local_ids_new();
    ids->ready = fresh != NULL && read_all(fresh);
    if (ids->ready) {
        struct local_ids old = *ids;
        sort(&fresh->users);
        sort(&fresh->groups);
        *ids = *fresh;
        *fresh = old;
        memcpy(ids->stat, now, sizeof now);
        ids->reads = old.reads + 1;
        ids->ready = true;
    }
    local_ids_free(fresh);
    return ids->ready;
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

static bool in_spans(const struct spans *spans, uint32_t id)
{
    for (size_t i = 0; i < spans->used; i++)
        if (id >= spans->span[i].first && id - spans->span[i].first < spans->span[i].count)
            return true;
    return false;
}

bool local_ids_is_subordinate(const struct local_ids *ids, uint32_t uid, uint32_t gid)
{
    return in_spans(&ids->subuid, uid) || in_spans(&ids->subgid, gid);
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
