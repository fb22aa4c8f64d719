/* SPDX-License-Identifier: Apache-2.0 */
#include "nss_cloud/enumerate.h"

#include "common/snapshot.h"

#include <errno.h>
#include <stdbool.h>

/* An enumeration in progress. It keeps its own map of the snapshot: otherwise accounts would be
 * missing or be listed twice if the file were replaced between two entries. */
struct list {
    bool open;
    struct cloud_snapshot snapshot; /* snapshot.map NULL: there are no entries */
    uint64_t at;
};

static struct list lists[2];

struct step {
    struct list *list;
    struct lookup *lookup;
    enum nss_status status;
    int error;
};

static void close_list(struct list *list)
{
    if (list->snapshot.map != NULL)
        cloud_snapshot_unmap(&list->snapshot);
    *list = (struct list){.open = false};
}

static void open_list(void *arg)
{
    struct step *step = arg;
    struct list *list = step->list;
    struct map map;

    close_list(list);
    if (!map_settings(&map))
        return;
    list->open = true;
    step->status = NSS_STATUS_SUCCESS;
    if (map.held->conf->enumerate) {
        if (!cloud_snapshot_map(&list->snapshot)) {
            step->status = NSS_STATUS_UNAVAIL;
        } else if (cloud_snapshot_retired(&list->snapshot)) {
            close_list(list);
            step->status = NSS_STATUS_UNAVAIL;
        }
    }
    map_release(&map);
}

enum nss_status enumerate_start(enum enumerate_what what, int *errnop)
{
    struct step step = {.list = &lists[what]};

    return lookup_guard(open_list, &step, &step.status, &step.error, errnop);
}

/* Writes the next account to step->lookup; skips those that this host's settings do not allow. */
static void take_account(const struct cloud_conf *conf, struct step *step)
{
    struct list *list = step->list;
    struct cloud_snapshot_account account;
    uint64_t before = list->at;

    step->status = NSS_STATUS_NOTFOUND;
    if (list->snapshot.map == NULL || !conf->enumerate)
        return;
    for (; cloud_snapshot_next(&list->snapshot, &list->at, &account); before = list->at) {
        if (!lookup_take(conf, step->lookup, &account))
            continue;
        step->status = step->lookup->status;
        step->error = step->lookup->error;
        if (step->status == NSS_STATUS_TRYAGAIN)
            list->at = before;
        return;
    }
}

static void take_next(void *arg)
{
    struct map map;

    if (!map_acquire(&map) && !map_settings(&map))
        return;
    take_account(map.held->conf, arg);
    map_release(&map);
}

enum nss_status enumerate_next(enum enumerate_what what, struct lookup *lookup, int *errnop)
{
    struct step step = {.list = &lists[what], .lookup = lookup};

    /* Without setpwent(3), getpwent(3) starts with the first account. */
    if (!step.list->open) {
        enum nss_status status = enumerate_start(what, errnop);
        if (status != NSS_STATUS_SUCCESS)
            return status;
    }
    return lookup_guard(take_next, &step, &step.status, &step.error, errnop);
}

void enumerate_end(enum enumerate_what what)
{
    int saved = errno;

    close_list(&lists[what]);
    errno = saved;
}
