/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store.h"

#include "broker/document.h"
#include "broker/keys.h"
#include "broker/log.h"
#include "broker/worker.h"

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

#define DOCUMENTS   "documents"
#define OWNERS      "owners"
#define DAMAGED     ".damaged"
#define FIRST_LINE  "cloudauth document 1\n"
#define HASH_LINE   "sha256 "
#define HASH_HEX    ((size_t)2 * KEY_FINGERPRINT_SIZE)
#define COVERED_AT  (sizeof FIRST_LINE - 1 + sizeof HASH_LINE - 1 + HASH_HEX + 1)
#define HEADER_MAX  4096
#define FILE_MAX    (COVERED_AT + HEADER_MAX + DOCUMENT_SIZE_MAX)
#define OWNERS_MAX  (256u << 20) /* more lines than there are uids */
#define NAME_SIZE   (CLOUD_PROJECT_MAX + 1 + CLOUD_NAME_MAX + 1)
#define BOOT_SIZE   64
#define OWNER_LINE  256
#define CLOCK_SLACK 2 /* seconds that a clock may be put back by its keeper */

struct store {
    int folder, documents;
    char host[sizeof((struct cloud_conf *)NULL)->host_id];
    char url[CLOUD_URL_SIZE];
    char boot[BOOT_SIZE]; /* /proc's boot_id: whether a time since boot still means something */
    struct worker *worker;
};

/* ---- A document's file ---- */

static bool file_name(const char *project, const char *environment, char out[NAME_SIZE])
{
    return snprintf(out, NAME_SIZE, "%s.%s", project, environment) < NAME_SIZE;
}

/* Whose documents they are. */
struct origin {
    const char *host, *url, *boot;
};

/* Writes the header that a body of that length has; 0 if it does not fit. */
static size_t put_header(const struct origin *origin, const struct store_entry *entry,
                         size_t length, char out[HEADER_MAX])
{
    int n = snprintf(out, HEADER_MAX,
                     "host %s\nurl %s\nproject %s\nenvironment %s\nasked %lld\nboot %s %lld\n"
                     "etag %s\nmodified %s\nlength %zu\n\n",
                     origin->host, origin->url, entry->project, entry->environment,
                     (long long)entry->asked_wall, origin->boot, (long long)entry->asked,
                     entry->validator.etag, entry->validator.modified, length);

    return n < 0 || n >= HEADER_MAX ? 0 : (size_t)n;
}

