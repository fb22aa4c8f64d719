/* SPDX-License-Identifier: Apache-2.0 */
#include "access/local_ids.h"

#include "base/array.h"
#include "base/fatal.h"
#include "base/log.h"
#include "common/clock.h"
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

#define AGAIN_MS 1000

struct spans {
    size_t used, capacity;
    struct span *span;
};

struct numbers {
    size_t used, capacity;
    uint32_t *id; /* sorted */
};

enum { PASSWD, GROUP, SUBUID, SUBGID, FILES };

struct local_ids {
    size_t names, capacity;
    struct cloud_local_entry *name; /* of users and groups, sorted by name */
    struct numbers uids, gids;
    struct spans subuid, subgid;
    struct stat stat[FILES];
    unsigned reads;
    bool ready;
    bool unread;   /* reading SUBUID or SUBGID has failed, though the file may be good */
    bool told;     /* it had failed before, and the log says so */
    int64_t again; /* if unread: the cloud_clock_ms() from which it is read again */
};

struct local_ids *local_ids_new(void)
{
    return xcalloc(1, sizeof(struct local_ids));
}

void local_ids_free(struct local_ids *ids)
{
    if (ids == NULL)
        return;
    free(ids->name);
    free(ids->uids.id);
    free(ids->gids.id);
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

static bool add_id(struct numbers *numbers, uint32_t id)
{
    return array_add(&numbers->id, &numbers->used, &numbers->capacity, &id, sizeof id);
}

struct reading {
    struct local_ids *ids;
    struct numbers *of_file;
    bool failed;
};

/* Adds the name and ids of a line. The primary gid of a user is added to the gids, too. Returns
 * false, which ends the scan, if out of memory. */
static bool take(void *arg, const struct cloud_local_entry *entry)
{
    struct reading *reading = arg;
    struct local_ids *ids = reading->ids;

    reading->failed = !array_add(&ids->name, &ids->names, &ids->capacity, entry, sizeof *entry) ||
                      (entry->id_ok && !add_id(reading->of_file, entry->id)) ||
                      (entry->gid_ok && !add_id(&ids->gids, entry->gid));
    return !reading->failed;
}

static void sort(struct numbers *numbers)
{
    if (numbers->used > 0)
        qsort(numbers->id, numbers->used, sizeof *numbers->id, by_id);
}

static bool changed(const struct stat *a, const struct stat *b)
{
    return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec ||
           a->st_ctim.tv_sec != b->st_ctim.tv_sec || a->st_ctim.tv_nsec != b->st_ctim.tv_nsec;
}

/* Logs that a file of subordinate ids could not be read, or not opened (file NULL), with the reason
 * in errno. Sets unread if the reason may pass while the file stays the same; a file that lacks
 * permissions, or is a directory, is read again when stat(2) shows a change. */
static void note_unread(struct local_ids *ids, const char *path, const FILE *file)
{
    if ((file != NULL && errno != EISDIR) || errno == ENOMEM || errno == EMFILE ||
        errno == ENFILE || errno == EIO)
        ids->unread = true;
    if (!ids->told)
        log_error("%s cannot be read: no new uid or gid is bound (%s)", path, strerror(errno));
}

/* Reads the lines "user:first:count". A file that exists but cannot be read to its end is treated
 * as if it listed every id, so that no new id is bound. Returns false if out of memory. */
static bool read_spans(struct local_ids *ids, const char *path, struct spans *spans)
{
    static const struct span all = {0, UINT64_MAX};
    FILE *file = fopen(path, "re");
    bool ok = true, whole = file == NULL && errno == ENOENT;
    struct span span;
    size_t capacity = 0;
    char *line = NULL;

    while (ok && file != NULL && getline(&line, &capacity, file) > 0)
        /* NOLINTNEXTLINE(cert-err34-c): a number that does not fit is not an id */
        if (sscanf(line, "%*[^:]:%" SCNu64 ":%" SCNu64, &span.first, &span.count) == 2)
            ok = array_add(&spans->span, &spans->used, &spans->capacity, &span, sizeof span);
    if (ok && !whole && (file == NULL || !feof(file))) {
        note_unread(ids, path, file);
        ok = array_add(&spans->span, &spans->used, &spans->capacity, &all, sizeof all);
    }
    free(line);
    if (file != NULL)
        (void)fclose(file);
    return ok;
}

static bool read_all(struct local_ids *ids)
{
    struct reading passwd = {ids, &ids->uids, false}, group = {ids, &ids->gids, false};

    return cloud_local_scan(CLOUD_PASSWD_PATH, true, take, &passwd) && !passwd.failed &&
           cloud_local_scan(CLOUD_GROUP_PATH, false, take, &group) && !group.failed &&
           read_spans(ids, CLOUD_SUBUID_PATH, &ids->subuid) &&
           read_spans(ids, CLOUD_SUBGID_PATH, &ids->subgid);
}

bool local_ids_refresh(struct local_ids *ids)
{
    const char *const paths[FILES] = {CLOUD_PASSWD_PATH, CLOUD_GROUP_PATH, CLOUD_SUBUID_PATH,
                                      CLOUD_SUBGID_PATH};
    struct local_ids *fresh;
    struct stat now[FILES] = {0};
    bool same = ids->ready;

    for (size_t i = 0; i < FILES; i++) {
        if (stat(paths[i], &now[i]) != 0) {
            if (i < SUBUID)
                return ids->ready = false;
            now[i].st_dev = (dev_t)errno; /* distinguishes a missing file from an unreadable one */
        }
        same = same && !changed(&now[i], &ids->stat[i]);
    }
    if (same && (!ids->unread || cloud_clock_ms() < ids->again))
        return true;
    /* stat(2) was called before the files are read, so a change in between is noticed by the next
     * call of this function. */
    fresh = local_ids_new();
    fresh->told = ids->unread;
    ids->ready = read_all(fresh);
    if (ids->ready) {
        struct local_ids old = *ids;
        if (fresh->names > 0)
            qsort(fresh->name, fresh->names, sizeof *fresh->name, by_name);
        sort(&fresh->uids);
        sort(&fresh->gids);
        *ids = *fresh;
        *fresh = old;
        memcpy(ids->stat, now, sizeof now);
        ids->again = cloud_clock_ms() + AGAIN_MS;
        ids->reads = old.reads + (same && ids->unread ? 0 : 1); /* else nothing is new */
        ids->ready = true;
    }
    local_ids_free(fresh);
    return ids->ready;
}

unsigned local_ids_reads(const struct local_ids *ids)
{
    return ids->reads;
}

bool local_ids_has_name(const struct local_ids *ids, const char *name)
{
    struct cloud_local_entry wanted = {0};

    if (ids->names == 0 || strlen(name) >= sizeof wanted.name)
        return false;
    strcpy(wanted.name, name);
    return bsearch(&wanted, ids->name, ids->names, sizeof wanted, by_name) != NULL;
}

static bool has_id(const struct numbers *numbers, uint32_t id)
{
    return numbers->used > 0 && bsearch(&id, numbers->id, numbers->used, sizeof id, by_id) != NULL;
}

bool local_ids_has_uid(const struct local_ids *ids, uint32_t uid)
{
    return has_id(&ids->uids, uid);
}

bool local_ids_has_gid(const struct local_ids *ids, uint32_t gid)
{
    return has_id(&ids->gids, gid);
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
