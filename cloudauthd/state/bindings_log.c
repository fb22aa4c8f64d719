/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/bindings_log.h"

#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/state/statefile.h"
#include "common/io.h"
#include "common/name.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define FILE_NAME "owners"
#define FILE_MAX  (256u << 20) /* bytes, enough for millions of lines */

/* A line that waits to be written, or that could not be written. */
struct line {
    struct work work;
    struct bindings_log *log;
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    uint32_t uid, gid;
    bindings_log_done *done; /* called for a release; NULL for a binding */
    void *arg;
    bool is_logged; /* a failure to write the line has been logged */
    STAILQ_ENTRY(line) next;
};

STAILQ_HEAD(lines, line);

struct bindings_log {
    int directory;
    struct worker *worker;
    struct lines refused; /* bindings that could not be written, oldest first */
    unsigned under_way;   /* lines that the worker has not finished */
};

/* ---- A line ---- */

static size_t put_line(const struct line *line, char out[STATEFILE_LINE_SIZE])
{
    return statefile_end_line(out, snprintf(out, STATEFILE_LINE_SIZE, "%u %u %s %s", line->uid,
                                            line->gid, line->project, line->environment));
}

/* Copies the word at *at up to the next space, and moves *at behind that space. False if the word
 * is empty or does not fit, or if there is no space. */
static bool take_word(const char **at, const char *end, char *out, size_t size)
{
    const char *space = memchr(*at, ' ', (size_t)(end - *at));
    size_t n = space == NULL ? 0 : (size_t)(space - *at);

    if (n == 0 || n >= size)
        return false;
    memcpy(out, *at, n);
    out[n] = '\0';
    *at = space + 1;
    return true;
}

static bool take_id(const char **at, const char *end, uint32_t *out)
{
    char word[16];
    uint64_t id = 0;

    if (!take_word(at, end, word, sizeof word) ||
        !cloud_text_read_number(word, strlen(word), UINT32_MAX, &id))
        return false;
    *out = (uint32_t)id;
    return true;
}

/* Parses a line of n bytes without its newline. sscanf(3) would be too slow: a host can have
 * 100,000 lines, and answers no question before they are read. */
static bool parse_line(const char *text, size_t n, struct line *out)
{
    const char *at = text, *end = text + n;

    memset(out, 0, sizeof *out);
    return statefile_is_line(text, n) && take_id(&at, end, &out->uid) &&
           take_id(&at, end, &out->gid) && take_word(&at, end, out->project, sizeof out->project) &&
           take_word(&at, end, out->environment, sizeof out->environment) &&
           memchr(at, ' ', (size_t)(end - at)) == NULL;
}

bool bindings_log_is_release(const struct binding *line)
{
    return line->uid == 0 && line->gid == 0;
}

/* ---- Start ---- */

/* Copies the file. `first` is the number of its first damaged line, n how many there are. */
static void keep_damaged(const struct bindings_log *log, const char *file, size_t size,
                         size_t first, size_t n)
{
    int failed = statefile_write(log->directory, FILE_NAME STATEFILE_DAMAGED, file, size);

    log_error("%s: line %zu is damaged, damaged lines in all: %zu: they are skipped, and a copy of "
              "the file is in %s (docs/outages.md, \"Bindings that were lost\")",
              FILE_NAME, first, n, FILE_NAME STATEFILE_DAMAGED);
    if (failed != 0)
        log_error("%s: %s", FILE_NAME STATEFILE_DAMAGED, strerror(failed));
}

void bindings_log_load(struct bindings_log *log,
                       void (*each)(void *arg, const struct binding *binding), void *arg,
                       bool *damaged)
{
    size_t size = 0, number = 0, first = 0, bad = 0;
    char *file = statefile_read(log->directory, FILE_NAME, FILE_MAX, &size);

    *damaged = false;
    if (file == NULL && errno == ENOENT)
        return;
    if (file == NULL)
        fatal("%s cannot be read: %s", FILE_NAME,
              errno == EPERM ? "not a regular file of the daemon's user or root's, or others can "
                               "write to it"
                             : strerror(errno));
    for (size_t at = 0; at < size;) {
        struct line line;
        const char *newline = memchr(file + at, '\n', size - at);
        size_t n = newline == NULL ? size - at : (size_t)(newline - file) - at;
        number++;
        if (newline != NULL && parse_line(file + at, n, &line)) {
            const struct binding binding = {line.project, line.environment, line.uid, line.gid};
            each(arg, &binding);
        } else if (bad++ == 0) {
            first = number;
        }
        at += n + 1;
    }
    *damaged = bad > 0;
    if (*damaged)
        keep_damaged(log, file, size, first, bad);
    free(file);
}

struct bindings_log *bindings_log_new(struct worker *worker, const char *directory)
{
    struct bindings_log *log = xcalloc(1, sizeof *log);

