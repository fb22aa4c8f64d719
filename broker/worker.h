/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BROKER_WORKER_H
#define CLOUD_BROKER_WORKER_H

#include "loop.h"

#include <stdbool.h>

/*
 * The one worker thread: does what may wait for a disk, on copies of its own, in the order it was
 * asked for. The loop's thread shares nothing with it but the queue.
 */

struct worker;

struct work {
    void (*run)(struct work *); /* in the worker; sets failed (an errno) where it failed */
    void (*commit)(
        struct work *); /* in the worker, short, where worker_cancel cannot come between */
    void (*after)(struct work *);  /* in the worker, after it */
    void (*finish)(struct work *); /* in the loop: frees the work; always called, once */
    const char *name;              /* what worker_cancel finds it by; lives as long as the work */
    int failed;
    bool cancelled;
    struct work *next;
};

/* NULL, logged, if there is no thread or memory to be had. */
struct worker *worker_new(struct loop *loop);

/* Does all work that was added, finishes it, and ends the thread. */
void worker_free(struct worker *worker);

/* The work is the worker's until finish. */
void worker_add(struct worker *worker, struct work *work);

/*
 * Cancels all work of that name that is not committed yet (it is finished all the same), and calls
 * instead, in this thread, where none of it can commit in between.
 */
void worker_cancel(struct worker *worker, const char *name, void (*instead)(void *arg), void *arg);

#endif
