/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/api/file_watch.h"

#include "base/log.h"
#include "common/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF |       \
     IN_MOVE_SELF | IN_ONLYDIR)

static struct loop *loop;
static struct loop_watch watch = {.fd = -1};
static struct loop_timer timer; /* calls `changed` of file_watch_start */
static int64_t next;            /* cloud_clock_ms() before which `changed` is not called */
static struct {
    int wd;
    bool added; /* the directory was added since the last file_watch_commit */
} directory[FILE_WATCH_MAX];
static size_t used;

static void tell(void)
{
    int64_t now = cloud_clock_ms();

    if (timer.set)
        return;
    loop_timer_set(loop, &timer, next > now ? next - now : 0);
    next = timer.at + FILE_WATCH_PAUSE_MS;
}

/* The `ready` function of `watch`. Reads the events without looking at them: each of them, and an
 * overflow of their queue, means that any file may have changed. */
static void on_events(void *arg, uint32_t events)
{
    char buffer[4096];

    (void)arg;
    (void)events;
    while (read(watch.fd, buffer, sizeof buffer) > 0)
        ;
    tell();
}

void file_watch_start(struct loop *on, void (*changed)(void *arg), void *arg)
{
    loop = on;
    timer = (struct loop_timer){.due = changed, .arg = arg};
    watch = (struct loop_watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .ready = on_events};
    if (watch.fd < 0 || !loop_add(loop, &watch, EPOLLIN))
        log_warning("no inotify, files are read every session_recheck: %s", strerror(errno));
}

void file_watch_add(const char *path)
{
    char above[PATH_MAX];
    int n = (int)(strrchr(path, '/') + 1 - path), wd;
    size_t i = 0;

    if (snprintf(above, sizeof above, "%.*s", n, path) >= (int)sizeof above)
        return;
    wd = inotify_add_watch(watch.fd, above, EVENTS);
    while (i < used && directory[i].wd != wd)
        i++;
    if (wd < 0 || i == FILE_WATCH_MAX)
        return;
    if (i == used) {
        directory[used++].wd = wd;
        tell();
    }
    directory[i].added = true;
}

void file_watch_commit(void)
{
    for (size_t i = used; i-- > 0;) {
        if (!directory[i].added) {
            (void)inotify_rm_watch(watch.fd, directory[i].wd);
            directory[i] = directory[--used];
        }
        directory[i].added = false;
    }
}