static void put_hex(const unsigned char hash[KEY_FINGERPRINT_SIZE], char out[HASH_HEX + 1])
{
    for (size_t i = 0; i < KEY_FINGERPRINT_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* The whole file in one piece of memory, the caller's to free; NULL if memory is out. */
static char *make_file(const struct origin *origin, const struct store_entry *entry,
                       const void *body, size_t length, size_t *size)
{
    char header[HEADER_MAX], hex[HASH_HEX + 1];
    unsigned char hash[KEY_FINGERPRINT_SIZE];
    size_t n = put_header(origin, entry, length, header);
    char *file = NULL;

    if (n > 0 && keys_sha256(header, n, body, length, hash))
        file = malloc(COVERED_AT + n + length + 1);
    if (file == NULL)
        return NULL;
    put_hex(hash, hex);
    snprintf(file, COVERED_AT + 1, FIRST_LINE HASH_LINE "%s\n", hex);
    memcpy(file + COVERED_AT, header, n);
    if (length > 0)
        memcpy(file + COVERED_AT + n, body, length);
    *size = COVERED_AT + n + length;
    return file;
}

/* What a file's header says; the strings are its own. */
struct header {
    char host[256], url[CLOUD_URL_SIZE], boot[BOOT_SIZE];
    char project[CLOUD_PROJECT_MAX + 1], environment[CLOUD_NAME_MAX + 1];
    struct store_entry entry;
    const char *body;
    size_t length;
};

/* Takes the line `name value` at *at, which moves on. The bytes are the store's own: their hash
 * was right; so this guards against mistakes of ours, not against an enemy. */
static bool take_line(const char **at, const char *end, const char *name, char *out, size_t size)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    size_t prefix = strlen(name), n;

    if (newline == NULL)
        return false;
    n = (size_t)(newline - *at);
    if (n < prefix + 1 || memcmp(*at, name, prefix) != 0 || (*at)[prefix] != ' ' ||
        n - prefix - 1 >= size)
        return false;
    memcpy(out, *at + prefix + 1, n - prefix - 1);
    out[n - prefix - 1] = '\0';
    *at = newline + 1;
    return true;
}

static bool take_number(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return errno == 0 && end != text && *end == '\0';
}

static bool parse_header(const char *at, const char *end, struct header *out)
{
    char asked[32], boot[BOOT_SIZE + 32], length[32], *space;
    int64_t n;

    if (!take_line(&at, end, "host", out->host, sizeof out->host) ||
        !take_line(&at, end, "url", out->url, sizeof out->url) ||
        !take_line(&at, end, "project", out->project, sizeof out->project) ||
        !take_line(&at, end, "environment", out->environment, sizeof out->environment) ||
        !take_line(&at, end, "asked", asked, sizeof asked) ||
        !take_line(&at, end, "boot", boot, sizeof boot) ||
        !take_line(&at, end, "etag", out->entry.validator.etag, sizeof out->entry.validator.etag) ||
        !take_line(&at, end, "modified", out->entry.validator.modified,
                   sizeof out->entry.validator.modified) ||
        !take_line(&at, end, "length", length, sizeof length))
        return false;
    space = strrchr(boot, ' ');
    if (space == NULL || (size_t)(space - boot) >= sizeof out->boot || at == end || *at != '\n' ||
        !take_number(asked, &out->entry.asked_wall) || !take_number(space + 1, &out->entry.asked) ||
        !take_number(length, &n))
        return false;
    *space = '\0';
    strcpy(out->boot, boot);
    out->body = at + 1;
    out->length = (size_t)(end - out->body);
    out->entry.project = out->project;
    out->entry.environment = out->environment;
    return n >= 0 && (uint64_t)n == out->length;
}

/* Whether size bytes are a whole file of ours; out then borrows from them. */
static bool parse_file(const char *file, size_t size, struct header *out)
{
    unsigned char hash[KEY_FINGERPRINT_SIZE];
    char hex[HASH_HEX + 1], first[COVERED_AT + 1];

    if (size < COVERED_AT || !keys_sha256(file + COVERED_AT, size - COVERED_AT, "", 0, hash))
        return false;
    put_hex(hash, hex);
    snprintf(first, sizeof first, FIRST_LINE HASH_LINE "%s\n", hex);
    return memcmp(file, first, COVERED_AT) == 0 &&
           parse_header(file + COVERED_AT, file + size, out);
}

/* Reads a file of the documents' folder; the caller frees it. NULL with errno. */
static char *read_file(int folder, const char *name, size_t most, size_t *size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    char *file = NULL;
    size_t used = 0;
    ssize_t got = 0;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 && (size_t)st.st_size <= most)
        file = malloc((size_t)st.st_size + 1);
    else
        errno = EFBIG;
    while (file != NULL && used < (size_t)st.st_size &&
           (got = read(fd, file + used, (size_t)st.st_size - used)) > 0)
        used += (size_t)got;
    if (file != NULL && got < 0) {
        free(file);
        file = NULL;
        errno = EIO;
    }
    close(fd);
    *size = used;
    return file;
}

/* ---- The worker's side ---- */

/* A write, on its own copy. */
struct job {
    struct work work;
    struct store *store;
    char name[NAME_SIZE];
    char *file; /* NULL: the file that is there gets new times */
    bool renewal;
    size_t size;
    int64_t asked, asked_wall;
    unsigned char hash[KEY_FINGERPRINT_SIZE];
    void (*done)(void *arg);
    void *arg;
};

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

