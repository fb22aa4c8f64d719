/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/store.h"

#include "access/document.h"
#include "base/digest.h"
#include "base/fatal.h"
#include "base/log.h"
#include "cloudauthd/state/statefile.h"
#include "common/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DOCUMENTS   "documents"
#define CLOCK       "clock"
#define FILE_MAX    (DOCUMENT_FILE_HEAD_MAX + DOCUMENT_SIZE_MAX)
#define NAME_SIZE   STORE_NAME_SIZE
#define BEHIND      1000 /* while more jobs wait, store_touch and set_aside add none */
#define MINUTE      60000
#define CLOCK_SLACK 2 /* seconds: a wall clock that is behind by more counts as put back */

struct store {
    int documents;            /* a descriptor of the directory */
    struct document_file own; /* host, url, boot and clock for new files */
    /* Seconds: the most that the wall clock was ahead of the time since boot, since it was last put
     * back, and altogether (store_ahead). */
    int64_t ahead, most_ahead;
    uint32_t counting; /* the value of own.clock that is being written; 0: none is */
    /* Of log_ageless: the documents since its last line, and cloud_clock_ms() of its next one. */
    unsigned long ageless;
    int64_t next_ageless;
    struct worker *worker;
    struct store_figures figures;
};

static bool file_name(const char *project, const char *environment, char out[NAME_SIZE])
{
    return snprintf(out, NAME_SIZE, "%s.%s", project, environment) < NAME_SIZE;
}

/* Writes the name of a document's file as "project/environment", the form of all other lines of the
 * log. Returns `out`. */
static const char *slash_form(const char *name, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%s", name);
    if (strchr(out, '.') != NULL)
        *strchr(out, '.') = '/';
    return out;
}

/* ---- In the worker ---- */

enum change { PUT, TOUCH, REMOVE, SET_ASIDE, PUT_CLOCK };

/* A change to one file. It has its own copy of the document. */
struct job {
    struct work work;
    struct store *store;
    enum change change;
    char name[NAME_SIZE];
    struct document_file from; /* PUT, TOUCH: the new content of the file; the body is in `body` */
    char *body;                /* PUT: a copy of the document's body; NULL: out of memory */
    char *file;                /* the new content; PUT, TOUCH: made in the worker */
    size_t size;
    int stays;     /* PUT, PUT_CLOCK: errno if the former file could not be removed, otherwise 0 */
    int64_t files; /* the change in the number of document files: -1, 0 or 1 */
    store_done *done; /* or NULL */
    void *arg;
};

/* Adds `sign`, which is -1 before the change and 1 after it, to job->files if the document has a
 * file. */
