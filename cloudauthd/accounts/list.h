/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_LIST_H
#define CLOUDAUTHD_ACCOUNTS_LIST_H

#include "base/loop.h"
#include "base/worker.h"
#include "cloudauthd/accounts/list_pages.h"
#include "cloudauthd/api/api.h"

#include "common/conf.h"

#include <stdbool.h>

/*
 * The account list (docs/api.md): the names of all environments, fetched page by page in the
 * background, soon after the start and then every account_fresh, with jitter. It counts only once
 * all its pages have come. Until then, and after any fault, the last whole list stays, and the next
 * attempt follows after LIST_BACKOFF_MIN, doubling up to LIST_BACKOFF_MAX, or after the server's
 * Retry-After. No lookup and no login waits for it.
 *
 * Pages are parsed in a worker thread: one of 4 MiB takes 60 to 150 ms. Events are sent in slices,
 * one slice a turn of the loop, so that a list of a million names delays no other work of the loop.
 */
#define LIST_FIRST_MS    1000 /* the first request is sent within this time */
#define LIST_PERIOD_MIN  1000
#define LIST_BACKOFF_MIN 1000
#define LIST_BACKOFF_MAX 60000
#define LIST_SLICE       100 /* events in a turn of the loop */
#define LIST_PAUSE_MS    200 /* after `listed` has returned false */

/* The receiver of events. None of these functions may free or configure the list. */
struct list_events {
    /*
     * Each environment of the last whole list that this host serves, once a list, also of one that
     * has not changed. False: not now; the same one is sent again after LIST_PAUSE_MS.
     */
    bool (*listed)(void *arg, const struct list_item *item);
    /* An environment that the previous whole list had and the last one lacks. */
    void (*left)(void *arg, const struct list_item *item);
    void *arg;
};

struct list;

/*
 * conf has passed api_check and is not kept. The worker may be shared; it outlives the list or is
 * freed right after it. NULL if memory is out.
 */
struct list *list_new(struct loop *loop, struct api *api, struct worker *worker,
                      const struct cloud_conf *conf, const struct list_events *events);

/* To be called after api_free, which drops a request that is under way. The memory of a list that
 * the worker still reads is freed when that work is finished. */
void list_free(struct list *list);

/*
 * The settings have changed: the list is fetched now. Where accounts_url has changed, or the API
 * is another one (forget), the old list is dropped, and no environment counts as having left it.
 */
void list_configure(struct list *list, const struct cloud_conf *conf, bool forget);

/* Whether the last whole list names the environment. */
bool list_has(const struct list *list, const struct list_item *item);

#endif
