/* SPDX-License-Identifier: Apache-2.0 */
#include "base/devlog.h"

#include "common/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define IDENT     "cloudauthd"
#define RETRY_MIN 20   /* milliseconds between tries while lines wait */
#define RETRY_MAX 1000 /* a stopped daemon's host has better things to do */

static void on_retry(void *arg);

static struct {
    pthread_mutex_t lock; /* of all that follows; nothing is waited for while it is held */
    struct sockaddr_un daemon;
    bool to_stderr;
    int fd; /* -1: not there yet */
    struct loop *loop;
    pthread_t thread; /* the loop's */
    struct loop_timer timer;
    int64_t wait;               /* till the next try */
    uint64_t lost;              /* lines, not yet told of */
    uint64_t told;              /* of lost lines, before */
    size_t used;                /* bytes of kept */
    char kept[DEVLOG_KEPT_MAX]; /* each line with its NUL */
} state = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .timer = {.due = on_retry}, .wait = RETRY_MIN};

void devlog_open(const char *path, bool to_stderr)
{
    state.daemon.sun_family = AF_UNIX;
    snprintf(state.daemon.sun_path, sizeof state.daemon.sun_path, "%s", path);
    state.to_stderr = to_stderr;
    tzset();
}

/* True: the daemon has it, or never will. */
static bool send_line(const char *line)
{
    if (state.fd < 0)
        state.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (state.fd < 0)
        return false;
    /* With its address each time, and not connected: a daemon that starts anew has a new socket. */
    if (sendto(state.fd, line, strlen(line), MSG_NOSIGNAL, (const struct sockaddr *)&state.daemon,
               sizeof state.daemon) >= 0)
        return true;
    if (errno != EMSGSIZE)
        return false;
    state.lost++;
    return true;
}

/* "<30>Nov  2 03:04:05 cloudauthd[123]: ", local time, in no language but RFC 3164's. */
static void add_head(struct cloud_text *text, int priority)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm parts = {.tm_mday = 1};
    char head[80];

    localtime_r(&now, &parts);
    snprintf(head, sizeof head, "<%d>%s %2d %02d:%02d:%02d " IDENT "[%d]: ", priority,
             months[(unsigned)parts.tm_mon % 12], parts.tm_mday, parts.tm_hour, parts.tm_min,
             parts.tm_sec, (int)getpid());
    cloud_text_add(text, head);
}

static void add_escaped(struct cloud_text *text, const char *line)
{
    static const char hex[] = "0123456789abcdef";

    for (; *line != '\0' && !text->cut; line++) {
        unsigned char byte = (unsigned char)*line;
        const char escaped[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
        if (byte < ' ' || byte > '~')
            cloud_text_add_bytes(text, escaped, sizeof escaped);
        else
            cloud_text_add_char(text, *line);
    }
}

/* Puts a line behind those that wait. False: there is no room. */
static bool keep(int priority, const char *line)
{
    char room[DEVLOG_LINE_MAX];
    struct cloud_text text;

    cloud_text_start(&text, room, sizeof room);
    add_head(&text, priority);
    add_escaped(&text, line);
    if (text.used + 1 > sizeof state.kept - state.used)
        return false;
    memcpy(state.kept + state.used, room, text.used + 1);
    state.used += text.used + 1;
    return true;
}

/* Tells of what was lost, behind what came before it. */
static bool keep_loss(void)
{
    char line[64];

    snprintf(line, sizeof line, "%llu log lines were lost", (unsigned long long)state.lost);
    if (!keep(LOG_DAEMON | LOG_WARNING, line))
        return false;
    state.told += state.lost;
    state.lost = 0;
    return true;
}

/* Sends what waits, as far as the daemon takes it. Whether anything went. */
static bool send_kept(void)
{
    size_t sent = 0;

    while (sent < state.used && send_line(state.kept + sent))
        sent += strlen(state.kept + sent) + 1;
    if (sent > 0)
        memmove(state.kept, state.kept + sent, state.used - sent);
    state.used -= sent;
    return sent > 0;
}

/* Everything that can go does; the timer comes back for the rest. Whether anything went. */
static bool flush(void)
{
    bool moved = send_kept();

    /* Not in the last free bytes, or the queue would end in many such lines. */
    if (moved && state.lost > 0 && keep_loss())
        (void)send_kept();
    /* The worker's thread leaves the loop alone: what it has to say goes with the next line. */
    if (state.used > 0 && state.loop != NULL && !state.timer.set &&
        pthread_equal(pthread_self(), state.thread))
        (void)loop_timer_set(state.loop, &state.timer, state.wait);
    return moved;
}

/* Less and less often, while nothing moves. */
static void on_retry(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&state.lock);
    state.wait = state.wait * 2 < RETRY_MAX ? state.wait * 2 : RETRY_MAX;
    if (flush() || state.used == 0)
        state.wait = RETRY_MIN;
    pthread_mutex_unlock(&state.lock);
}

void devlog_start(struct loop *loop)
{
    pthread_mutex_lock(&state.lock);
    state.loop = loop;
    state.thread = pthread_self();
    (void)flush();
    pthread_mutex_unlock(&state.lock);
}

void devlog_stop(void)
{
    pthread_mutex_lock(&state.lock);
    if (state.loop != NULL)
        loop_timer_clear(state.loop, &state.timer);
    state.loop = NULL;
    (void)flush();
    pthread_mutex_unlock(&state.lock);
}

static void copy_to_stderr(const char *line)
{
    char room[DEVLOG_LINE_MAX];
    struct cloud_text text;

    cloud_text_start(&text, room, sizeof room);
    add_escaped(&text, line);
    fprintf(stderr, IDENT "[%d]: %s\n", (int)getpid(), room);
}

void devlog_write(int priority, const char *line)
{
    int saved = errno;

    pthread_mutex_lock(&state.lock);
    if (state.used > 0)
        (void)flush();
    /* One that is small enough does not overtake those that were lost before it. */
    if (state.lost == 0 && keep(priority, line))
        (void)flush();
    else
        state.lost++;
    pthread_mutex_unlock(&state.lock);
    if (state.to_stderr)
        copy_to_stderr(line);
    errno = saved;
}

uint64_t devlog_lost(void)
{
    uint64_t lost;

    pthread_mutex_lock(&state.lock);
    lost = state.told + state.lost;
    pthread_mutex_unlock(&state.lock);
    return lost;
}
