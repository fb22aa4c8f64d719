/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH 64

LIST_HEAD(timers, loop_timer);

struct loop {
    int epoll;
    bool stopped;
    struct timers timers; /* the timers that are set */
    struct epoll_event batch[BATCH];
    int batch_used;
};

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return NULL;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    close(loop->epoll);
    free(loop);
}

static bool control(struct loop *loop, int what, struct loop_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    return epoll_ctl(loop->epoll, what, watch->fd, &event) == 0;
}

bool loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_ADD, watch, events) ||
           (errno == EEXIST && control(loop, EPOLL_CTL_MOD, watch, events));
}

bool loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    struct epoll_event none = {0};

    /* A descriptor that the kernel does not remove stays, with no watch. */
    if (!control(loop, EPOLL_CTL_DEL, watch, 0))
        epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &none);
    /* The batch that loop_run is working through may still have an event of this watch. */
    for (int i = 0; i < loop->batch_used; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t milliseconds)
{
    loop_timer_clear(loop, timer);
    timer->set = true;
    timer->at = cloud_clock_ms() + milliseconds;
    LIST_INSERT_HEAD(&loop->timers, timer, link);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    if (timer->set)
        LIST_REMOVE(timer, link);
    timer->set = false;
}

/* Returns the timeout for epoll_wait(2) in milliseconds: the time to the next timer, at most an
 * hour; -1 if no timer is set. */
static int next_wait(const struct loop *loop)
{
    int64_t next = INT64_MAX, left;
    const struct loop_timer *timer;

    LIST_FOREACH(timer, &loop->timers, link)
        if (timer->at < next)
            next = timer->at;
    if (next == INT64_MAX)
        return -1;
    left = next - cloud_clock_ms();
    return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static void run_timers(struct loop *loop)
{
    int64_t now = cloud_clock_ms();
    struct timers due = LIST_HEAD_INITIALIZER(due);
    struct loop_timer *timer, *next;

    for (timer = LIST_FIRST(&loop->timers); timer != NULL; timer = next) {
        next = LIST_NEXT(timer, link);
        if (timer->at > now)
            continue;
        LIST_REMOVE(timer, link);
        LIST_INSERT_HEAD(&due, timer, link);
    }
    /* A due timer stays on a list until its callback is called, so that the callback of another
     * timer can set or clear it. */
    while ((timer = LIST_FIRST(&due)) != NULL) {
        loop_timer_clear(loop, timer);
        timer->due(timer->arg);
    }
}

bool loop_run(struct loop *loop)
{
    while (!loop->stopped) {
        int n = epoll_wait(loop->epoll, loop->batch, BATCH, next_wait(loop));
        if (n < 0 && errno != EINTR)
            return false;
        loop->batch_used = n < 0 ? 0 : n;
        for (int i = 0; i < loop->batch_used; i++) {
            const struct loop_watch *watch = loop->batch[i].data.ptr;
            if (watch != NULL)
                watch->ready(watch->arg, loop->batch[i].events);
        }
        loop->batch_used = 0;
        run_timers(loop);
    }
    loop->stopped = false; /* loop_run may be called again */
    return true;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
