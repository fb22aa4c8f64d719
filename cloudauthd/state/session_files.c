/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudauthd/state/session_files.h"

#include "base/log.h"
#include "cloudauthd/state/statefile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSIONS "sessions"

struct session_files {
    struct worker *worker;
    int directory;
    char boot[PROCESS_BOOT_SIZE];
};

/* ---- A session's file ---- */

static const struct statefile_format format = {"cloudauth session 1 ", true};

struct record {
    struct session session;
    char boot[PROCESS_BOOT_SIZE];
    char certificate[CERTIFICATE_NAME_SIZE]; /* "0": none, or read "" */
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
    OPTIONAL("ending", NUMBER, session.ending_audit), /* no audit session has the id 0 */
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

struct job {
    struct work work;
    const struct session_files *files;
    char id[SESSION_ID_SIZE];
    size_t size; /* 0: the file is removed */
    char file[SESSION_FILE_SIZE];
};

/* A removal is not synced: a loss of power ends the sessions as well. */
static void run(struct work *work)
{
    struct job *job = (struct job *)work;
    int directory = job->files->directory;

    if (job->size > 0)
        work->failed = statefile_write(directory, job->id, job->file, job->size);
    else if (unlinkat(directory, job->id, 0) != 0 && errno != ENOENT)
        work->failed = errno;
}

/* ---- In the main thread ---- */

static void finish(struct work *work)
{
    struct job *job = (struct job *)work;

    if (work->failed != 0)
        log_error("the file of session %s cannot be %s: %s", job->id,
                  job->size > 0 ? "written" : "removed", strerror(work->failed));
    free(job);
}

static struct job *make_job(struct session_files *files, const char *id)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        log_error("session %s: out of memory", id);
        return NULL;
    }
    job->work = (struct work){.run = run, .finish = finish};
    job->files = files;
    snprintf(job->id, sizeof job->id, "%s", id);
    return job;
}

void session_files_keep(struct session_files *files, const struct session *session)
{
    struct job *job = make_job(files, session->id);

    if (job == NULL)
        return;
    job->size = session_files_format(session, files->boot, job->file);
    if (job->size == 0) {
        log_error("session %s does not fit into a file", session->id);
        free(job);
        return;
    }
    worker_add(files->worker, &job->work);
}

void session_files_remove(struct session_files *files, const char *id)
{
    struct job *job = make_job(files, id);

    if (job != NULL)
        worker_add(files->worker, &job->work);
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
    struct session_files *files = calloc(1, sizeof *files);

    if (files == NULL)
        return NULL;
    files->worker = worker;
    snprintf(files->boot, sizeof files->boot, "%s", boot);
    files->directory = statefile_directory(directory, SESSIONS);
    if (files->directory >= 0)
        return files;
    free(files);
    return NULL;
}

void session_files_free(struct session_files *files)
{
    if (files == NULL)
        return;
    close(files->directory);
    free(files);
}
