/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_LOOP_H
#define CLOUD_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/*
 * The one thread's event loop over epoll(7): descriptors and a handful of timers. A callback may
 * remove and free any watch, its own too.
 */

struct loop;

/* A watched descriptor; the caller owns it and keeps it until loop_remove. */
struct loop_watch {
    int fd;
    void (*ready)(void *arg, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLRDHUP ... */
    void *arg;
};

/* A timer; the caller owns it, zeroed but for `due` and `arg` at first. */
struct loop_timer {
    void (*due)(void *arg);
    void *arg;
    bool set;
    int64_t at; /* cloud_clock_ms() */
};

/* NULL if epoll is not to be had; errno says why. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Watch for events, or for others. False with errno. */
bool loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events);
bool loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* Sets a timer to run once, milliseconds from now (0: in the next turn), or takes it back. At
 * most LOOP_TIMERS may be set at a time; false if there is no place. */
#define LOOP_TIMERS 24
bool loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t milliseconds);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* Runs until loop_stop, or false with errno if epoll fails. */
bool loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
