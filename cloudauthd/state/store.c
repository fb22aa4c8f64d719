/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/store.h"

#include "access/document.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/process.h"
#include "base/worker.h"
#include "cloudauthd/state/document_file.h"
#include "common/io.h"

#include "common/clock.h"
#include "common/conf.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DOCUMENTS    "documents"
#define OWNERS       "owners"
#define CLOCK        "clock"
#define DAMAGED      ".damaged"
#define FILE_MAX     (STORED_HEAD_MAX + DOCUMENT_SIZE_MAX)
#define OWNERS_MAX   (256u << 20) /* more lines than there are uids */
#define NAME_SIZE    (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)
#define LINE_SIZE    256
#define CHECK_LENGTH 16 /* hex digits of its hash that end a line */
#define CLOCK_SLACK  2  /* seconds that a clock may be put back by its keeper */

struct store {
    int folder, documents;
    char host[sizeof((struct cloud_conf *)NULL)->host_id];
    char url[CLOUD_URL_SIZE];
    char boot[PROCESS_BOOT_SIZE]; /* /proc's boot_id: whether a time since boot means something */
    uint32_t clock;               /* how often the wall clock was seen to be put back */
    int64_t ahead;                /* seconds, the most that it was ahead of the time since boot */
    struct worker *worker;
    struct store_figures figures; /* of the documents' files */
    struct owner_job *unkept; /* bindings that the disk did not take, until it takes something */
    unsigned owner_jobs;      /* on their way */
    bool ending;
};

struct owner_job {
    struct work work;
    struct store *store;
    struct store_binding owner;
    store_done *done; /* or NULL */
    void *arg;
    struct owner_job *next; /* of those that were not kept */
};

static void retry_owners(struct store *store);
static void drop_unkept(struct store *store, const struct store_binding *owner);

static bool file_name(const char *project, const char *environment, char out[NAME_SIZE])
{
    return snprintf(out, NAME_SIZE, "%s.%s", project, environment) < NAME_SIZE;
}

static struct document_file_origin origin_of(const struct store *store)
{
    return (struct document_file_origin){store->host, store->url, store->boot, store->clock};
}

/* ---- Lines that end in a part of their hash ---- */

/* Ends the text of n bytes in line; the length then, or 0 if it does not fit. */
static size_t end_line(char line[LINE_SIZE], int n)
{
    unsigned char hash[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    if (n < 0 || n + 1 + CHECK_LENGTH + 1 >= LINE_SIZE || !digest_sha256(line, (size_t)n, hash))
        return 0;
    digest_hex(hash, DIGEST_SIZE, hex);
    snprintf(line + n, (size_t)(LINE_SIZE - n), " %.*s\n", CHECK_LENGTH, hex);
    return (size_t)n + 1 + CHECK_LENGTH + 1;
}

/* ---- Reading ---- */

/* Reads a file of a folder; the caller frees it. NULL with errno. */
static char *read_file(int folder, const char *name, size_t most, size_t *size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    char *file = NULL;
    ssize_t got = -1;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 && (size_t)st.st_size <= most)
        file = malloc((size_t)st.st_size + 1);
    else
        errno = EFBIG;
    if (file != NULL)
        got = io_read_all(fd, file, (size_t)st.st_size);
    close(fd);
    *size = got < 0 ? 0 : (size_t)got;
    if (got >= 0)
        return file;
    free(file);
    return NULL;
}

/* ---- The worker's side ---- */

enum what { PUT, TOUCH, REMOVE, PUT_CLOCK };

/* A change of one file, on its own copy. Changes of one file are made in the order they were asked
 * for, as all are. */
struct job {
    struct work work;
    struct store *store;
    enum what what;
    char name[NAME_SIZE];
    char *file; /* TOUCH: none before the old one was read */
    size_t size;
    struct store_entry entry; /* TOUCH: its times and hash */
    uint32_t clock;
    int left;             /* PUT: an errno, where the former document could not be removed */
    int64_t files, bytes; /* what there is more of them than before */
    store_done *done;
    void *arg;
};

