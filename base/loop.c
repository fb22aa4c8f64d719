/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH 64

struct loop {
    int epoll;
    bool stopped;
    struct loop_timer *timer[LOOP_TIMERS];
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
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

bool loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    control(loop, EPOLL_CTL_DEL, watch, 0);
    /* The batch that loop_run works through may still have an event of this watch. */
    for (int i = 0; i < loop->batch_used; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
}

bool loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t milliseconds)
{
    if (!timer->set) {
        int i = 0;
        while (i < LOOP_TIMERS && loop->timer[i] != NULL)
            i++;
        if (i == LOOP_TIMERS)
            return false;
        loop->timer[i] = timer;
        timer->set = true;
    }
    timer->at = cloud_clock_ms() + milliseconds;
    return true;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    for (int i = 0; i < LOOP_TIMERS; i++)
        if (loop->timer[i] == timer)
            loop->timer[i] = NULL;
    timer->set = false;
}

/* The timeout for epoll_wait(2): milliseconds to the next timer, an hour at the most; -1 if no
 * timer is set. */
static int next_wait(const struct loop *loop)
{
    int64_t next = INT64_MAX, left;

    for (int i = 0; i < LOOP_TIMERS; i++)
        if (loop->timer[i] != NULL && loop->timer[i]->at < next)
            next = loop->timer[i]->at;
    if (next == INT64_MAX)
        return -1;
    left = next - cloud_clock_ms();
    return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static void run_timers(struct loop *loop)
{
    int64_t now = cloud_clock_ms();

    for (int i = 0; i < LOOP_TIMERS; i++) {
        struct loop_timer *timer = loop->timer[i];
        if (timer == NULL || timer->at > now)
            continue;
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
    loop->stopped = false; /* it may run again */
    return true;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
