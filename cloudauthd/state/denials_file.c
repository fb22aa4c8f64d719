/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/denials_file.h"

#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/state/statefile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "denials"
#define FILE_MAX  (STATEFILE_HEAD_MAX + (size_t)DENIALS_MAX * DENIAL_LINE_SIZE)

static const struct statefile_format format = {"cloudauth denials 1\nsha256 ", false};

struct denials_file {
    struct denials denials; /* the denials in force */
    int directory;
    struct worker *worker;
    bool is_busy;             /* a change is being written */
    struct denial_list *next; /* the list after a removal, not in force until written; or NULL */
};

/* ---- The file ---- */

static struct denial_list *new_list(size_t capacity)
{
    return xcalloc(1, sizeof(struct denial_list) + capacity * sizeof(struct denial));
}

/* Parses a file into a list, which the caller frees. NULL if the file is damaged. */
static struct denial_list *parse_file(const char *file, size_t size)
{
    size_t n;
    const char *at = statefile_open(&format, file, size, &n), *newline, *why;
    struct denial_list *list = at == NULL ? NULL : new_list(DENIALS_MAX);

    for (const char *end = file + size; list != NULL && at < end; at = newline + 1) {
        newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL || list->n == DENIALS_MAX ||
            !denials_parse(at, (size_t)(newline - at), &list->denial[list->n], &why)) {
            free(list);
            return NULL;
        }
        list->n++;
    }
    return list;
}

static void load(struct denials_file *file)
{
    struct denial_list **list = &file->denials.list;
    size_t size = 0;
    char *bytes = statefile_read(file->directory, FILE_NAME, FILE_MAX, &size);
    bool is_new = bytes == NULL && errno == ENOENT;

    if (bytes == NULL && statefile_may_be_good(errno))
        fatal("the file denials cannot be read: %s", strerror(errno));
    *list = bytes == NULL ? NULL : parse_file(bytes, size);
    free(bytes);
    if (*list != NULL)
        return;
    *list = new_list(0);
    file->denials.damaged = !is_new;
    if (!is_new)
        log_error("the list of denials is damaged: every cloud account is refused until "
                  "`cloudauthctl undeny --all`");
}

struct denials_file *denials_file_new(struct worker *worker, const char *directory)
{
    struct denials_file *file = xcalloc(1, sizeof *file);

    file->worker = worker;
    file->directory = statefile_directory(directory, NULL);
    load(file);
    return file;
}

void denials_file_free(struct denials_file *file)
{
    close(file->directory);
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
    return file->is_busy;
}

struct job {
    struct work work;
    struct denials_file *owner;
    char *bytes;
    size_t size;
    char *back; /* of a removal: the file of the list in force */
    size_t back_size;
    int back_failed; /* an errno: `back` could not be written either */
    denials_done *done;
    void *arg;
};

static char *make_file(const struct denial_list *list, size_t *size)
{
    char *file = xcalloc(1, STATEFILE_HEAD_MAX + list->n * DENIAL_LINE_SIZE + 1);
    size_t at = STATEFILE_HEAD_MAX;

    for (size_t i = 0; i < list->n; i++) {
        denials_format(&list->denial[i], file + at);
        at += strlen(file + at);
        file[at++] = '\n';
    }
    *size = statefile_seal(&format, file, at - STATEFILE_HEAD_MAX);
    return file;
}

/* Writes the file. Runs in the worker. If the write of a removal fails, the denial stays in force.
 * If the new file has replaced the former one by then, this function writes the former list again:
 * otherwise the denial would end at the next start. */
static void run_job(struct work *work)
{
    struct job *job = (struct job *)work;
    int directory = job->owner->directory;
    bool replaced;

    work->failed = statefile_replace(directory, FILE_NAME, job->bytes, job->size, &replaced);
    if (work->failed != 0 && replaced && job->back != NULL)
        job->back_failed = statefile_write(directory, FILE_NAME, job->back, job->back_size);
}