    STAILQ_INIT(&log->refused);
    log->worker = worker;
    log->directory = statefile_directory(directory, NULL);
    return log;
}

/* Drops the refused bindings of the environment that `of` names, or of all environments if `of` is
 * NULL. */
static void drop_refused(struct bindings_log *log, const struct line *of)
{
    struct line *line, *next;

    for (line = STAILQ_FIRST(&log->refused); line != NULL; line = next) {
        next = STAILQ_NEXT(line, next);
        if (of != NULL && (strcmp(line->project, of->project) != 0 ||
                           strcmp(line->environment, of->environment) != 0))
            continue;
        STAILQ_REMOVE(&log->refused, line, line, next);
        free(line);
    }
}

void bindings_log_free(struct bindings_log *log)
{
    drop_refused(log, NULL);
    close(log->directory);
    free(log);
}

/* ---- Appending ---- */

/* Appends the line. If a crash has cut short the last line of the file, writes a newline first, so
 * that only that line is damaged. Takes back what a full disk has taken of the line: a damaged line
 * would have each start doubt all releases (admission_lacks_ids). Syncs the directory for the first
 * line, which may have created the file. */
static bool append(int fd, const struct line *line)
{
    char text[1 + STATEFILE_LINE_SIZE] = "\n", last = '\n';
    size_t n = put_line(line, text + 1);
    off_t end = lseek(fd, 0, SEEK_END);
    int failed;

    if (n == 0 || end < 0 || (end > 0 && pread(fd, &last, 1, end - 1) != 1) ||
        (end == 0 && fsync(line->log->directory) != 0))
        return false;
    if (last == '\n' ? io_write_all(fd, text + 1, n) : io_write_all(fd, text, n + 1))
        return true;
    failed = errno;
    (void)!ftruncate(fd, end); /* if that fails, the next line begins with a newline */
    errno = failed;
    return false;
}

/* Appends the line. Runs in the worker. O_DSYNC makes write(2) itself sync. If the daemon were
 * killed between a write and a separate fsync(2), the next daemon would rely on a line that a power
 * failure could still undo. */
static void run(struct work *work)
{
    const struct line *line = (struct line *)work;
    int fd = openat(line->log->directory, FILE_NAME,
                    O_RDWR | O_CREAT | O_APPEND | O_DSYNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    errno = fd < 0 ? errno : 0;
    work->failed = fd >= 0 && append(fd, line) ? 0 : (errno == 0 ? EIO : errno);
    if (fd >= 0)
        close(fd);
}

/* Finishes the work in the main thread. Drops the refused bindings of the environment if this line
 * is on the disk, or if it is a binding that could not be written either, which then replaces them.
 */
static void finish(struct work *work)
{
    struct line *line = (struct line *)work;
    struct bindings_log *log = line->log;
    bool ok = work->failed == 0, is_release = line->uid == 0 && line->gid == 0;

    log->under_way--;
    if (!ok && !line->is_logged)
        log_error("the uid of %s/%s cannot be written to %s: %s", line->project, line->environment,
                  FILE_NAME, strerror(work->failed));
    if (ok || !is_release)
        drop_refused(log, line);
    if (is_release)
        line->done(line->arg, ok);
    if (ok || is_release) {
        free(line);
        return;
    }
    work->failed = 0;
    line->is_logged = true;
    STAILQ_INSERT_TAIL(&log->refused, line, next);
}

static void add_work(struct line *line)
{
    line->log->under_way++;
    worker_add(line->log->worker, &line->work);
}

static void add(struct bindings_log *log, const struct binding *binding, bindings_log_done *done,
                void *arg)
{
    struct line *line = xcalloc(1, sizeof *line);

    line->work = (struct work){.run = run, .finish = finish};
    line->log = log;
    snprintf(line->project, sizeof line->project, "%s", binding->project);
    snprintf(line->environment, sizeof line->environment, "%s", binding->environment);
    line->uid = binding->uid;
    line->gid = binding->gid;
    line->done = done;
    line->arg = arg;
    add_work(line);
}

void bindings_log_add(struct bindings_log *log, const struct binding *binding)
{
    add(log, binding, NULL, NULL);
}

void bindings_log_release(struct bindings_log *log, const char *project, const char *environment,
                          bindings_log_done *done, void *arg)
{
    const struct binding binding = {project, environment, 0, 0};

    add(log, &binding, done, arg);
}

/* Does nothing while lines are being written. One of them may be a release, and a refused binding
 * that is appended after it would undo the release. */
void bindings_log_retry(struct bindings_log *log)
{
    struct line *line;

    if (log->under_way > 0)
        return;
    while ((line = STAILQ_FIRST(&log->refused)) != NULL) {
        STAILQ_REMOVE_HEAD(&log->refused, next);
        add_work(line);
    }
}
