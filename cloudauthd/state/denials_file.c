/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/denials_file.h"

#include "base/digest.h"
#include "base/log.h"
#include "base/worker.h"
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME  "denials"
#define FILE_ASIDE "denials.new"
#define FIRST_LINE "cloudauth denials 1\n"
#define HASH_LINE  "sha256 "
#define COVERED_AT (sizeof FIRST_LINE - 1 + sizeof HASH_LINE - 1 + DIGEST_HEX_SIZE)
#define FILE_MAX   (COVERED_AT + (size_t)DENIALS_MAX * DENIAL_LINE_SIZE)

struct denials_file {
    struct denials denials; /* what is in force */
    int folder;
    struct worker *worker;
    struct denial_list *next; /* the list when it is on the disk; NULL: nothing is under way */
};

/* ---- The file ---- */

static struct denial_list *new_list(size_t room)
{
    struct denial_list *list = malloc(sizeof *list + room * sizeof list->denial[0]);

    if (list != NULL)
        list->n = 0;
    return list;
}

static void put_first_lines(const unsigned char hash[DIGEST_SIZE], char out[COVERED_AT + 1])
{
    size_t at = (size_t)snprintf(out, COVERED_AT + 1, "%s", FIRST_LINE HASH_LINE);

    digest_hex(hash, DIGEST_SIZE, out + at);
    snprintf(out + at + DIGEST_HEX_SIZE - 1, 2, "\n");
}

/* The list of a whole file, or NULL. */
static struct denial_list *parse_file(const char *file, size_t size)
{
    unsigned char hash[DIGEST_SIZE];
    char first[COVERED_AT + 1];
    struct denial_list *list;
    const char *why;

    if (size < COVERED_AT || !digest_sha256(file + COVERED_AT, size - COVERED_AT, hash))
        return NULL;
    put_first_lines(hash, first);
    if (memcmp(file, first, COVERED_AT) != 0 || (list = new_list(DENIALS_MAX)) == NULL)
        return NULL;
    for (const char *at = file + COVERED_AT, *end = file + size; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL || list->n == DENIALS_MAX ||
            !denials_parse(at, (size_t)(newline - at), &list->denial[list->n], &why)) {
            free(list);
            return NULL;
        }
        list->n++;
        at = newline + 1;
    }
    return list;
}

/* The file's bytes, malloc'ed; NULL with errno. */
static char *read_file(int folder, size_t *size)
{
    int fd = openat(folder, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *file = fd < 0 ? NULL : malloc(FILE_MAX + 1);
    ssize_t got = 1;

    if (fd < 0)
        return NULL;
    *size = 0;
    while (file != NULL && *size <= FILE_MAX && got > 0) {
        got = read(fd, file + *size, FILE_MAX + 1 - *size);
        if (got > 0)
            *size += (size_t)got;
    }
    if (file != NULL && got < 0) {
        free(file);
        file = NULL;
        errno = EIO;
    }
    close(fd);
    return file;
}

static bool load(struct denials_file *file)
{
    struct denial_list **list = &file->denials.list;
    size_t size = 0;
    char *bytes = read_file(file->folder, &size);

    if (bytes == NULL && errno == ENOENT)
        return (*list = new_list(0)) != NULL;
    *list = bytes == NULL ? NULL : parse_file(bytes, size);
    free(bytes);
    if (*list != NULL)
        return true;
    file->denials.damaged = true;
    log_error("the list of denials is damaged or cannot be read: everybody is refused until "
              "`cloudauthctl undeny --all`");
    return (*list = new_list(0)) != NULL;
}

struct denials_file *denials_file_new(struct loop *loop, const char *folder)
{
    struct denials_file *file = calloc(1, sizeof *file);

    if (file == NULL)
        return NULL;
    file->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->folder < 0)
        log_error("denials: %s: %s", folder, strerror(errno));
    else if (load(file) && (file->worker = worker_new(loop)) != NULL)
        return file;
    denials_file_free(file);
    return NULL;
}

void denials_file_free(struct denials_file *file)
{
    if (file == NULL)
        return;
    worker_free(file->worker);
    if (file->folder >= 0)
        close(file->folder);
    free(file->denials.list);
    free(file);
}

const struct denials *denials_file_list(const struct denials_file *file)
{
    return &file->denials;
}

/* ---- Changes ---- */

bool denials_file_busy(const struct denials_file *file)
{
    return file->next != NULL;
}

struct job {
    struct work work;
    struct denials_file *owner;
    char *bytes;
    size_t size;
    denials_done *done;
    void *arg;
};

