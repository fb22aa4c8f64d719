/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "common/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define IDENT     "cloudauthd"
#define RETRY_MIN 20   /* milliseconds: the first wait before kept lines are sent again */
#define RETRY_MAX 1000 /* milliseconds: the longest wait before kept lines are sent again */

static void on_retry(void *arg);

static struct {
    pthread_mutex_t lock; /* guards all members but `daemon` and `to_stderr` */
    struct sockaddr_un daemon;
    bool to_stderr;
    int fd; /* -1: the socket is not created yet */
    struct loop *loop;
    pthread_t thread; /* the thread that runs `loop` */
    struct loop_timer timer;
    int64_t wait;            /* milliseconds: the next timeout of the timer */
    uint64_t lost;           /* lost lines that are not reported yet */
    uint64_t reported;       /* lost lines that a log line has reported */
    size_t used;             /* bytes of `kept` in use */
    char kept[LOG_KEPT_MAX]; /* the lines that wait to be sent, each with its NUL */
} state = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .timer = {.due = on_retry}, .wait = RETRY_MIN};

void log_open(const char *path, bool to_stderr)
{
    state.daemon.sun_family = AF_UNIX;
    snprintf(state.daemon.sun_path, sizeof state.daemon.sun_path, "%s", path);
    state.to_stderr = to_stderr;
    tzset();
}

/* Sends a line. False if it must be sent again later. A line that is too large for the socket is
 * dropped and counted as lost. */
static bool send_line(const char *line)
{
    if (state.fd < 0)
        state.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (state.fd < 0)
        return false;
    /* The socket is not connected, because a restarted log daemon has a new socket at the same
     * path. */
    if (sendto(state.fd, line, strlen(line), MSG_NOSIGNAL, (const struct sockaddr *)&state.daemon,
               sizeof state.daemon) >= 0)
        return true;
    if (errno != EMSGSIZE)
        return false;
    state.lost++;
    return true;
}

/* Appends a header such as "<30>Nov 2 03:04:05 cloudauthd[123]: ", in local time. The month's name
 * is English, as RFC 3164 requires, because the daemon sets no locale. */
static void add_header(struct cloud_text *text, int priority)
{
    time_t now = time(NULL);
    struct tm parts = {.tm_mday = 1};
    char stamp[32] = "", header[80];

    localtime_r(&now, &parts);
    (void)strftime(stamp, sizeof stamp, "%b %e %T", &parts);
    snprintf(header, sizeof header, "<%d>%s " IDENT "[%d]: ", priority, stamp, (int)getpid());
    cloud_text_add(text, header);
}

static void add_escaped(struct cloud_text *text, const char *line)
{
    for (; *line != '\0' && !text->cut; line++)
        cloud_text_add_escaped(text, *line);
}

/* Appends a line to the lines that wait. False if there is no space. */
static bool keep(int priority, const char *line)
{
    char buffer[LOG_LINE_MAX];
    struct cloud_text text;

    cloud_text_start(&text, buffer, sizeof buffer);
    add_header(&text, priority);
    add_escaped(&text, line);
    if (text.used + 1 > sizeof state.kept - state.used)
        return false;
    memcpy(state.kept + state.used, buffer, text.used + 1);
    state.used += text.used + 1;
    return true;
}

/* Appends to the lines that wait one that reports how many lines were lost in its place. False if
 * there is no space. */
static bool keep_report(void)
{
    char line[64];

    snprintf(line, sizeof line, "%llu log lines were lost", (unsigned long long)state.lost);
    if (!keep(LOG_DAEMON | LOG_WARNING, line))
        return false;
    state.reported += state.lost;
    state.lost = 0;
    return true;
}

/* Sends the lines that wait, until the socket takes no more. Returns whether any line was sent. */
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

/* Sends the lines that wait; if the socket does not take all of them, sets the timer. Returns
 * whether any line was sent. */
static bool flush(void)
{
    bool moved = send_kept();

    /* Lost lines are reported only after a line has been sent: otherwise the reports would
     * fill the buffer while the log daemon accepts none. */
    if (moved && state.lost > 0 && keep_report())
        (void)send_kept();
    /* Only the loop's thread may set the timer. What another thread could not send waits until the
     * next line is logged. */
    if (state.used > 0 && state.loop != NULL && !state.timer.set &&
        pthread_equal(pthread_self(), state.thread))
        loop_timer_set(state.loop, &state.timer, state.wait);
    return moved;
}

/* The timer's callback: sends the lines that wait. While no line can be sent, each wait is twice as
 * long as the one before, up to RETRY_MAX. */
static void on_retry(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&state.lock);
    state.wait = state.wait * 2 < RETRY_MAX ? state.wait * 2 : RETRY_MAX;
    if (flush() || state.used == 0)
        state.wait = RETRY_MIN;
    pthread_mutex_unlock(&state.lock);
}

void log_start(struct loop *loop)
{
    pthread_mutex_lock(&state.lock);
    state.loop = loop;
    state.thread = pthread_self();
    (void)flush();
    pthread_mutex_unlock(&state.lock);
}

void log_stop(void)
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
    char buffer[LOG_LINE_MAX];
    struct cloud_text text;

    cloud_text_start(&text, buffer, sizeof buffer);
    add_escaped(&text, line);
    fprintf(stderr, IDENT "[%d]: %s\n", (int)getpid(), buffer);
}

void log_write(int priority, const char *line)
{
    int saved = errno;

    pthread_mutex_lock(&state.lock);
    if (state.used > 0)
        (void)flush();
    /* Until lost lines are reported, this line is lost as well, because the report must come before
     * it. */
    if (state.lost == 0 && keep(priority, line))
        (void)flush();
    else
        state.lost++;
    pthread_mutex_unlock(&state.lock);
    if (state.to_stderr)
        copy_to_stderr(line);
    errno = saved;
}

uint64_t log_lost(void)
{
    uint64_t lost;

    pthread_mutex_lock(&state.lock);
    lost = state.reported + state.lost;
    pthread_mutex_unlock(&state.lock);
    return lost;
}

void log_at(int level, const char *format, ...)
{
    char line[1024];
    int saved = errno, length;
    va_list arguments;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length >= 0)
        log_write(LOG_DAEMON | level, line);
    errno = saved;
}
