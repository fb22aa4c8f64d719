/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/session_files.h"

#include "base/fatal.h"
#include "base/log.h"
#include "base/table.h"
#include "cloudauthd/state/statefile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define SESSIONS "sessions"

TAILQ_HEAD(jobs, job);

struct session_files {
    struct worker *worker;
    int directory;
    char boot[PROCESS_BOOT_SIZE];
    struct table table;  /* the jobs of both lists, by id */
    struct jobs waiting; /* for the worker */
    struct jobs refused; /* they have failed, and wait for session_files_retry */
    bool busy;           /* the worker has a job */
};

/* ---- A session's file ---- */

static const struct statefile_format format = {"cloudauth session 1 ", true};

struct record {
    struct session session;
    char boot[PROCESS_BOOT_SIZE];
    /* The name of the session's certificate (certificate_name). If it has none, the value is "0"
     * when the record is written, which leaves the line out, and "" when it was read. */
    char certificate[CERTIFICATE_NAME_SIZE];
};

#define FIELD(name, type, member) STATEFILE_FIELD(struct record, name, STATEFILE_##type, member)
#define OPTIONAL(name, type, member)                                                               \
    STATEFILE_OPTIONAL(struct record, name, STATEFILE_##type, member)

static const struct statefile_field fields[] = {
    FIELD("id", TEXT, session.id),
    FIELD("account", TEXT, session.account),
    FIELD("project", TEXT, session.name.project),
    FIELD("environment", TEXT, session.name.environment),
    FIELD("app", TEXT, session.name.app),
    FIELD("worker", TEXT, session.name.worker),
    FIELD("user", TEXT, session.user),
    FIELD("user_id", TEXT, session.user_id),
    FIELD("mail", TEXT, session.mail),
    FIELD("role", TEXT, session.role),
    FIELD("key", HASH, session.offered.fingerprint),
    FIELD("from", TEXT, session.from),
    FIELD("service", TEXT, session.service),
    FIELD("since", NUMBER, session.since),
    FIELD("boot", TEXT, boot),
    FIELD("pid", NUMBER, session.monitor.pid),
    FIELD("start", NUMBER, session.monitor.start),
    FIELD("audit", NUMBER, session.audit),
    FIELD("uid", NUMBER, session.uid),
    OPTIONAL("opened", NUMBER, session.opened),
    OPTIONAL("key_expires", NUMBER, session.key_expires),
    OPTIONAL("certificate", TEXT, certificate),
    OPTIONAL("certificate_ends", NUMBER, session.offered.valid_before),
    OPTIONAL("max_seconds", NUMBER, session.max_seconds),
    OPTIONAL("idle_seconds", NUMBER, session.idle_seconds),
    OPTIONAL("ending", NUMBER, session.ending_audit), /* 0: not ending; no audit session has id 0 */
    {0},
};

size_t session_files_format(const struct session *session, const char *boot,
                            char out[SESSION_FILE_SIZE])
{
    struct record record = {.session = *session, .certificate = "0"};
    size_t n;

    if (!session->ending)
        record.session.ending_audit = 0;
    if (session->offered.certified)
        certificate_name(&session->offered, record.certificate);
    snprintf(record.boot, sizeof record.boot, "%s", boot);
    n = statefile_put_fields(fields, &record, out + STATEFILE_HEAD_MAX,
                             SESSION_FILE_SIZE - STATEFILE_HEAD_MAX);
    return n == 0 ? 0 : statefile_seal(&format, out, n);
}

bool session_files_parse(const char *file, size_t size, struct session *out,
                         char boot[PROCESS_BOOT_SIZE])
{
    struct offered_key *offered;
    struct record record;
    size_t n;
    const char *at = statefile_open(&format, file, size, &n), *end;

    memset(&record, 0, sizeof record);
    if (at == NULL)
        return false;
    end = at + n;
    if (!statefile_get_fields(fields, &at, end, &record) || at != end)
        return false;
    offered = &record.session.offered;
    offered->certified = record.certificate[0] != '\0';
    if (offered->certified &&
        !certificate_name_read(record.certificate, &offered->serial, offered->ca))
        return false;
    record.session.ending = record.session.ending_audit != 0;
    record.session.name.kind = cloud_name_kind(record.session.account);
    memcpy(out, &record.session, sizeof *out);
    memcpy(boot, record.boot, PROCESS_BOOT_SIZE);
    return true;
}

/* ---- In the worker ---- */

/* What is to be done with a session's file. At most one job of each session is in one of the lists.
 */
struct job {
    struct work work;
    struct table_node node; /* in `table`, by id */
    TAILQ_ENTRY(job) next;
    struct session_files *files;
    char id[SESSION_ID_SIZE];
    bool is_new;    /* no file of the session can have been written yet */
    bool refused;   /* the job is in the list `refused` */
    bool is_logged; /* a failure has been logged */
    size_t size;    /* bytes in `file`; 0: the session's file is removed */
    char file[];
};

/* Whether there is no such file. A read-only file system fails its removal with EROFS. */
static bool is_missing(int directory, const char *name)
{
    return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

/* Writes or removes the file. A removal is not synced, because a power failure ends the session as
 * well. */
static void run(struct work *work)
{
    struct job *job = (struct job *)work;
    int directory = job->files->directory;

    if (job->size > 0) {
        work->failed = statefile_write(directory, job->id, job->file, job->size);
    } else if (unlinkat(directory, job->id, 0) != 0) {
        int failed = errno;
        work->failed = is_missing(directory, job->id) ? 0 : failed;
    }
}

/* ---- In the main thread ---- */

static bool has_id(const struct table_node *node, const void *key)
{
    return strcmp(TABLE_OWNER(node, struct job, node)->id, key) == 0;
}

static uint64_t hash(const struct session_files *files, const char *id)
{
    return table_hash(&files->table, id, strlen(id));
}

static struct job *find_job(const struct session_files *files, const char *id)
{
    struct table_node *node = table_find(&files->table, hash(files, id), has_id, id);

    return node == NULL ? NULL : TABLE_OWNER(node, struct job, node);
}

static void put_on(struct job *job, bool refused)
{
    struct session_files *files = job->files;

    job->refused = refused;
    TAILQ_INSERT_TAIL(refused ? &files->refused : &files->waiting, job, next);
    table_insert(&files->table, &job->node, hash(files, job->id));
}

static void take_off(struct job *job)
{
    TAILQ_REMOVE(job->refused ? &job->files->refused : &job->files->waiting, job, next);
    table_remove(&job->files->table, &job->node);
}

/* Makes the first refused job wait for the worker again, or all of them. */
static void try_refused(struct session_files *files, bool all)
{
    struct job *job;

    while ((job = TAILQ_FIRST(&files->refused)) != NULL) {
        take_off(job);
        put_on(job, false);
        if (!all)
            break;
    }
}

/* Gives the next job to the worker, which gets only one at a time, so that the other jobs can still
 * be replaced. */
static void start_next(struct session_files *files)
{
    struct job *job = TAILQ_FIRST(&files->waiting);

    if (files->busy || job == NULL)
        return;
    take_off(job);
    files->busy = true;
    worker_add(files->worker, &job->work);
}

/* Puts a job that has failed on the list `refused`, unless a newer one of the session waits. */
static void refuse(struct job *job)
{
    if (!job->is_logged)
        log_error("the file of session %s cannot be %s: %s", job->id,
                  job->size > 0 ? "written" : "removed", strerror(job->work.failed));
    if (find_job(job->files, job->id) != NULL) {
        free(job);
        return;
    }
    job->is_logged = true;
    job->is_new = false; /* the failure may be that of the sync after the rename */
    job->work.failed = 0;
    put_on(job, true);
}

static void finish(struct work *work)
{
    struct job *job = (struct job *)work;
    struct session_files *files = job->files;

    files->busy = false;
    if (work->failed != 0) {
        refuse(job);
    } else {
        /* A removal also succeeds on a full disk. */
        if (job->size > 0)
            try_refused(files, true);
        free(job);
    }
    start_next(files);
}

/* Adds a job, which replaces one of the same session that still waits or was refused. A file that
 * was never written needs no removal, so then no job remains. */
static void add(struct session_files *files, const char *id, const char *file, size_t size,
                bool is_new)
{
    struct job *former = find_job(files, id);
    struct job *job = xcalloc(1, sizeof *job + size);

    job->work = (struct work){.run = run, .finish = finish};
    job->files = files;
    snprintf(job->id, sizeof job->id, "%s", id);
    job->size = size;
    memcpy(job->file, file, size);
    job->is_new = former == NULL ? is_new : former->is_new;
    if (former != NULL)
        take_off(former);
    free(former);
    if (job->is_new && size == 0) {
        free(job);
        return;
    }
    put_on(job, false);
    start_next(files);
}

static void keep(struct session_files *files, const struct session *session, bool is_new)
{
    char file[SESSION_FILE_SIZE];
    size_t size = session_files_format(session, files->boot, file);

    if (size == 0)
        log_error("session %s does not fit into a file", session->id);
    else
        add(files, session->id, file, size, is_new);
}

void session_files_add(struct session_files *files, const struct session *session)
{
    keep(files, session, true);
}

void session_files_keep(struct session_files *files, const struct session *session)
{
    keep(files, session, false);
}

void session_files_remove(struct session_files *files, const char *id)
{
    add(files, id, "", 0, false);
}

void session_files_retry(struct session_files *files)
{
    try_refused(files, false);
    start_next(files);
}

/* ---- Start ---- */

static void load(const struct session_files *files, const char *name, session_files_each *each,
                 void *arg)
{
    char boot[PROCESS_BOOT_SIZE];
    struct session session;
    size_t size;
    char *file = statefile_read(files->directory, name, SESSION_FILE_SIZE, &size);

    if (file == NULL || !session_files_parse(file, size, &session, boot) ||
        strcmp(session.id, name) != 0)
        statefile_set_aside(files->directory, name, "session",
                            "if the session is open, it can no longer be ended");
    else if (!each(arg, &session, strcmp(boot, files->boot) == 0))
        unlinkat(files->directory, name, 0);
    free(file);
}

static int is_id(const struct dirent *entry)
{
    return strlen(entry->d_name) == SESSION_ID_SIZE - 1 &&
           strspn(entry->d_name, "0123456789abcdef") == SESSION_ID_SIZE - 1;
}

void session_files_load(struct session_files *files, session_files_each *each, void *arg)
{
    struct dirent **entries = NULL;
    int n = scandirat(files->directory, ".", &entries, is_id, alphasort);

    if (n < 0)
        log_error("the files of sessions cannot be listed: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        load(files, entries[i]->d_name, each, arg);
        free(entries[i]);
    }
    free(entries);
}

struct session_files *session_files_new(struct worker *worker, const char *directory,
                                        const char *boot)
{
    struct session_files *files = xcalloc(1, sizeof *files);

    files->worker = worker;
    snprintf(files->boot, sizeof files->boot, "%s", boot);
    TAILQ_INIT(&files->waiting);
    TAILQ_INIT(&files->refused);
    files->directory = statefile_directory(directory, SESSIONS);
    table_start(&files->table);
    return files;
}

void session_files_free(struct session_files *files)
{
    struct job *job;

    while ((job = TAILQ_FIRST(&files->refused)) != NULL) {
        TAILQ_REMOVE(&files->refused, job, next);
        free(job);
    }
    close(files->directory);
    table_end(&files->table);
    free(files);
}
