/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/store.h"

#include "access/document.h"
#include "base/digest.h"
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
#define NAME_SIZE   (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)
#define CLOCK_SLACK 2 /* seconds that a time service may put the clock back */

struct store {
    int documents;            /* the directory */
    struct document_file own; /* host, url, boot and clock, as files that are made now say them */
    int64_t ahead;            /* the most seconds by which it was ahead of the time since boot */
    struct worker *worker;
    struct store_figures figures;
};

static bool file_name(const char *project, const char *environment, char out[NAME_SIZE])
{
    return snprintf(out, NAME_SIZE, "%s.%s", project, environment) < NAME_SIZE;
}

/* ---- In the worker ---- */

enum change { PUT, TOUCH, REMOVE, PUT_CLOCK };

/* A change of one file, on its own copy. */
struct job {
    struct work work;
    struct store *store;
    enum change change;
    char name[NAME_SIZE];
    struct document_file from; /* PUT, TOUCH: what the file is to say */
    char *body;                /* PUT: of the document; NULL: memory is out */
    char *file;                /* PUT, TOUCH: made in the worker */
    size_t size;
    int stays;            /* PUT: the errno with which the former file could not be removed */
    int64_t files, bytes; /* by how much there are more than before */
    store_done *done;     /* or NULL */
    void *arg;
};

/* Adds the document's file to the figures, with sign -1 before the change and 1 after it. */
static void measure(struct job *job, int sign)
{
    struct stat st;

    if (job->change == PUT_CLOCK ||
        fstatat(job->store->documents, job->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    job->files += sign;
    job->bytes += sign * (int64_t)st.st_size;
}

/* Makes the file anew from the stored one, with the times of the last confirmation. It remains of
 * the host and the API that it came from, whatever the settings are now. */
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
    else if (job->file != NULL)
        work->failed = statefile_write(directory, job->name, job->file, job->size);
    else if (job->change == PUT)
        work->failed = ENOMEM;
    /* A former document would admit people who have been removed since. Former times only shorten
     * the bound. */
    if (job->change == PUT && work->failed != 0)
        job->stays = statefile_remove(directory, job->name);
    measure(job, 1);
}

/* ---- In the main thread ---- */

static void log_failure(const struct job *job)
{
    static const char *const then[] = {"would not find it", "would take it for older than it is",
                                       "during an outage could use it",
                                       "could take documents for younger than they are"};

    if (job->work.failed != 0)
        log_error("store: document %s cannot be %s: %s; a restart %s", job->name,
                  job->change == REMOVE ? "removed" : "written", strerror(job->work.failed),
                  then[job->change]);
    if (job->stays != 0)
        log_error("store: the former document %s cannot be removed: %s", job->name,
                  strerror(job->stays));
}

static void finish(struct work *work)
{
    struct job *job = (struct job *)work;

    job->store->figures.documents += (uint64_t)job->files;
    job->store->figures.bytes += (uint64_t)job->bytes;
    job->store->figures.writes++;
    job->store->figures.errors += work->failed != 0;
    log_failure(job);
    if (job->done != NULL)
        job->done(job->arg, work->failed == 0);
    free(job->body);
    free(job->file);
    free(job);
}

static struct job *new_job(struct store *store, enum change change)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->store = store;
    job->change = change;
    job->work = (struct work){.run = run, .finish = finish};
    return job;
}

static struct job *new_document_job(struct store *store, enum change change, const char *project,
                                    const char *environment)
{
    struct job *job = new_job(store, change);

    if (job == NULL || file_name(project, environment, job->name))
        return job;
    free(job);
    return NULL;
}

/* ---- The clock ---- */

/* Counts that the clock was put back. Before the count is on the disk a restart does not know. */
static void count_clock(struct store *store)
{
    struct job *job = new_job(store, PUT_CLOCK);
    char *line = malloc(STATEFILE_LINE_SIZE);

    store->own.clock++;
    if (job == NULL || line == NULL) {
        log_error("store: out of memory: that the clock was put back is not recorded");
        free(job);
        free(line);
        return;
    }
    strcpy(job->name, CLOCK);
    job->file = line;
    job->size =
        statefile_end_line(line, snprintf(line, STATEFILE_LINE_SIZE, "%u", store->own.clock));
    worker_add(store->worker, &job->work);
}