/* Finishes a write in the main thread: if the write has succeeded, a removal takes effect now
 * (an addition did so at once); otherwise logs the failure. Calls `done`. */
static void finish_job(struct work *work)
{
    struct job *job = (struct job *)work;
    struct denials_file *file = job->owner;
    char problem[160];

    snprintf(problem, sizeof problem, "the list of denials cannot be written: %s",
             strerror(work->failed));
    if (work->failed != 0)
        log_error("%s", problem);
    else
        file->denials.damaged = false;
    if (job->back_failed != 0)
        log_error("the former list of denials cannot be written either: %s; what was to be removed "
                  "may end at the next start",
                  strerror(job->back_failed));
    if (work->failed == 0 && file->next != NULL) {
        free(file->denials.list);
        file->denials.list = file->next;
    } else {
        free(file->next);
    }
    file->next = NULL;
    file->is_busy = false;
    job->done(job->arg, work->failed == 0 ? NULL : problem);
    free(job->bytes);
    free(job->back);
    free(job);
}

static void start_write(struct denials_file *file, const struct denial_list *list,
                        const struct denials_change *change)
{
    struct job *job = xcalloc(1, sizeof *job);

    job->bytes = make_file(list, &job->size);
    if (file->next != NULL && !file->denials.damaged)
        job->back = make_file(file->denials.list, &job->back_size);
    else if (file->next != NULL)
        job->back = xcalloc(1, 1); /* an empty file, which is a damaged list */
    job->work = (struct work){.run = run_job, .finish = finish_job};
    job->owner = file;
    job->done = change->done;
    job->arg = change->arg;
    file->is_busy = true;
    worker_add(file->worker, &job->work);
}

static bool same_subject(const struct denial *one, const struct denial *other)
{
    return one->kind == other->kind && strcmp(one->subject, other->subject) == 0;
}

/* Copies the list without the denial that has the kind and subject of `without`; *found tells
 * whether the list had that one. The copy has room for one more denial. */
static struct denial_list *copy_without(const struct denials_file *file,
                                        const struct denial *without, bool *found)
{
    const struct denial_list *list = file->denials.list;
    struct denial_list *copy = new_list(list->n + 1);

    *found = false;
    for (size_t i = 0; i < list->n; i++) {
        const struct denial *denial = &list->denial[i];
        if (same_subject(denial, without))
            *found = true;
        else
            copy->denial[copy->n++] = *denial;
    }
    return copy;
}

/* Removes the denial that has expired first, if one has. The others stay, because a clock that is
 * ahead for a moment must not end them for good. */
static void drop_expired(struct denial_list *list)
{
    struct denial *first = NULL, *end = list->denial + list->n;
    int64_t now = (int64_t)time(NULL);

    for (struct denial *each = list->denial; each < end; each++)
        if (!denials_in_force(each, now) && (first == NULL || each->until < first->until))
            first = each;
    if (first == NULL)
        return;
    memmove(first, first + 1, (size_t)(end - first - 1) * sizeof *first);
    list->n--;
}

bool denials_file_change(struct denials_file *file, const struct denials_change *change,
                         const char **why)
{
    const struct denial *denial = change->denial;
    struct denial_list *list;
    bool is_new = change->is_new && denial != NULL, found = true;

    *why = "another change of the list is being written";
    if (file->is_busy)
        return false;
    *why = "the list of denials is damaged: everyone is refused; undeny --all comes first";
    if (file->denials.damaged && denial != NULL)
        return false;
    list = denial == NULL ? new_list(0) : copy_without(file, denial, &found);
    if (is_new && list->n == DENIALS_MAX)
        drop_expired(list);
    if (is_new ? list->n == DENIALS_MAX : !found) {
        *why = is_new ? "there are too many denials" : "there is no such denial";
        free(list);
        return false;
    }
    if (is_new) {
        list->denial[list->n++] = *denial;
        free(file->denials.list);
        file->denials.list = list;
    } else {
        file->next = list;
    }
    start_write(file, list, change);
    return true;
}
