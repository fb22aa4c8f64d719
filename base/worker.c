/* SPDX-License-Identifier: Apache-2.0 */
#include "base/worker.h"

#include "base/fatal.h"
#include "base/log.h"
#include "common/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

STAILQ_HEAD(queue, work);

struct worker {
    struct loop *loop;
    struct loop_watch watch; /* an eventfd that wakes the loop when `done` has work */
    pthread_t thread;
    pthread_mutex_t lock; /* guards all members below */
    pthread_cond_t wake;
    struct queue waiting, done;
    size_t pending; /* pieces of work that were added and are not finished */
    int64_t since;  /* cloud_clock_ms() when the current work began; 0: none runs */
    bool ending;
};

static struct work *pop(struct queue *queue)
{
    struct work *work = STAILQ_FIRST(queue);

    if (work != NULL)
        STAILQ_REMOVE_HEAD(queue, next);
    return work;
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    const uint64_t one = 1;

    pthread_mutex_lock(&worker->lock);
    for (;;) {
        struct work *work = pop(&worker->waiting);
        worker->since = work == NULL ? 0 : cloud_clock_ms();
        if (work != NULL) {
            pthread_mutex_unlock(&worker->lock);
            work->run(work);
            pthread_mutex_lock(&worker->lock);
            STAILQ_INSERT_TAIL(&worker->done, work, next);
            /* The write fails only if the counter is full; then the loop has been woken already. */
            (void)!write(worker->watch.fd, &one, sizeof one);
        } else if (worker->ending) {
            break;
        } else {
            pthread_cond_wait(&worker->wake, &worker->lock);
        }
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static void finish_done(struct worker *worker)
{
    struct work *work;

    pthread_mutex_lock(&worker->lock);
    while ((work = pop(&worker->done)) != NULL) {
        pthread_mutex_unlock(&worker->lock);
        work->finish(work);
        pthread_mutex_lock(&worker->lock);
        worker->pending--;
    }
    pthread_mutex_unlock(&worker->lock);
}

static void on_done(void *arg, uint32_t events)
{
    struct worker *worker = arg;
    uint64_t count;

    (void)events;
    if (read(worker->watch.fd, &count, sizeof count) < 0 && errno != EAGAIN)
        log_error("worker: eventfd: %s", strerror(errno));
    finish_done(worker);
}

/* Starts the thread with all signals blocked, because the loop's thread handles them. */
static void start_thread(struct worker *worker)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    failed = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        fatal("worker: no thread: %s", strerror(failed));
}

struct worker *worker_new(struct loop *loop)
{
    struct worker *worker = xcalloc(1, sizeof *worker);

    worker->loop = loop;
    worker->watch = (struct loop_watch){eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_done, worker};
    STAILQ_INIT(&worker->waiting);
    STAILQ_INIT(&worker->done);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->wake, NULL);
    if (worker->watch.fd < 0 || !loop_add(loop, &worker->watch, EPOLLIN))
        fatal("worker: eventfd: %s", strerror(errno));
    start_thread(worker);
    return worker;
}

void worker_free(struct worker *worker)
{
    struct work *work;

    pthread_mutex_lock(&worker->lock);
    worker->ending = true;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    finish_done(worker);
    while ((work = pop(&worker->waiting)) != NULL) { /* added by a `finish` just now */
        work->run(work);
        work->finish(work);
    }
    loop_remove(worker->loop, &worker->watch);
    close(worker->watch.fd);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

void worker_add(struct worker *worker, struct work *work)
{
    pthread_mutex_lock(&worker->lock);
    STAILQ_INSERT_TAIL(&worker->waiting, work, next);
    worker->pending++;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
}

size_t worker_pending(struct worker *worker)
{
    size_t pending;

    pthread_mutex_lock(&worker->lock);
    pending = worker->pending;
    pthread_mutex_unlock(&worker->lock);
    return pending;
}

int64_t worker_busy_ms(struct worker *worker)
{
    int64_t since;

    pthread_mutex_lock(&worker->lock);
    since = worker->since;
    pthread_mutex_unlock(&worker->lock);
    return since == 0 ? 0 : cloud_clock_ms() - since;
}
