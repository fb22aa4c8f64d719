/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/metrics/scrape.h"

#include "base/loop.h"
#include "cloudauthd/cache/cache.h"
#include "cloudauthd/metrics/health.h"
#include "cloudauthd/metrics/metrics.h"
#include "common/text.h"

#include <stdlib.h>

#define SLICE 1024 /* documents that are visited in one turn of the loop */

_Static_assert(METRICS_TEXT_MAX <= CLOUD_WIRE_STRING_MAX, "the text is one string of a packet");

struct scrape {
    struct context *context;
    struct loop_timer timer;  /* of the next slice */
    struct metrics_seen seen; /* documents: as far as they have been visited */
    size_t bucket, visited;   /* of the cache, where to go on; in this slice */
    bool running;
    void *waiting[SCRAPE_WAITING_MAX]; /* connections, or NULL */
    char text[METRICS_TEXT_MAX];
};

static void answer_waiting(struct scrape *scrape, const struct cloud_answer *answer)
{
    scrape->running = false;
    for (size_t i = 0; i < SCRAPE_WAITING_MAX; i++) {
        struct connection *connection = scrape->waiting[i];
        struct cloud_answer copy = *answer;
        if (connection == NULL)
            continue;
        connection->pending = NULL;
        scrape->waiting[i] = NULL;
        server_answer(connection, &copy);
    }
}

static void refuse_waiting(struct scrape *scrape, const char *reason)
{
    const struct cloud_answer answer = {.status = CLOUD_UNAVAILABLE, .reason = reason};

    answer_waiting(scrape, &answer);
}

/* All documents have been visited. */
static void finish(struct scrape *scrape)
{
    const struct cloud_answer answer = {.status = CLOUD_OK, .text = scrape->text};
    struct cloud_text text;

    health_credentials(scrape->context, &scrape->seen.credentials);
    cloud_text_start(&text, scrape->text, sizeof scrape->text);
    if (metrics_write(scrape->context, &scrape->seen, &text))
        answer_waiting(scrape, &answer);
    else
        refuse_waiting(scrape, "too-large");
}

/* cache_see */
static bool visit(void *arg, const struct cache_view *view)
{
    struct scrape *scrape = arg;

    health_count(&scrape->seen.documents, view);
    return ++scrape->visited >= SLICE;
}

static void visit_slice(void *arg)
{
    struct scrape *scrape = arg;

    scrape->visited = 0;
    scrape->bucket = cache_walk(scrape->context->cache, scrape->bucket, visit, scrape);
    if (scrape->bucket == 0)
        finish(scrape);
    else if (!loop_timer_set(scrape->context->loop, &scrape->timer, 0))
        refuse_waiting(scrape, "out-of-memory");
}

/* Has the connection answered by answer_waiting. False: too many are waiting. */
static bool wait_for_answer(struct scrape *scrape, struct connection *connection)
{
    for (size_t i = 0; i < SCRAPE_WAITING_MAX; i++) {
        if (scrape->waiting[i] != NULL)
            continue;
        scrape->waiting[i] = connection;
        connection->pending = &scrape->waiting[i];
        return true;
    }
    return false;
}

void scrape_start(struct connection *connection)
{
    struct scrape *scrape = connection->context->scrape;

    scrape->seen.scrapes++;
    if (!wait_for_answer(scrape, connection)) {
        struct cloud_answer busy = {.status = CLOUD_UNAVAILABLE, .reason = "busy"};
        server_answer(connection, &busy);
    } else if (!scrape->running) {
        scrape->running = true;
        scrape->bucket = 0;
        scrape->seen.documents = (struct health_documents){0};
        visit_slice(scrape);
    }
}

struct scrape *scrape_new(struct context *context)
{
    struct scrape *scrape = calloc(1, sizeof *scrape);

    if (scrape == NULL)
        return NULL;
    scrape->context = context;
    scrape->timer = (struct loop_timer){.due = visit_slice, .arg = scrape};
    return scrape;
}

void scrape_free(struct scrape *scrape)
{
    if (scrape == NULL)
        return;
    loop_timer_clear(scrape->context->loop, &scrape->timer);
    free(scrape);
}
