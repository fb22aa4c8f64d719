/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_LOOP_H
#define CLOUD_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

/* An event loop over epoll(7) for one thread: descriptors and timers. A turn of the loop looks at
 * each timer that is set. A callback may remove and free any watch, including its own. */

struct loop;

/* A watched descriptor. The caller owns the struct and keeps it until loop_remove. */
struct loop_watch {
    int fd;
    void (*ready)(void *arg, uint32_t events); /* events: EPOLLIN, EPOLLOUT, EPOLLRDHUP ... */
    void *arg;
};

/* A timer. The caller owns the struct, sets `due` and `arg`, and zeroes the rest. */
struct loop_timer {
    void (*due)(void *arg);
    void *arg;
    bool set;
    int64_t at; /* cloud_clock_ms() at which the timer is due */
    LIST_ENTRY(loop_timer) link;
};

/* Returns a new loop, or NULL with errno. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* loop_add starts watching a descriptor for `events`, loop_change changes the events that it is
 * watched for. False with errno. loop_remove always ends the calls of `ready`; a descriptor that
 * the kernel does not remove can be added again. */
bool loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events);
bool loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* loop_timer_set schedules one call of timer->due in `milliseconds` from now; 0: by the end of the
 * next turn of the loop. If the timer is already set, the new time replaces the old one.
 * loop_timer_clear cancels the call, if one is scheduled. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t milliseconds);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* Waits for events and timers and runs their callbacks, until a callback calls loop_stop. False
 * with errno if epoll_wait(2) fails. */
bool loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