static void measure(struct job *job, int sign)
{
    if (job->change < PUT_CLOCK &&
        faccessat(job->store->documents, job->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        job->files += sign;
}

/* Prepares job->file: the stored file with the times of the last confirmation, or NULL if its body
 * is not the one that was confirmed. Keeps its API, whatever the settings are now; its host is the
 * one that had it confirmed. */
static void renew_times(struct job *job)
{
    size_t size;
    char *stored = statefile_read(job->store->documents, job->name, FILE_MAX, &size);
    struct document_file file;
    unsigned char hash[DIGEST_SIZE];

    if (stored == NULL)
        return;
    if (document_file_parse(stored, size, &file) &&
        digest_sha256(file.document.body, file.document.length, hash) &&
        memcmp(hash, job->from.document.hash, sizeof hash) == 0) {
        file.document.asked = job->from.document.asked;
        file.document.asked_wall = job->from.document.asked_wall;
        file.clock = job->from.clock;
        strcpy(file.host, job->from.host);
        strcpy(file.boot, job->from.boot);
        job->file = document_file_make(&file, &job->size);
    }
    free(stored);
}

static void run(struct work *work)
{
    struct job *job = (struct job *)work;
    int directory = job->store->documents;

    measure(job, -1);
    if (job->change == TOUCH)
        renew_times(job);
    if (job->change == PUT && job->body != NULL)
        job->file = document_file_make(&job->from, &job->size);
    if (job->change == REMOVE)
        work->failed = statefile_remove(directory, job->name);
    else if (job->change == SET_ASIDE)
        statefile_set_aside(directory, job->name, "store: document",
                            "its environment is unknown until the API answers");
    else if (job->file != NULL)
        work->failed = statefile_write(directory, job->name, job->file, job->size);
    else if (job->change == PUT)
        work->failed = ENOMEM;
    /* If a document cannot be written, its older file is removed, because that would admit people
     * who have been removed since; so is an older count of the clock, since without one no document
     * of an earlier boot lets people in. If only the times cannot be written, the file stays: old
     * times only shorten the outage bound. */
    if ((job->change == PUT || job->change == PUT_CLOCK) && work->failed != 0)
        job->stays = statefile_remove(directory, job->name);
    measure(job, 1);
}

/* ---- In the main thread ---- */

static void log_failure(const struct job *job)
{
    static const char *const then[PUT_CLOCK + 1] = {
        [PUT] = "would not find it",
        [TOUCH] = "would take it for older than it is",
        [REMOVE] = "during an outage could use it",
        [PUT_CLOCK] = "would not know the age of documents of earlier boots"};

    char name[NAME_SIZE];

    if (job->work.failed != 0)
        log_error("store: document %s cannot be %s: %s; a restart %s", slash_form(job->name, name),
                  job->change == REMOVE ? "removed" : "written", strerror(job->work.failed),
                  then[job->change]);
    if (job->stays != 0)
        log_error("store: the former document %s cannot be removed: %s",
                  slash_form(job->name, name), strerror(job->stays));
}

/* The sum could become negative, because files that other programs add are not counted. */
static void add_files(struct store_figures *figures, int64_t files)
{
    int64_t sum = (int64_t)figures->documents + files;

    figures->documents = sum > 0 ? (uint64_t)sum : 0;
}

static void finish(struct work *work)
{
    struct job *job = (struct job *)work;

    add_files(&job->store->figures, job->files);
    job->store->figures.writes++;
    job->store->figures.errors += work->failed != 0;
    if (work->failed != 0 || job->file != NULL) /* the others write no document */
        job->store->figures.failing = work->failed != 0;
    log_failure(job);
    if (job->done != NULL)
        job->done(job->arg, work->failed == 0);
    free(job->body);
    free(job->file);
    free(job);
}

static struct job *new_job(struct store *store, enum change change)
{
    struct job *job = xcalloc(1, sizeof *job);

    job->store = store;
    job->change = change;
    job->work = (struct work){.run = run, .finish = finish};
    return job;
}

static struct job *new_document_job(struct store *store, enum change change, const char *project,
                                    const char *environment)
{
    struct job *job = new_job(store, change);

    (void)file_name(project, environment, job->name);
    return job;
}

/* ---- The clock ---- */

static void on_clock(void *arg, bool ok);

static void write_clock(struct store *store)
{
    struct job *job = new_job(store, PUT_CLOCK);
    char *line = xcalloc(1, STATEFILE_LINE_SIZE);

    strcpy(job->name, CLOCK);
    job->file = line;
    job->size =
        statefile_end_line(line, snprintf(line, STATEFILE_LINE_SIZE, "%u", store->own.clock));
    job->done = on_clock;
    job->arg = store;
    store->counting = store->own.clock;
    worker_add(store->worker, &job->work);
}

static void on_clock(void *arg, bool ok)
{
    struct store *store = arg;
    bool is_last = store->counting == store->own.clock;

    (void)ok;
    store->counting = 0;
    if (!is_last)
        write_clock(store);
}

/* Increments the count of how often the clock was put back. If the daemon is killed before the
 * count is on the disk, the next daemon starts with the old one. If the disk refuses it, the next
 * one starts with a new count. */
static void count_clock(struct store *store)
{
    store->own.clock++;
    if (store->counting == 0)
        write_clock(store);
}

/* Replaces a count that is lost by one above `least` that no stored document has: a lower count
 * could be that of a document from before the clock was put back. */
static void renew_count(struct store *store, uint32_t least)
{
    if (least < UINT32_MAX / 2)
        least = UINT32_MAX / 2;
    store->own.clock = least + arc4random_uniform(1 << 24);
    count_clock(store);
}

static void note_ahead(struct store *store, int64_t ahead)
{
    if (ahead > store->most_ahead)
        store->most_ahead = ahead;
}

int64_t store_ahead(const struct store *store)
{
    return store->most_ahead;
}

/* Notices that the wall clock was put back: it is then ahead of the time since boot, which never
 * goes back, by less than before. */
void store_watch_clock(struct store *store)
{
    int64_t ahead = (int64_t)time(NULL) - cloud_clock_ms() / 1000;

    if (ahead < store->ahead - CLOCK_SLACK) {
        log_warning("the clock was put back by %lld s: documents stored before let no person in "
                    "after a reboot, until the API confirms them",
                    (long long)(store->ahead - ahead));
        count_clock(store);
        store->ahead = ahead;
    }
    if (ahead > store->ahead)
        store->ahead = ahead;
    note_ahead(store, ahead);
}

/* Returns when the document was requested (seconds since 1970), by the wall clock as it is now or
 * as it was then, whichever is earlier. */
static int64_t asked_wall(const struct stored_document *document)
{
    int64_t now = (int64_t)time(NULL) - (cloud_clock_ms() - document->asked) / 1000;

    return document->asked_wall < now ? document->asked_wall : now;
}

/* ---- Changes ---- */

/* Sets all fields of the file except the body. */
static void describe(struct job *job, const struct stored_document *document)
{
    struct document_file *file = &job->from;

    *file = job->store->own;
    file->document = *document;
    file->document.body = NULL;
    file->document.asked_wall = asked_wall(document);
    strcpy(file->project, document->project);
    strcpy(file->environment, document->environment);
}

void store_put(struct store *store, const struct stored_document *document, store_done *done,
               void *arg)
{
    struct job *job;

    store_watch_clock(store);
    job = new_document_job(store, PUT, document->project, document->environment);
    job->done = done;
    job->arg = arg;
    describe(job, document);
    job->body = malloc(document->length + 1);
    if (job->body != NULL && document->length > 0)
        memcpy(job->body, document->body, document->length);
    job->from.document.body = job->body;
    worker_add(store->worker, &job->work);
}

void store_touch(struct store *store, const struct stored_document *document)
{
    struct job *job;

    store_watch_clock(store);
    if (worker_pending(store->worker) > BEHIND)
        return;
    job = new_document_job(store, TOUCH, document->project, document->environment);
    describe(job, document);
    worker_add(store->worker, &job->work);
}

void store_remove(struct store *store, const char *project, const char *environment,
                  store_done *done, void *arg)
{
    struct job *job = new_document_job(store, REMOVE, project, environment);

    job->done = done;
    job->arg = arg;
    worker_add(store->worker, &job->work);
}

/* ---- Reading ---- */

void store_read(const struct store *store, const char *project, const char *environment,
                struct store_file *out)
{
    size_t size;

    memset(out, 0, sizeof *out);
    out->error = ENOENT; /* so long a name has no file */
    if (!file_name(project, environment, out->name))
        return;
    out->bytes = statefile_read(store->documents, out->name, FILE_MAX, &size);
    out->error = out->bytes == NULL ? errno : 0;
    out->failed = statefile_may_be_good(out->error);
    out->is_whole = out->bytes != NULL && document_file_parse(out->bytes, size, &out->file);
}

/* Returns the environment in a file name of the form <project>.<environment>. NULL for any other
 * name, such as that of a damaged file, which has a second dot. */
static const char *environment_of(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot != NULL && dot != name && dot - name <= CLOUD_PROJECT_MAX && dot[1] != '\0' &&
                   strchr(dot + 1, '.') == NULL && strlen(dot + 1) <= CLOUD_NAME_MAX
               ? dot + 1
               : NULL;
}

/* Appends the names of all files of documents to `names` (store_list), and adds their number to *n.
 * False, with errno, if memory or the disk fails. */
static bool add_names(DIR *directory, FILE *names, size_t *n)
{
    struct dirent *entry;

    for (errno = 0; (entry = readdir(directory)) != NULL; errno = 0) {
        const char *environment = environment_of(entry->d_name);
        size_t length;
        if (environment == NULL)
            continue;
        length = strlen(entry->d_name);
        entry->d_name[environment - 1 - entry->d_name] = '\0';
        (void)fwrite(entry->d_name, 1, length + 1, names);
        ++*n;
    }
    return errno == 0 && ferror(names) == 0;
}

char *store_list(const struct store *store, size_t *n)
{
    int fd = openat(store->documents, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    char *names = NULL;
    size_t size;
    FILE *file = directory == NULL ? NULL : open_memstream(&names, &size);
    bool ok = file != NULL;

    *n = 0;
    ok = ok && add_names(directory, file, n);
    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    if (directory != NULL)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
    if (ok)
        return names;
    log_error("store: the documents cannot be listed: %s", strerror(errno));
    free(names);
    *n = 0;
    return NULL;
}

/* Returns why an undamaged file may not be used on this host, or NULL if it may. */
static const char *judge(const struct store *store, const struct document_file *file,
                         const char *name)
{
    char own[NAME_SIZE];

    if (strcmp(file->host, store->own.host) != 0)
        return "is of another host";
    if (strcmp(file->url, store->own.url) != 0)
        return "is of another API";
    if (!file_name(file->project, file->environment, own) || strcmp(own, name) != 0)
        return "is of another environment";
    return NULL;
}

static bool is_of_this_boot(const struct store *store, const struct document_file *file)
{
    return strcmp(file->boot, store->own.boot) == 0 && file->document.asked <= cloud_clock_ms();
}

/* Finds out from a stored document whether the clock was put back while no daemon ran, and whether
 * the file with the count was lost. */
static void check_clock(struct store *store, const struct document_file *file)
{
    int64_t then = file->document.asked_wall + (cloud_clock_ms() - file->document.asked) / 1000;
    bool behind = is_of_this_boot(store, file) && (int64_t)time(NULL) < then - CLOCK_SLACK;

    if (behind)
        note_ahead(store, then - cloud_clock_ms() / 1000);
    if (file->clock > store->own.clock)
        renew_count(store, file->clock);
    else if (file->clock == store->own.clock && behind)
        count_clock(store);
}

/* Converts the stored times to those of this boot. Returns why the document's age is not known, or
 * NULL. */
static const char *set_times(const struct store *store, struct document_file *file)
{
    int64_t wall = (int64_t)time(NULL);

    if (file->document.asked_wall > wall + CLOCK_SLACK)
        return "is from the future";
    if (is_of_this_boot(store, file))
        return NULL;
    if (file->clock != store->own.clock)
        return "was stored under another count of the clock";
    file->document.asked = cloud_clock_ms() - (wall - file->document.asked_wall) * 1000;
    if (file->document.asked > 0) /* the wall clock was stepped: the request was before this boot */
        file->document.asked = 0;
    return NULL;
}

static void set_aside(struct store *store, const char *name)
{
    struct job *job;

    if (worker_pending(store->worker) > BEHIND)
        return; /* the damage is found again when the file is next read */
    job = new_job(store, SET_ASIDE);
    strcpy(job->name, name);
    worker_add(store->worker, &job->work);
}

/* Logs that a document's age is not known. At most one line a minute, because at a start that may
 * hold for all documents. */
static void log_ageless(struct store *store, const char *name, const char *why)
{
    int64_t now = cloud_clock_ms();
    char shown[NAME_SIZE];

    store->ageless++;
    if (now < store->next_ageless)
        return;
    store->next_ageless = now + MINUTE;
    log_error("store: document %s %s: it only names its account until the API confirms it (%lu "
              "such documents since the last such line)",
              slash_form(name, shown), why, store->ageless);
    store->ageless = 0;
}

bool store_judge(struct store *store, struct store_file *file)
{
    char name[NAME_SIZE];
    const char *why;

    if (file->error == ENOENT)
        return false;
    if (file->failed) {
        log_error("store: document %s cannot be read: %s", slash_form(file->name, name),
                  strerror(file->error));
        return false;
    }
    if (!file->is_whole) {
        set_aside(store, file->name);
        return false;
    }
    why = judge(store, &file->file, file->name);
    /* The file stays: perhaps the settings are wrong, not the document. */
    if (why != NULL) {
        log_error("store: document %s %s: not used until the API confirms it",
                  slash_form(file->name, name), why);
        return false;
    }
    check_clock(store, &file->file);
    why = set_times(store, &file->file);
    if (why != NULL) {
        file->file.document.asked = STORE_AGE_UNKNOWN;
        file->file.document.asked_wall = 0;
        log_ageless(store, file->name, why);
    }
    return true;
}

/* ---- The start ---- */

/* Logs that there is no count of the clock, unless this is the first start of all: there are no
 * documents then. */
static void log_no_count(const struct store *store)
{
    size_t documents;
    char *names = store_list(store, &documents);

    free(names);
    if (documents > 0)
        log_warning("store: there is no count of the clock (" DOCUMENTS "/" CLOCK "), as after an "
                    "upgrade from 0.1.1: a new one begins, and after a reboot the %zu stored "
                    "documents let no person in until the API confirms them",
                    documents);
}

/* Reads how often the clock was put back. False if that is not known, which is logged. */
static bool read_clock(struct store *store)
{
    size_t size = 0;
    char *line = statefile_read(store->documents, CLOCK, STATEFILE_LINE_SIZE - 1, &size);
    bool is_missing = line == NULL && errno == ENOENT;
    bool ok =
        line != NULL && size > 0 && line[size - 1] == '\n' && statefile_is_line(line, size - 1);

    if (ok)
        store->own.clock = (uint32_t)strtoul(line, NULL, 10);
    else if (is_missing)
        log_no_count(store);
    else
        log_error("store: %s is damaged: documents of earlier boots let no person in", CLOCK);
    free(line);
    return ok;
}

/* Increments the count if the clock was put back while no daemon ran: the mtime of the directory,
 * which is the time of the last change in it, is then in the future. Chooses a new count
 * (renew_count) if the count is not known. So does the first start of all. */
static void survey_clock(struct store *store)
{
    int64_t wall = (int64_t)time(NULL);
    struct stat st;
    bool behind =
        fstat(store->documents, &st) == 0 && wall < (int64_t)st.st_mtim.tv_sec - CLOCK_SLACK;

    if (behind)
        note_ahead(store, (int64_t)st.st_mtim.tv_sec - cloud_clock_ms() / 1000);
    if (!read_clock(store)) {
        renew_count(store, 0);
    } else if (behind) {
        log_error("store: the clock is %lld s before the last change of the documents: it was put "
                  "back, or had been ahead: documents of earlier boots let no person in",
                  (long long)(st.st_mtim.tv_sec - wall));
        count_clock(store);
    }
}

/* ---- The store ---- */

struct store *store_new(struct worker *worker, const char *directory, const char *host,
                        const char *url)
{
    struct store *store = xcalloc(1, sizeof *store);

    store->worker = worker;
    store_configure(store, host, url);
    store->ahead = (int64_t)time(NULL) - cloud_clock_ms() / 1000;
    store->documents = statefile_directory(directory, DOCUMENTS);
    if (!process_boot(store->own.boot))
        fatal("store: the boot id cannot be read");
    survey_clock(store);
    return store;
}

void store_free(struct store *store)
{
    close(store->documents);
    free(store);
}

void store_count(struct store *store, size_t documents)
{
    store->figures.documents = documents;
}

void store_look(const struct store *store, struct store_figures *out)
{
    *out = store->figures;
}

void store_configure(struct store *store, const char *host, const char *url)
{
    snprintf(store->own.host, sizeof store->own.host, "%s", host);
    snprintf(store->own.url, sizeof store->own.url, "%s", url);
}
