/* SPDX-License-Identifier: Apache-2.0 */
#include "base/notify.h"

#include "common/text.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_MS 1000 /* milliseconds until READY=1 is tried again while the socket is full */

/* Sets the address of the manager's socket. The address of an abstract socket (unix(7)) has a NUL
 * in place of the '@', and no NUL at its end. False if the name is neither abstract nor a path, or
 * is too long. */
static bool take_address(struct notify *notify, const char *name)
{
    size_t n = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof notify->to.sun_path)
        return false;
    notify->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->to.sun_path, name, n);
    if (name[0] == '@')
        notify->to.sun_path[0] = '\0';
    notify->to_size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '@' ? 0 : 1));
    return true;
}

/* Parses the watchdog variables. If the watchdog is meant for this process, sets ping_ms to half
 * the time that the manager allows, so that one ping may come late. False if a value is not
 * valid. */
static bool take_watchdog(struct notify *notify)
{
    const char *usec_text = getenv("WATCHDOG_USEC"), *pid_text = getenv("WATCHDOG_PID");
    uint64_t usec = 0, pid = 0;

    if (usec_text == NULL)
        return true;
    if (!cloud_text_read_number(usec_text, strlen(usec_text), INT64_MAX, &usec) || usec == 0)
        return false;
    if (pid_text != NULL && !cloud_text_read_number(pid_text, strlen(pid_text), INT32_MAX, &pid))
        return false;
    if (pid != 0 && pid != (uint64_t)getpid())
        return true;
    notify->ping_ms = usec / 2000 == 0 ? 1 : (int64_t)(usec / 2000);
    return true;
}

bool notify_open(struct notify *notify, char *why, size_t size)
{
    const char *name = getenv("NOTIFY_SOCKET");

    *notify = (struct notify){.fd = -1};
    if (name == NULL)
        return true;
    if (!take_address(notify, name)) {
        snprintf(why, size, "NOTIFY_SOCKET: not a path or an abstract name that fits");
        return false;
    }
    if (!take_watchdog(notify)) {
        snprintf(why, size, "WATCHDOG_USEC or WATCHDOG_PID: not a number");
        return false;
    }
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0)
        snprintf(why, size, "NOTIFY_SOCKET: %s", strerror(errno));
    return notify->fd >= 0;
}

static bool tell(const struct notify *notify, const char *message)
{
    size_t n = strlen(message);

    return sendto(notify->fd, message, n, MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)&notify->to, notify->to_size) == (ssize_t)n;
}

void notify_extend(const struct notify *notify)
{
    if (notify->fd >= 0)
        (void)tell(notify, "EXTEND_TIMEOUT_USEC=90000000");
}

static void on_timer(void *arg)
{
    struct notify *notify = arg;
    int64_t next = notify->ping_ms;

    if (!notify->ready)
        notify->ready = tell(notify, "READY=1");
    else if (notify->ping_ms > 0)
        (void)tell(notify, "WATCHDOG=1");
    if (!notify->ready && (next == 0 || next > AGAIN_MS))
        next = AGAIN_MS;
    if (next > 0)
        loop_timer_set(notify->loop, &notify->timer, next);
}

void notify_ready(struct notify *notify, struct loop *loop)
{
    if (notify->fd < 0)
        return;
    notify->loop = loop;
    notify->timer = (struct loop_timer){.due = on_timer, .arg = notify};
    on_timer(notify);
}

void notify_stop(struct notify *notify)
{
    if (notify->fd < 0)
        return;
    if (notify->loop != NULL)
        loop_timer_clear(notify->loop, &notify->timer);
    (void)tell(notify, "STOPPING=1");
    close(notify->fd);
    notify->fd = -1;
}
