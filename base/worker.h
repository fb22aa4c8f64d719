/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_WORKER_H
#define CLOUD_BASE_WORKER_H

#include "base/loop.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * A thread for work that may wait for a disk or takes long. Work is done in the order in which it
 * is added. Each work has its own copies of its data: the threads share only the queue, and its
 * lock is not held while work runs. A disk that hangs stops the worker and nothing else.
 */

struct worker;

/* A piece of work; the first member of the caller's struct. */
struct work {
    void (*run)(struct work *); /* in the worker's thread; sets failed to an errno, or leaves 0 */
    void (*finish)(struct work *); /* in the loop's thread, exactly once; frees the work */
    int failed;
    STAILQ_ENTRY(work) next;
};

struct worker *worker_new(struct loop *loop);

/* Waits until all work that was added is done, finishes it, and ends the thread. Work that finish
 * callbacks add is done as well, by the caller's thread. */
void worker_free(struct worker *worker);

/* The number of works that were added and are not finished. */
size_t worker_pending(struct worker *worker);

/* For how long the work that runs now has been running, in milliseconds. 0: none runs. */
int64_t worker_busy_ms(struct worker *worker);

/* Adds work, which belongs to the worker until its finish is called. Never waits for work that is
 * running. */
void worker_add(struct worker *worker, struct work *work);

#endif
