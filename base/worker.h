/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_WORKER_H
#define CLOUD_BASE_WORKER_H

#include "base/loop.h"

#include <stdbool.h>

/*
 * The one worker thread: does what may wait for a disk, on copies of its own, in the order it was
 * asked for. The loop's thread shares nothing with it but the queue, whose lock is never held while
 * work is done: a disk that stands still stops the worker alone.
 */

struct worker;

struct work {
    void (*run)(struct work *);    /* in the worker; sets failed (an errno) where it failed */
    void (*finish)(struct work *); /* in the loop: frees the work; always called, once */
    int failed;
    struct work *next;
};

/* NULL, logged, if there is no thread or memory to be had. */
struct worker *worker_new(struct loop *loop);

/* Does all work that was added, finishes it, and ends the thread. */
void worker_free(struct worker *worker);

/* How much was added that is not finished. */
size_t worker_pending(struct worker *worker);

/* The work is the worker's until finish. Never waits for work that is being done. */
void worker_add(struct worker *worker, struct work *work);

#endif