static char *make_file(const struct denial_list *list, size_t *size)
{
    char *file = malloc(COVERED_AT + list->n * DENIAL_LINE_SIZE + 1);
    unsigned char hash[DIGEST_SIZE];
    size_t at = COVERED_AT;
    char first[COVERED_AT + 1];

    if (file == NULL)
        return NULL;
    for (size_t i = 0; i < list->n; i++) {
        denials_format(&list->denial[i], file + at);
        at += strlen(file + at);
        file[at++] = '\n';
    }
    if (!digest_sha256(file + COVERED_AT, at - COVERED_AT, hash)) {
        free(file);
        return NULL;
    }
    put_first_lines(hash, first);
    memcpy(file, first, COVERED_AT);
    *size = at;
    return file;
}

static bool write_aside(const struct job *job)
{
    int fd = openat(job->owner->folder, FILE_ASIDE,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && io_write_all(fd, job->bytes, job->size) && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    return ok;
}

/* In the worker. Nothing cancels it, so that all of it can be done here. */
static void run_job(struct work *work)
{
    const struct job *job = (const struct job *)work;
    int folder = job->owner->folder;

    if (!write_aside(job) || renameat(folder, FILE_ASIDE, folder, FILE_NAME) != 0 ||
        fsync(folder) != 0)
        work->failed = errno == 0 ? EIO : errno;
}

/* Back in the loop. */
static void finish_job(struct work *work)
{
    struct job *job = (struct job *)work;
    struct denials_file *file = job->owner;
    char problem[160];

    if (work->failed == 0) {
        free(file->denials.list);
        file->denials.list = file->next;
        file->denials.damaged = false;
    } else {
        log_error("the list of denials cannot be written: %s", strerror(work->failed));
        free(file->next);
    }
    file->next = NULL;
    snprintf(problem, sizeof problem, "the list of denials cannot be written: %s",
             strerror(work->failed));
    job->done(job->arg, work->failed == 0 ? NULL : problem);
    free(job->bytes);
    free(job);
}

static bool start_write(struct denials_file *file, struct denial_list *next, denials_done *done,
                        void *arg)
{
    struct job *job = calloc(1, sizeof *job);

    if (job != NULL)
        job->bytes = make_file(next, &job->size);
    if (job == NULL || job->bytes == NULL) {
        free(job);
        return false;
    }
    job->work = (struct work){.run = run_job, .finish = finish_job};
    job->owner = file;
    job->done = done;
    job->arg = arg;
    file->next = next;
    worker_add(file->worker, &job->work);
    return true;
}

static bool same_subject(const struct denial *one, const struct denial *other)
{
    return one->kind == other->kind && strcmp(one->subject, other->subject) == 0;
}

/* A copy without what has run out, and without the one of that subject; *found: there was one. */
static struct denial_list *copy_without(const struct denials_file *file,
                                        const struct denial *without, bool *found)
{
    const struct denial_list *list = file->denials.list;
    struct denial_list *copy = new_list(list->n + 1);
    int64_t now = (int64_t)time(NULL);

    *found = false;
    for (size_t i = 0; copy != NULL && i < list->n; i++) {
        const struct denial *denial = &list->denial[i];
        if (same_subject(denial, without))
            *found = true;
        else if (denials_in_force(denial, now))
            copy->denial[copy->n++] = *denial;
    }
    return copy;
}

bool denials_file_add(struct denials_file *file, const struct denial *denial, denials_done *done,
                      void *arg, const char **why)
{
    struct denial_list *next, *now;
    bool found;

    *why = "another change of the list is being written";
    if (file->next != NULL)
        return false;
    *why = "the list of denials is damaged: everybody is refused; undeny --all comes first";
    if (file->denials.damaged)
        return false;
    next = copy_without(file, denial, &found);
    now = copy_without(file, denial, &found);
    *why = next == NULL || now == NULL ? "out of memory" : "there are too many denials";
    if (next != NULL && now != NULL && next->n < DENIALS_MAX) {
        next->denial[next->n++] = *denial;
        now->denial[now->n++] = *denial;
        *why = "out of memory";
        if (start_write(file, next, done, arg)) {
            free(file->denials.list);
            file->denials.list = now;
            return true;
        }
    }
    free(next);
    free(now);
    return false;
}

bool denials_file_remove(struct denials_file *file, const struct denial *denial, denials_done *done,
                         void *arg, const char **why)
{
    struct denial_list *next;
    bool found = true;

    *why = "another change of the list is being written";
    if (file->next != NULL)
        return false;
    *why = "the list of denials is damaged: everybody is refused; only undeny --all helps";
    if (file->denials.damaged && denial != NULL)
        return false;
    next = denial == NULL ? new_list(0) : copy_without(file, denial, &found);
    *why = next == NULL ? "out of memory" : "there is no such denial";
    if (next != NULL && found) {
        *why = "out of memory";
        if (start_write(file, next, done, arg))
            return true;
    }
    free(next);
    return false;
}