/* The time since boot is never put back, so the wall clock is where it is less ahead of that. */
void store_watch_clock(struct store *store)
{
    int64_t ahead = (int64_t)time(NULL) - cloud_clock_ms() / 1000;

    if (ahead < store->ahead - CLOCK_SLACK) {
        log_warning("the clock was put back by %lld s: documents stored before are not used after "
                    "a reboot, until the API confirms them",
                    (long long)(store->ahead - ahead));
        count_clock(store);
        store->ahead = ahead;
    }
    if (ahead > store->ahead)
        store->ahead = ahead;
}

/* When the document was requested, by the wall clock as it is now. */
static int64_t asked_wall(const struct stored_document *document)
{
    int64_t now = (int64_t)time(NULL) - (cloud_clock_ms() - document->asked) / 1000;

    return document->asked_wall < now ? document->asked_wall : now;
}

/* ---- Changes ---- */

/* Sets all that the file is to say, but for the body. */
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
    if (job == NULL) {
        log_error("store: out of memory: document %s/%s is not stored; a restart during an outage "
                  "could use a former one",
                  document->project, document->environment);
        done(arg, false);
        return;
    }
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
    job = new_document_job(store, TOUCH, document->project, document->environment);
    if (job == NULL)
        return; /* the former times stay: they shorten the bound */
    describe(job, document);
    worker_add(store->worker, &job->work);
}

void store_remove(struct store *store, const char *project, const char *environment,
                  store_done *done, void *arg)
{
    struct job *job = new_document_job(store, REMOVE, project, environment);

    if (job == NULL) {
        log_error("store: out of memory: document %s/%s is not removed; a restart during an outage "
                  "could use it",
                  project, environment);
        done(arg, false);
        return;
    }
    job->done = done;
    job->arg = arg;
    worker_add(store->worker, &job->work);
}

/* ---- Start: the clock ---- */

/* Why a whole file is not used, or NULL. */
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

/* The latest time that is known from the documents with the highest count of the clock. */
struct latest {
    int64_t wall;
    char name[NAME_SIZE]; /* of a document; "": none */
};

static void look_for_latest(struct store *store, const char *name, struct latest *latest)
{
    size_t size;
    char *stored = statefile_read(store->documents, name, FILE_MAX, &size);
    struct document_file file;

    if (stored != NULL && document_file_parse(stored, size, &file) &&
        judge(store, &file, name) == NULL && file.clock >= store->own.clock) {
        int64_t wall = file.document.asked_wall;
        if (is_of_this_boot(store, &file))
            wall += (cloud_clock_ms() - file.document.asked) / 1000;
        if (file.clock > store->own.clock || latest->name[0] == '\0' || wall > latest->wall) {
            latest->wall = wall;
            snprintf(latest->name, sizeof latest->name, "%s", name);
        }
        store->own.clock = file.clock;
    }
    free(stored);
}

/* Reads how often the clock was put back. False if the file is damaged. */
static bool read_clock(struct store *store)
{
    char again[STATEFILE_LINE_SIZE];
    size_t size = 0, n;
    char *line = statefile_read(store->documents, CLOCK, STATEFILE_LINE_SIZE - 1, &size);
    bool ok = line == NULL && errno == ENOENT;

    if (line != NULL) {
        unsigned long count = strtoul(line, NULL, 10);
        n = statefile_end_line(again, snprintf(again, sizeof again, "%lu", count));
        ok = count <= UINT32_MAX && n == size && memcmp(again, line, n) == 0;
        if (ok)
            store->own.clock = (uint32_t)count;
    }
    free(line);
    return ok;
}

/* Finds out whether the clock was put back while no daemon ran. Where the count is damaged it may
 * have been. */