/* Errnos; 0: it is done, and on the disk. */
static int write_aside(const struct store *store, const char *file, size_t size)
{
    /* Only the worker does, so that one name is enough. */
    int fd = openat(store->documents, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    int failed;

    if (fd < 0)
        return errno;
    failed = io_write_all(fd, file, size) && fsync(fd) == 0 ? 0 : errno;
    if (close(fd) != 0 && failed == 0)
        failed = errno;
    return failed;
}

/* Of a document's file, before it is replaced or removed. */
static void weigh(struct job *job)
{
    struct stat st;

    if (job->what == PUT_CLOCK ||
        fstatat(job->store->documents, job->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    job->files--;
    job->bytes -= (int64_t)st.st_size;
}

static int replace_file(struct job *job)
{
    int folder = job->store->documents;
    int failed = write_aside(job->store, job->file, job->size);

    if (failed != 0)
        return failed;
    weigh(job);
    if (renameat(folder, "new", folder, job->name) != 0) {
        job->files = job->bytes = 0;
        return errno;
    }
    job->files += job->what != PUT_CLOCK;
    job->bytes += job->what != PUT_CLOCK ? (int64_t)job->size : 0;
    return fsync(folder) == 0 ? 0 : errno;
}

/* What is not there need not be synced: that was done when it went, or was never needed. */
static int remove_file(struct job *job)
{
    int folder = job->store->documents;

    weigh(job);
    if (unlinkat(folder, job->name, 0) != 0) {
        job->files = job->bytes = 0;
        return errno == ENOENT ? 0 : errno;
    }
    return fsync(folder) == 0 ? 0 : errno;
}

/* The same file with the times of the last confirmation, if it is there and of that document. */
static void renew_times(struct job *job)
{
    size_t old_size;
    char *old = read_file(job->store->documents, job->name, FILE_MAX, &old_size);
    struct document_file header = {0};
    unsigned char hash[DIGEST_SIZE];

    if (old == NULL)
        return;
    if (document_file_parse(old, old_size, &header) &&
        digest_sha256(header.body, header.length, hash) &&
        memcmp(hash, job->entry.hash, sizeof hash) == 0) {
        header.entry.asked = job->entry.asked;
        header.entry.asked_wall = job->entry.asked_wall;
        /* It stays of the host and the API that it came from, whatever the settings are now. */
        const struct document_file_origin origin = {header.host, header.url, job->store->boot,
                                                    job->clock};
        job->file =
            document_file_make(&origin, &header.entry, header.body, header.length, &job->size);
    }
    free(old);
}

/* In the worker. */
static void run_job(struct work *work)
{
    struct job *job = (struct job *)work;

    if (job->what == TOUCH)
        renew_times(job);
    if (job->what == REMOVE)
        work->failed = remove_file(job);
    else if (job->file != NULL)
        work->failed = replace_file(job);
    /* An old document would bring back who was removed. Old times only shorten its bound. */
    if (job->what == PUT && work->failed != 0)
        job->left = remove_file(job);
}

/* Back in the loop. */
static void finish_job(struct work *work)
{
    static const char *const kept[] = {
        "cannot be kept: ", "cannot be kept: ", "cannot be removed: ", "cannot be kept: "};
    static const char *const then[] = {"would be missing", "would be older",
                                       "could be used again in an outage",
                                       "would not tell which documents are older than they look"};
    struct job *job = (struct job *)work;
    bool ok = work->failed == 0;

    job->store->figures.documents += (uint64_t)job->files;
    job->store->figures.bytes += (uint64_t)job->bytes;
    job->store->figures.writes++;
    job->store->figures.errors += !ok || job->left != 0;
    if (!ok)
        log_error("store: document %s %s%s; after a restart it %s", job->name, kept[job->what],
                  strerror(work->failed), then[job->what]);
    if (job->left != 0)
        log_error("store: document %s is an older one, which cannot be removed: %s", job->name,
                  strerror(job->left));
    if (job->done != NULL)
        job->done(job->arg, ok);
    if (ok)
        retry_owners(job->store);
    free(job->file);
    free(job);
}

static struct job *make_job(struct store *store, enum what what, const char *project,
                            const char *environment)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->store = store;
    job->what = what;
    job->work = (struct work){.run = run_job, .finish = finish_job};
    if (file_name(project, environment, job->name))
        return job;
    free(job);
    return NULL;
}

/* ---- The clock ---- */

/* Writes down that it was put back. Until that is on the disk, a restart could find nothing of it.
 */
static void count_clock(struct store *store)
{
    struct job *job = calloc(1, sizeof *job);
    char *line = malloc(LINE_SIZE);

    store->clock++;
    if (job == NULL || line == NULL) {
        log_error("store: no memory to keep that the clock was put back");
        free(job);
        free(line);
        return;
    }
    job->store = store;
    job->what = PUT_CLOCK;
    job->work = (struct work){.run = run_job, .finish = finish_job};
    strcpy(job->name, CLOCK);
    job->file = line;
    job->size = end_line(line, snprintf(line, LINE_SIZE, "%u", store->clock));
    worker_add(store->worker, &job->work);
}

/* The time since boot is never put back, so the wall clock is where it comes nearer to that. */
void store_watch_clock(struct store *store)
{
    int64_t ahead = (int64_t)time(NULL) - cloud_clock_ms() / 1000;

    if (ahead < store->ahead - CLOCK_SLACK) {
        log_warning("the clock was put back by %lld s: what is in the store from before is not "
                    "used after a reboot, until the API has confirmed it",
                    (long long)(store->ahead - ahead));
        count_clock(store);
        store->ahead = ahead;
    }
    if (ahead > store->ahead)
        store->ahead = ahead;
}

/* When the document was asked for, by the clock as it is now. */
static int64_t asked_wall(const struct store_entry *entry)
{
    int64_t now = (int64_t)time(NULL) - (cloud_clock_ms() - entry->asked) / 1000;

    return entry->asked_wall < now ? entry->asked_wall : now;
}

/* ---- The loop's side ---- */

void store_put(struct store *store, const struct store_entry *entry, const void *body,
               size_t length, store_done *done, void *arg)
{
    struct job *job;
    struct store_entry dated = *entry;

    store_watch_clock(store);
    job = make_job(store, PUT, entry->project, entry->environment);
    if (job == NULL) {
        log_error("store: no memory to keep document %s/%s: after a restart a former one could be "
                  "used in an outage",
                  entry->project, entry->environment);
        done(arg, false);
        return;
    }
    const struct document_file_origin origin = origin_of(store);
    job->done = done;
    job->arg = arg;
    dated.asked_wall = asked_wall(entry);
    job->file = document_file_make(&origin, &dated, body, length, &job->size);
    if (job->file == NULL) {
        log_error("store: no memory to keep document %s/%s", entry->project, entry->environment);
        job->what = REMOVE;
    }
    worker_add(store->worker, &job->work);
}

void store_touch(struct store *store, const struct store_entry *entry)
{
    struct job *job;

    store_watch_clock(store);
    job = make_job(store, TOUCH, entry->project, entry->environment);
    if (job == NULL)
        return; /* an older time stays: it shortens the bound */
    job->entry = *entry;
    job->entry.asked_wall = asked_wall(entry);
    job->clock = store->clock;
    worker_add(store->worker, &job->work);
}

void store_remove(struct store *store, const char *project, const char *environment,
                  store_done *done, void *arg)
{
    struct job *job = make_job(store, REMOVE, project, environment);

    if (job == NULL) {
        log_error("store: no memory to remove document %s/%s: after a restart it could be used in "
                  "an outage",
                  project, environment);
        done(arg, false);
        return;
    }
    job->done = done;
    job->arg = arg;
    worker_add(store->worker, &job->work);
}

/* ---- Start ---- */

static void set_aside(const struct store *store, const char *name, const char *why)
{
    char aside[NAME_SIZE + sizeof DAMAGED];

    log_error("store: document %s %s: set aside", name, why);
    snprintf(aside, sizeof aside, "%s%s", name, DAMAGED);
    if (renameat(store->documents, name, store->documents, aside) != 0)
        unlinkat(store->documents, name, 0);
}

/* Why a whole file is not to be believed, or NULL. */
static const char *judge(const struct store *store, const struct document_file *header,
                         const char *name)
{
    char own[NAME_SIZE];

    if (strcmp(header->host, store->host) != 0)
        return "is of another host";
    if (strcmp(header->url, store->url) != 0)
        return "is of another API";
    if (!file_name(header->project, header->environment, own) || strcmp(own, name) != 0)
        return "is of another environment";
    return NULL;
}

static bool is_of_this_boot(const struct store *store, const struct document_file *header)
{
    return strcmp(header->boot, store->boot) == 0 && header->entry.asked <= cloud_clock_ms();
}

/* The latest time that the store knows of, by the clock that the newest documents are of. */
struct latest {
    int64_t wall;
    char name[NAME_SIZE]; /* "": none */
};

static void look_for_latest(struct store *store, const char *name, struct latest *latest)
{
    size_t size;
    char *file = read_file(store->documents, name, FILE_MAX, &size);
    struct document_file header = {0};

    if (file != NULL && document_file_parse(file, size, &header) &&
        judge(store, &header, name) == NULL && header.clock >= store->clock) {
        int64_t wall = header.entry.asked_wall;
        if (is_of_this_boot(store, &header))
            wall += (cloud_clock_ms() - header.entry.asked) / 1000;
        if (header.clock > store->clock || latest->name[0] == '\0' || wall > latest->wall) {
            latest->wall = wall;
            snprintf(latest->name, sizeof latest->name, "%s", name);
        }
        store->clock = header.clock;
    }
    free(file);
}

/* How often the clock was put back, as was written down; damaged, it is once more than is known. */
static bool read_clock(struct store *store)
{
    char again[LINE_SIZE];
    size_t size = 0, n;
    char *line = read_file(store->documents, CLOCK, LINE_SIZE - 1, &size);
    bool ok = line == NULL && errno == ENOENT;

    if (line != NULL) {
        line[size] = '\0';
        unsigned long count = strtoul(line, NULL, 10);
        n = end_line(again, snprintf(again, sizeof again, "%lu", count));
        ok = count <= UINT32_MAX && n == size && memcmp(again, line, n) == 0;
        if (ok)
            store->clock = (uint32_t)count;
    }
    free(line);
    return ok;
}

/* Finds out whether the clock was put back while nobody looked. */
static void survey_clock(struct store *store, char **names, size_t n)
{
    struct latest latest = {0};
    int64_t wall = (int64_t)time(NULL);
    bool told = read_clock(store);

    for (size_t i = 0; i < n; i++)
        look_for_latest(store, names[i], &latest);
    if (!told)
        log_error("store: %s is damaged: documents of earlier boots are not used", CLOCK);
    else if (latest.name[0] != '\0' && wall < latest.wall - CLOCK_SLACK)
        log_error("store: the clock stands %lld s before the time of document %s: it was put back, "
                  "or had been ahead: documents of earlier boots are not used",
                  (long long)(latest.wall - wall), latest.name);
    else
        return;
    count_clock(store);
}

/* Turns the stored times into those of this boot; false if nobody can tell how old it is. */
static bool set_times(const struct store *store, struct document_file *header)
{
    int64_t wall = (int64_t)time(NULL);

    if (header->entry.asked_wall > wall + CLOCK_SLACK)
        return false;
    if (is_of_this_boot(store, header))
        return true;
    if (header->clock != store->clock)
        return false;
    header->entry.asked = cloud_clock_ms() - (wall - header->entry.asked_wall) * 1000;
    return true;
}

/* What became of a file. */
enum fate { NOT_USED, OF_NO_AGE, TAKEN };

static enum fate load_one(struct store *store, const char *name, store_each *each, void *arg)
{
    size_t size;
    char *file = read_file(store->documents, name, FILE_MAX, &size);
    struct document_file header = {0};
    const char *why = NULL;
    enum fate fate = NOT_USED;

    bool whole = file != NULL && document_file_parse(file, size, &header);

    store->figures.documents += whole;
    store->figures.bytes += whole ? size : 0;
    if (!whole)
        set_aside(store, name, "is damaged");
    else if ((why = judge(store, &header, name)) != NULL)
        /* It stays: perhaps the settings are wrong, and not the document. */
        log_error("store: document %s %s: not used", name, why);
    else if (!set_times(store, &header))
        fate = OF_NO_AGE;
    else if (each(arg, &header.entry, header.body, header.length))
        fate = TAKEN;
    free(file);
    return fate;
}

static bool is_document(const char *name)
{
    size_t n = strlen(name);

    return name[0] != '.' && strchr(name, '.') != NULL && n < NAME_SIZE &&
           (n < sizeof DAMAGED || strcmp(name + n - (sizeof DAMAGED - 1), DAMAGED) != 0);
}

static int open_folder(int at, const char *path)
{
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The names of all documents, each the caller's to free. */
static char **list_documents(const struct store *store, size_t *n)
{
    int listing = open_folder(store->documents, ".");
    DIR *folder = listing < 0 ? NULL : fdopendir(listing);
    char **names = NULL, **grown;
    struct dirent *entry;
    size_t room = 0;

    *n = 0;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (!is_document(entry->d_name))
            continue;
        if (*n == room) {
            room = room == 0 ? 64 : room * 2;
            grown = reallocarray(names, room, sizeof *names);
            if (grown == NULL)
                break;
            names = grown;
        }
        if ((names[*n] = strdup(entry->d_name)) == NULL)
            break;
        (*n)++;
    }
    if (folder != NULL)
        closedir(folder);
    return names;
}

size_t store_load(struct store *store, store_each *each, void *arg)
{
    size_t n, fates[3] = {0};
    char **names = list_documents(store, &n);

    survey_clock(store, names, n);
    for (size_t i = 0; i < n; i++) {
        fates[load_one(store, names[i], each, arg)]++;
        free(names[i]);
    }
    free(names);
    if (fates[OF_NO_AGE] > 0)
        log_error(
            "store: the clock was put back after %zu of the documents had been kept: not used "
            "until the API confirms them",
            fates[OF_NO_AGE]);
    return fates[TAKEN];
}

struct store *store_new(struct loop *loop, const char *folder, const char *host, const char *url)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store_configure(store, host, url);
    store->ahead = (int64_t)time(NULL) - cloud_clock_ms() / 1000;
    store->documents = -1;
    store->folder = open_folder(AT_FDCWD, folder);
    if (store->folder >= 0 && (mkdirat(store->folder, DOCUMENTS, 0700) == 0 || errno == EEXIST))
        store->documents = open_folder(store->folder, DOCUMENTS);
    if (store->documents < 0)
        log_error("store: %s: %s", folder, strerror(errno));
    else if (!process_boot(store->boot))
        log_error("store: the boot id cannot be read: %s", strerror(errno));
    else if ((store->worker = worker_new(loop)) != NULL)
        return store;
    store_free(store);
    return NULL;
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    store->ending = true;
    worker_free(store->worker);
    drop_unkept(store, NULL);
    if (store->documents >= 0)
        close(store->documents);
    if (store->folder >= 0)
        close(store->folder);
    free(store);
}

void store_look(const struct store *store, struct store_figures *out)
{
    *out = store->figures;
    out->pending = worker_pending(store->worker);
}

void store_configure(struct store *store, const char *host, const char *url)
{
    snprintf(store->host, sizeof store->host, "%s", host);
    snprintf(store->url, sizeof store->url, "%s", url);
}

/* ---- Owners: "uid gid project environment hash" ---- */

static size_t put_owner(const struct store_binding *owner, char out[LINE_SIZE])
{
    return end_line(out, snprintf(out, LINE_SIZE, "%u %u %s %s", owner->uid, owner->gid,
                                  owner->project, owner->environment));
}

/* A line is whole if writing what it says gives the same line. */
static bool parse_owner(const char *line, size_t n, struct store_binding *out)
{
    char text[LINE_SIZE], again[LINE_SIZE];

    if (n + 1 >= sizeof text)
        return false;
    memcpy(text, line, n);
    text[n] = '\0';
    memset(out, 0, sizeof *out);
    _Static_assert(CLOUD_PROJECT_MAX == 32 && CLOUD_NAME_MAX == 128, "the widths below");
    /* NOLINTNEXTLINE(cert-err34-c): a number that does not fit does not come back the same */
    if (sscanf(text, "%u %u %32s %128s", &out->uid, &out->gid, out->project, out->environment) != 4)
        return false;
    return put_owner(out, again) == n + 1 && memcmp(again, line, n) == 0;
}

static void keep_damaged_owners(const struct store *store, const char *file, size_t size)
{
    int fd = openat(store->folder, OWNERS DAMAGED,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    log_error("store: %s has damaged lines, which are passed over; a copy is in %s", OWNERS,
              OWNERS DAMAGED);
    if (fd < 0)
        return;
    if (!io_write_all(fd, file, size))
        log_error("store: %s: %s", OWNERS DAMAGED, strerror(errno));
    close(fd);
}

bool store_load_bindings(struct store *store, void (*each)(void *arg, const struct store_binding *),
                         void *arg)
{
    size_t size = 0;
    char *file = read_file(store->folder, OWNERS, OWNERS_MAX, &size);
    bool damaged = false;

    if (file == NULL) {
        if (errno == ENOENT)
            return true;
        log_error("store: %s cannot be read: %s", OWNERS, strerror(errno));
        return false;
    }
    for (size_t at = 0; at < size;) {
        struct store_binding owner;
        const char *newline = memchr(file + at, '\n', size - at);
        size_t n = newline == NULL ? size - at : (size_t)(newline - file) - at;
        if (newline != NULL && parse_owner(file + at, n, &owner))
            each(arg, &owner);
        else
            damaged = true;
        at += n + 1;
    }
    if (damaged)
        keep_damaged_owners(store, file, size);
    free(file);
    return true;
}

/* In the worker. */
static void append_owner(struct work *work)
{
    struct owner_job *job = (struct owner_job *)work;
    char line[LINE_SIZE + 1], last = '\n';
    size_t n = put_owner(&job->owner, line + 1);
    int fd = openat(job->store->folder, OWNERS,
                    O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    bool ok = n > 0 && end >= 0;

    /* A line of its own, also after one that a crash cut short. */
    line[0] = '\n';
    if (ok && end > 0 && pread(fd, &last, 1, end - 1) != 1)
        ok = false;
    ok = ok && io_write_all(fd, last == '\n' ? line + 1 : line, last == '\n' ? n : n + 1) &&
         fdatasync(fd) == 0;
    if (!ok)
        work->failed = errno == 0 ? EIO : errno;
    if (fd >= 0)
        close(fd);
}

static bool is_of(const struct store_binding *owner, const struct store_binding *other)
{
    return strcmp(owner->project, other->project) == 0 &&
           strcmp(owner->environment, other->environment) == 0;
}

/* Those of an environment, or with NULL all. */
static void drop_unkept(struct store *store, const struct store_binding *owner)
{
    for (struct owner_job **each = &store->unkept, *job; (job = *each) != NULL;) {
        if (owner != NULL && !is_of(&job->owner, owner)) {
            each = &job->next;
            continue;
        }
        *each = job->next;
        free(job);
    }
}

/* Not while others are on their way: one of them may release what would be bound behind it. */
static void retry_owners(struct store *store)
{
    struct owner_job *job = store->unkept, *next;

    if (store->ending || store->owner_jobs > 0)
        return;
    store->unkept = NULL;
    for (; job != NULL; job = next) {
        next = job->next;
        store->owner_jobs++;
        worker_add(store->worker, &job->work);
    }
}

static void finish_owner(struct work *work)
{
    struct owner_job *job = (struct owner_job *)work;
    struct store *store = job->store;
    bool ok = work->failed == 0, binds = job->done == NULL;

    store->owner_jobs--;
    if (!ok)
        log_error("store: the uid of %s/%s cannot be kept: %s", job->owner.project,
                  job->owner.environment, strerror(work->failed));
    if (ok || binds)
        drop_unkept(store, &job->owner); /* they are older */
    if (job->done != NULL)
        job->done(job->arg, ok);
    if (!ok && binds && !store->ending) {
        work->failed = 0;
        job->next = store->unkept;
        store->unkept = job;
        return;
    }
    free(job);
    if (ok)
        retry_owners(store);
}

static void add_owner(struct store *store, const struct store_binding *owner, store_done *done,
                      void *arg)
{
    struct owner_job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        log_error("store: no memory to keep the uid of %s/%s", owner->project, owner->environment);
        if (done != NULL)
            done(arg, false);
        return;
    }
    job->done = done;
    job->arg = arg;
    job->work = (struct work){.run = append_owner, .finish = finish_owner};
    job->store = store;
    job->owner = *owner;
    store->owner_jobs++;
    worker_add(store->worker, &job->work);
}

void store_add_binding(struct store *store, const struct store_binding *owner)
{
    add_owner(store, owner, NULL, NULL);
}

bool store_binding_is_release(const struct store_binding *owner)
{
    return owner->uid == 0 && owner->gid == 0;
}

void store_release_binding(struct store *store, const char *project, const char *environment,
                           store_done *done, void *arg)
{
    struct store_binding owner = {.uid = 0};

    snprintf(owner.project, sizeof owner.project, "%s", project);
    snprintf(owner.environment, sizeof owner.environment, "%s", environment);
    add_owner(store, &owner, done, arg);
}