/* Writes the file aside and syncs it. Only the worker does, so that one name is enough. */
static bool write_aside(const struct store *store, const char *file, size_t size)
{
    int fd = openat(store->documents, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    bool ok = fd >= 0 && write_all(fd, file, size) && fsync(fd) == 0;

    if (fd >= 0 && close(fd) != 0)
        ok = false;
    return ok;
}

/* The same file with the times of the last confirmation; false if it is not there any more. */
static bool renew_times(struct job *job)
{
    size_t old_size;
    char *old = read_file(job->store->documents, job->name, FILE_MAX, &old_size);
    struct header header = {0};
    unsigned char hash[KEY_FINGERPRINT_SIZE];

    if (old == NULL)
        return false;
    if (parse_file(old, old_size, &header) &&
        keys_sha256(header.body, header.length, "", 0, hash) &&
        memcmp(hash, job->hash, sizeof hash) == 0) {
        header.entry.asked = job->asked;
        header.entry.asked_wall = job->asked_wall;
        /* It stays of the host and the API that it came from, whatever the settings are now. */
        const struct origin origin = {header.host, header.url, job->store->boot};
        job->file = make_file(&origin, &header.entry, header.body, header.length, &job->size);
    }
    free(old);
    return job->file != NULL;
}

/* In the worker. */
static void run_job(struct work *work)
{
    struct job *job = (struct job *)work;
    const struct store *store = job->store;

    job->renewal = job->file == NULL;
    if (job->renewal && !renew_times(job))
        return;
    if (!write_aside(store, job->file, job->size))
        work->failed = errno == 0 ? EIO : errno;
}

/* In the worker, with nothing able to cancel the work any more, which a removal would do. */
static void commit_job(struct work *work)
{
    struct job *job = (struct job *)work;
    const struct store *store = job->store;

    if (job->file == NULL)
        return;
    if (work->failed == 0 && renameat(store->documents, "new", store->documents, job->name) == 0)
        return;
    if (work->failed == 0)
        work->failed = errno;
    /* An old document would bring back who was removed. Old times only shorten its bound. */
    if (!job->renewal)
        unlinkat(store->documents, job->name, 0);
}

static void sync_job(struct work *work)
{
    fsync(((struct job *)work)->store->documents);
}

/* Back in the loop. */
static void finish_job(struct work *work)
{
    struct job *job = (struct job *)work;

    if (work->failed != 0)
        log_error("store: document %s cannot be kept: %s; after a restart it %s", job->name,
                  strerror(work->failed), job->renewal ? "would be older" : "would be missing");
    if (job->done != NULL)
        job->done(job->arg);
    free(job->file);
    free(job);
}

static struct job *make_job(struct store *store, const struct store_entry *entry)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->store = store;
    job->work = (struct work){.run = run_job,
                              .commit = commit_job,
                              .after = sync_job,
                              .finish = finish_job,
                              .name = job->name};
    if (file_name(entry->project, entry->environment, job->name))
        return job;
    free(job);
    return NULL;
}

void store_put(struct store *store, const struct store_entry *entry, const void *body,
               size_t length, void (*done)(void *arg), void *arg)
{
    struct job *job = make_job(store, entry);

    if (job != NULL) {
        job->done = done;
        job->arg = arg;
        const struct origin origin = {store->host, store->url, store->boot};
        job->file = make_file(&origin, entry, body, length, &job->size);
    }
    if (job == NULL || job->file == NULL) {
        log_error("store: no memory to keep document %s/%s", entry->project, entry->environment);
        store_remove(store, entry->project, entry->environment);
        free(job);
        done(arg);
        return;
    }
    worker_add(store->worker, &job->work);
}

void store_touch(struct store *store, const struct store_entry *entry)
{
    struct job *job = make_job(store, entry);

    if (job == NULL)
        return; /* an older time stays: it shortens the bound */
    job->asked = entry->asked;
    job->asked_wall = entry->asked_wall;
    memcpy(job->hash, entry->hash, sizeof job->hash);
    worker_add(store->worker, &job->work);
}

struct removal {
    const struct store *store;
    const char *name;
};

static void remove_file(void *arg)
{
    const struct removal *removal = arg;

    if (unlinkat(removal->store->documents, removal->name, 0) != 0 && errno != ENOENT)
        log_error("store: document %s cannot be removed: %s", removal->name, strerror(errno));
}

void store_remove(struct store *store, const char *project, const char *environment)
{
    char name[NAME_SIZE];
    struct removal removal = {store, name};

    if (file_name(project, environment, name))
        worker_cancel(store->worker, name, remove_file, &removal);
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

/* Turns the stored times into those of this boot. */
static void set_times(const struct store *store, struct header *header, int64_t wall)
{
    if (strcmp(header->boot, store->boot) == 0 && header->entry.asked <= loop_now())
        return;
    header->entry.asked = loop_now() - (wall - header->entry.asked_wall) * 1000;
}

/* Why a whole file is not to be believed, or NULL. */
static const char *judge(const struct store *store, const struct header *header, const char *name)
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

/* The latest time in the store: a clock before it has been put back. */
static int64_t latest_time(const struct store *store, char **names, size_t n)
{
    int64_t latest = INT64_MIN;

    for (size_t i = 0; i < n; i++) {
        size_t size;
        char *file = read_file(store->documents, names[i], FILE_MAX, &size);
        struct header header = {0};
        if (file != NULL && parse_file(file, size, &header) && header.entry.asked_wall > latest)
            latest = header.entry.asked_wall;
        free(file);
    }
    return latest;
}

static bool load_one(const struct store *store, const char *name, store_each *each, void *arg)
{
    size_t size;
    char *file = read_file(store->documents, name, FILE_MAX, &size);
    struct header header = {0};
    const char *why = NULL;
    bool taken = false;

    if (file == NULL || !parse_file(file, size, &header))
        set_aside(store, name, "is damaged");
    else if ((why = judge(store, &header, name)) != NULL)
        /* It stays: perhaps the settings are wrong, and not the document. */
        log_error("store: document %s %s: not used", name, why);
    else {
        set_times(store, &header, (int64_t)time(NULL));
        taken = each(arg, &header.entry, header.body, header.length);
    }
    free(file);
    return taken;
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
    size_t n, taken = 0;
    char **names = list_documents(store, &n);
    int64_t latest = latest_time(store, names, n);

    if (latest != INT64_MIN && (int64_t)time(NULL) < latest - CLOCK_SLACK)
        log_error("store: the clock stands before the time of the last document: none is used");
    else
        for (size_t i = 0; i < n; i++)
            taken += load_one(store, names[i], each, arg);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return taken;
}

static bool read_boot_id(char out[BOOT_SIZE])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, out, BOOT_SIZE - 1);

    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return false;
    out[got] = '\0';
    out[strcspn(out, " \n")] = '\0';
    return true;
}

