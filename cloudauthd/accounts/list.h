/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDAUTHD_ACCOUNTS_LIST_H
#define CLOUDAUTHD_ACCOUNTS_LIST_H

#include "base/loop.h"
#include "cloudauthd/accounts/list_pages.h"
#include "cloudauthd/api/api.h"

#include "common/conf.h"

#include <stddef.h>

/*
 * The account list (docs/api.md): asked for page by page, in the background, soon after the start
 * and then every account_fresh, with jitter. It counts only when all its pages came; until then,
 * and after whatever fault, the last whole one stays, and is asked for again after
 * LIST_BACKOFF_MIN, doubling up to LIST_BACKOFF_MAX, or as the server says. Nobody ever waits for
 * it.
 *
 * Pages are read in a worker thread of its own. What it says is told in slices, one a turn of the
 * loop, so that a million accounts hold up nobody.
 */
#define LIST_FIRST_MS    1000 /* the first is asked for within this time */
#define LIST_PERIOD_MIN  1000
#define LIST_BACKOFF_MIN 1000
#define LIST_BACKOFF_MAX 60000
#define LIST_SLICE       100 /* accounts told in a turn of the loop */

/* Who is told; none of these may free or configure the list. */
struct list_events {
    /* Each account of a whole list that this host serves, once, also when nothing has changed. */
    void (*listed)(void *arg, const struct list_item *item);
    /* One that the whole list before had, and this one has not. Before all that are listed. */
    void (*left)(void *arg, const char *project, const char *environment);
    /* All has been told of a list of count accounts, those of other hosts among them. */
    void (*complete)(void *arg, size_t count);
    void *arg;
};

struct list;

/*
 * conf has passed api_check; it is not looked at after the call (list_configure). To be called
 * after daemon(3): it makes a thread, once there is an accounts_url. NULL if memory is out.
 */
struct list *list_new(struct loop *loop, struct api *api, const struct cloud_conf *conf,
                      const struct list_events *events);

/* To be called after api_free, which drops a request that is under way. */
void list_free(struct list *list);

/*
 * The settings changed: the list is asked for now. Where accounts_url is another, or all that was
 * believed is forgotten (forget), the old list is, and nothing has left it; else it is told again
 * at once, as far as the host still serves it.
 */
void list_configure(struct list *list, const struct cloud_conf *conf, bool forget);

#endif
