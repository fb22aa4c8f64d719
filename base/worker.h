/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_BASE_WORKER_H
#define CLOUD_BASE_WORKER_H

#include "base/loop.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* A thread for work that may wait for a disk or takes long. Work is done in the order in which it
 * is added. Each piece of work has its own copies of its data: the threads share only the queue,
 * whose lock is not held while work runs. A disk that hangs stops only the worker. */

struct worker;

/* A piece of work; the first member of the caller's struct. */
struct work {
    void (*run)(struct work *); /* in the worker's thread; on failure sets `failed` to an errno */
    void (*finish)(struct work *); /* in the loop's thread, exactly once; frees the work */
    int failed;
    STAILQ_ENTRY(work) next;
};

struct worker *worker_new(struct loop *loop);

/* Waits until all work that was added is done, calls its `finish`, and ends the thread. If a
 * `finish` adds more work, the calling thread does it as well. */
void worker_free(struct worker *worker);

/* Returns the number of pieces of work that were added and are not finished. */
size_t worker_pending(struct worker *worker);

/* Returns how long the current work has been running, in milliseconds; 0 if no work is. */
int64_t worker_busy_ms(struct worker *worker);

/* Adds a piece of work, which belongs to the worker until `finish` is called. Never waits for work
 * that is running. */
void worker_add(struct worker *worker, struct work *work);

#endif