struct store *store_new(struct loop *loop, const char *folder, const char *host, const char *url)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store_configure(store, host, url);
    store->documents = -1;
    store->folder = open_folder(AT_FDCWD, folder);
    if (store->folder >= 0 && (mkdirat(store->folder, DOCUMENTS, 0700) == 0 || errno == EEXIST))
        store->documents = open_folder(store->folder, DOCUMENTS);
    if (store->documents < 0)
        log_error("store: %s: %s", folder, strerror(errno));
    else if (!read_boot_id(store->boot))
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
    worker_free(store->worker);
    if (store->documents >= 0)
        close(store->documents);
    if (store->folder >= 0)
        close(store->folder);
    free(store);
}

void store_configure(struct store *store, const char *host, const char *url)
{
    snprintf(store->host, sizeof store->host, "%s", host);
    snprintf(store->url, sizeof store->url, "%s", url);
}

/* ---- Owners: "uid gid project environment hash" ---- */

static size_t put_owner(const struct store_owner *owner, char out[OWNER_LINE])
{
    unsigned char hash[KEY_FINGERPRINT_SIZE];
    char hex[HASH_HEX + 1];
    int n = snprintf(out, OWNER_LINE, "%u %u %s %s", owner->uid, owner->gid, owner->project,
                     owner->environment);

    if (n < 0 || (size_t)n + 18 >= OWNER_LINE || !keys_sha256(out, (size_t)n, "", 0, hash))
        return 0;
    put_hex(hash, hex);
    snprintf(out + n, OWNER_LINE - (size_t)n, " %.16s\n", hex);
    return (size_t)n + 18;
}

/* A line is whole if writing what it says gives the same line. */
static bool parse_owner(const char *line, size_t n, struct store_owner *out)
{
    char text[OWNER_LINE], again[OWNER_LINE];

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
    write_all(fd, file, size);
    close(fd);
}

bool store_load_owners(struct store *store, void (*each)(void *arg, const struct store_owner *),
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
        struct store_owner owner;
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

struct owner_job {
    struct work work;
    struct store *store;
    struct store_owner owner;
};

/* In the worker. */
static void append_owner(struct work *work)
{
    struct owner_job *job = (struct owner_job *)work;
    char line[OWNER_LINE + 1], last = '\n';
    size_t n = put_owner(&job->owner, line + 1);
    int fd = openat(job->store->folder, OWNERS,
                    O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    bool ok = n > 0 && end >= 0;

    /* A line of its own, also after one that a crash cut short. */
    line[0] = '\n';
    if (ok && end > 0 && pread(fd, &last, 1, end - 1) != 1)
        ok = false;
    ok = ok && write_all(fd, last == '\n' ? line + 1 : line, last == '\n' ? n : n + 1) &&
         fdatasync(fd) == 0;
    if (!ok)
        work->failed = errno == 0 ? EIO : errno;
    if (fd >= 0)
        close(fd);
}

static void nothing(struct work *work)
{
    (void)work;
}

static void finish_owner(struct work *work)
{
    struct owner_job *job = (struct owner_job *)work;

    if (work->failed != 0)
        log_error("store: the uid of %s/%s cannot be kept: %s", job->owner.project,
                  job->owner.environment, strerror(work->failed));
    free(job);
}

void store_add_owner(struct store *store, const struct store_owner *owner)
{
    struct owner_job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        log_error("store: no memory to keep the uid of %s/%s", owner->project, owner->environment);
        return;
    }
    job->work = (struct work){.run = append_owner,
                              .commit = nothing,
                              .after = nothing,
                              .finish = finish_owner,
                              .name = ""};
    job->store = store;
    job->owner = *owner;
    worker_add(store->worker, &job->work);
}
