/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/feed.h"

#include <stdlib.h>
#include <string.h>

struct feed {
    struct loop *loop;
    struct api *api;
    struct worker *worker;
    struct feed_events events;
    struct feed_view view;
};

struct feed *feed_new(struct loop *loop, struct api *api, struct worker *worker,
                      const struct cloud_conf *conf, const struct feed_events *events)
{
    struct feed *feed = calloc(1, sizeof *feed);

    if (feed == NULL)
        return NULL;
    feed->loop = loop;
    feed->api = api;
    feed->worker = worker;
    feed->events = *events;
    feed->view.why = "";
    feed_configure(feed, conf, true);
    return feed;
}

void feed_free(struct feed *feed)
{
    free(feed);
}

void feed_configure(struct feed *feed, const struct cloud_conf *conf, bool forget)
{
    (void)forget;
    feed->view.used = conf->changes_url[0] != '\0';
}

bool feed_is_live(const struct feed *feed)
{
    return feed != NULL && feed->view.live;
}

void feed_look(const struct feed *feed, struct feed_view *out)
{
    *out = feed->view;
}
