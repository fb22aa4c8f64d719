/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/pool.h"

#include "base/fatal.h"
#include "cloudauthd/api/result.h"

#include <stdlib.h>
#include <sys/queue.h>

#define GROUPS_MAX 8

struct pool_group {
    LIST_ENTRY(pool_group) entry;
    struct pool *pool;
    CURLM *multi;
    struct loop_timer timer;
    unsigned running; /* transfers that have not ended */
};

struct pool {
    struct loop *loop;
    pool_done *done;
    void *arg;
    LIST_HEAD(, pool_group) groups; /* new transfers join the first group */
};

/* A socket that libcurl has opened, and that the loop watches. */
struct pool_socket {
    struct loop_watch watch;
    struct pool_group *group;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known);
static int on_timer(CURLM *multi, long milliseconds, void *arg);
static void on_timer_due(void *arg);

/* Adds a group, which new transfers join from now on. Adds none if there are GROUPS_MAX already. */
static void add_group(struct pool *pool)
{
    struct pool_group *group = NULL;
    size_t n = 0;

    LIST_FOREACH(group, &pool->groups, entry)
        n++;
    if (n == GROUPS_MAX)
        return;
    group = xcalloc(1, sizeof *group);
    group->multi = curl_multi_init();
    if (group->multi == NULL)
        fatal("libcurl: out of memory");
    group->pool = pool;
    group->timer = (struct loop_timer){.due = on_timer_due, .arg = group};
    curl_multi_setopt(group->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(group->multi, CURLMOPT_SOCKETDATA, group);
    curl_multi_setopt(group->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(group->multi, CURLMOPT_TIMERDATA, group);
    /* Limits the connections to an API without HTTP/2. While all are in use, further transfers
     * wait. */
    curl_multi_setopt(group->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)API_CONNECTIONS_MAX);
    LIST_INSERT_HEAD(&pool->groups, group, entry);
}

/* Frees a group that has no transfers. */
static void group_free(struct pool_group *group)
{
    LIST_REMOVE(group, entry);
    curl_multi_cleanup(group->multi);
    loop_timer_clear(group->pool->loop, &group->timer);
    free(group);
}

/* Whether the transfer timed out while it used a connection: libcurl then keeps the connection. */
static bool timed_out_on_connection(CURL *easy, CURLcode code)
{
    curl_off_t sent = 0;

    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    return code == CURLE_OPERATION_TIMEDOUT && sent > 0;
}

/* Removes the transfers that libcurl has completed, and calls pool_done for them. May free the
 * group. */
static void end_transfers(struct pool_group *group)
{
    struct pool *pool = group->pool;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(group->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        pool_remove(group, easy);
        if (group == LIST_FIRST(&pool->groups) && timed_out_on_connection(easy, code))
            add_group(pool);
        pool->done(pool->arg, easy, code);
    }
    if (group != LIST_FIRST(&pool->groups) && group->running == 0)
        group_free(group);
}

static void on_socket_ready(void *arg, uint32_t events)
{
    struct pool_socket *ready = arg;
    struct pool_group *group = ready->group;
    int running;
    int what = ((events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
               ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
               ((events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);

    curl_multi_socket_action(group->multi, ready->watch.fd, what, &running);
    end_transfers(group);
}

/* CURLMOPT_SOCKETFUNCTION(3): makes the loop watch a socket for the events that libcurl waits
 * for. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct pool_group *group = arg;
    struct pool_socket *entry = known;
    struct loop *loop = group->pool->loop;
    uint32_t events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (entry != NULL) {
            loop_remove(loop, &entry->watch);
            curl_multi_assign(group->multi, fd, NULL);
            free(entry);
        }
        return 0;
    }
    if (entry != NULL)
        return loop_change(loop, &entry->watch, events) ? 0 : -1;
    entry = xcalloc(1, sizeof *entry);
    entry->group = group;
    entry->watch = (struct loop_watch){fd, on_socket_ready, entry};
    if (!loop_add(loop, &entry->watch, events) ||
        curl_multi_assign(group->multi, fd, entry) != CURLM_OK) {
        free(entry);
        return -1;
    }
    return 0;
}

static void on_timer_due(void *arg)
{
    struct pool_group *group = arg;
    int running;

    curl_multi_socket_action(group->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    end_transfers(group);
}

/* CURLMOPT_TIMERFUNCTION(3): sets the group's timer for libcurl; -1 clears it. */
static int on_timer(CURLM *multi, long milliseconds, void *arg)
{
    struct pool_group *group = arg;

    (void)multi;
    if (milliseconds < 0)
        loop_timer_clear(group->pool->loop, &group->timer);
    else
        loop_timer_set(group->pool->loop, &group->timer, milliseconds);
    return 0;
}

struct pool *pool_new(struct loop *loop, pool_done *done, void *arg)
{
    struct pool *pool = xcalloc(1, sizeof *pool);

    pool->loop = loop;
    pool->done = done;
    pool->arg = arg;
    add_group(pool);
    return pool;
}

void pool_free(struct pool *pool)
{
    for (struct pool_group *at = LIST_FIRST(&pool->groups), *next; at != NULL; at = next) {
        next = LIST_NEXT(at, entry);
        group_free(at);
    }
    free(pool);
}

struct pool_group *pool_add(struct pool *pool, CURL *easy)
{
    struct pool_group *group = LIST_FIRST(&pool->groups);

    if (curl_multi_add_handle(group->multi, easy) != CURLM_OK)
        return NULL;
    group->running++;
    return group;
}

void pool_remove(struct pool_group *group, CURL *easy)
{
    curl_multi_remove_handle(group->multi, easy);
    group->running--;
}