static void survey_clock(struct store *store, struct dirent **entries, int n)
{
    struct latest latest = {0};
    int64_t wall = (int64_t)time(NULL);
    bool is_known = read_clock(store);

    for (int i = 0; i < n; i++)
        look_for_latest(store, entries[i]->d_name, &latest);
    if (!is_known)
        log_error("store: %s is damaged: documents of earlier boots are not used", CLOCK);
    else if (latest.name[0] != '\0' && wall < latest.wall - CLOCK_SLACK)
        log_error("store: the clock is %lld s before the time of document %s: it was put back, or "
                  "had been ahead: documents of earlier boots are not used",
                  (long long)(latest.wall - wall), latest.name);
    else
        return;
    count_clock(store);
}

/* Converts the stored times to those of this boot; false if the document's age is unknown. */
static bool set_times(const struct store *store, struct document_file *file)
{
    int64_t wall = (int64_t)time(NULL);

    if (file->document.asked_wall > wall + CLOCK_SLACK)
        return false;
    if (is_of_this_boot(store, file))
        return true;
    if (file->clock != store->own.clock)
        return false;
    file->document.asked = cloud_clock_ms() - (wall - file->document.asked_wall) * 1000;
    return true;
}

/* ---- Start: the documents ---- */

enum fate { NOT_USED, OF_UNKNOWN_AGE, TAKEN };

static enum fate load_one(struct store *store, const char *name, store_each *each, void *arg)
{
    size_t size;
    char *stored = statefile_read(store->documents, name, FILE_MAX, &size);
    struct document_file file;
    const char *why = NULL;
    enum fate fate = NOT_USED;
    bool is_whole = stored != NULL && document_file_parse(stored, size, &file);

    store->figures.documents += is_whole;
    store->figures.bytes += is_whole ? size : 0;
    if (!is_whole)
        statefile_set_aside(store->documents, name, "store: document",
                            "its environment is unknown until the API answers");
    else if ((why = judge(store, &file, name)) != NULL)
        /* It stays: perhaps the settings are wrong, not the document. */
        log_error("store: document %s %s: not used", name, why);
    else if (!set_times(store, &file))
        fate = OF_UNKNOWN_AGE;
    else if (each(arg, &file.document))
        fate = TAKEN;
    free(stored);
    return fate;
}

/* project.environment, in which no other dot is, as there is in the name of a damaged one. */
static int is_document(const struct dirent *entry)
{
    const char *name = entry->d_name, *dot = strchr(name, '.');

    return dot != NULL && dot != name && strchr(dot + 1, '.') == NULL && strlen(name) < NAME_SIZE;
}

size_t store_load(struct store *store, store_each *each, void *arg)
{
    struct dirent **entries = NULL;
    size_t fates[3] = {0};
    int n = scandirat(store->documents, ".", &entries, is_document, NULL);

    if (n < 0)
        log_error("store: the documents cannot be listed: %s", strerror(errno));
    survey_clock(store, entries, n);
    for (int i = 0; i < n; i++) {
        fates[load_one(store, entries[i]->d_name, each, arg)]++;
        free(entries[i]);
    }
    free(entries);
    if (fates[OF_UNKNOWN_AGE] > 0)
        log_error("store: the clock was put back after %zu of the documents had been stored: they "
                  "are not used until the API confirms them",
                  fates[OF_UNKNOWN_AGE]);
    return fates[TAKEN];
}

/* ---- The store ---- */

struct store *store_new(struct worker *worker, const char *directory, const char *host,
                        const char *url)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store->worker = worker;
    store_configure(store, host, url);
    store->ahead = (int64_t)time(NULL) - cloud_clock_ms() / 1000;
    store->documents = statefile_directory(directory, DOCUMENTS);
    if (store->documents >= 0 && process_boot(store->own.boot))
        return store;
    if (store->documents >= 0)
        log_error("store: the boot id cannot be read");
    store_free(store);
    return NULL;
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    if (store->documents >= 0)
        close(store->documents);
    free(store);
}

void store_look(const struct store *store, struct store_figures *out)
{
    *out = store->figures;
    out->pending = worker_pending(store->worker);
}

void store_configure(struct store *store, const char *host, const char *url)
{
    snprintf(store->own.host, sizeof store->own.host, "%s", host);
    snprintf(store->own.url, sizeof store->own.url, "%s", url);
}
